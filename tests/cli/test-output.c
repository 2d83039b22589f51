/* Tests of cli/output.c: nothing from the network gets at the terminal; tables and JSON keep their
 * form. */
#include "cli/dataplane.h"
#include "cli/output.h"

#include <string.h>

typedef struct {
    const char *name, *text, *want;
} CleanCase;

static const CleanCase cleans[] = {
    { "plain", "laptop-2", "laptop-2" },
    { "umlaut", "Büro", "Büro" },
    { "escape", "a\033[2Jb", "a\uFFFD[2Jb" },
    { "newline", "a\nroot: ok", "a\uFFFDroot: ok" },
    { "c1-control",
      "a\xC2\x9B"
      "2J",
      "a\uFFFD2J" },
    { "right-to-left", "a\u202Egnp.exe", "a\uFFFDgnp.exe" },
    { "isolate", "a\u2066b", "a\uFFFDb" },
    { "zero-width", "a\u200Bb", "a\uFFFDb" },
    { "invalid-utf8", "a\xFF", "a\uFFFD" },
    { "delete", "a\x7F", "a\uFFFD" },
};

static void test_clean(gconstpointer data)
{
    const CleanCase *c = data;
    g_autofree char *found = cli_output_clean(c->text);

    g_assert_cmpstr(found, ==, c->want);
}

static void test_table(void)
{
    static const char *const titles[] = { "NAME", "STATE", "LAST", NULL };
    static const char *const cells[] = { "büro", "up", "x", "日本", "down", "", "a", "b\nc", "d" };
    g_autoptr(CliTable) table = cli_output_table_new(titles);
    g_autofree char *text = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(cells); i++)
        cli_output_table_add(table, cells[i]);
    text = cli_output_table_format(table);
    g_assert_cmpstr(text, ==,
                    "NAME  STATE  LAST\n"
                    "büro  up     x\n"
                    "日本  down\n"
                    "a     b\uFFFDc    d\n");
}

typedef struct {
    const char *name, *variant, *want;
} JsonCase;

static const JsonCase jsons[] = {
    { "text", "'a\"b'", "{\"v\":\"a\\\"b\"}" },
    { "list", "['a', 'b']", "{\"v\":[\"a\",\"b\"]}" },
    { "empty-list", "@as []", "{\"v\":[]}" },
    { "dict", "{'a': <true>, 'b': <uint64 7>}", "{\"v\":{\"a\":true,\"b\":7}}" },
    { "dicts", "[{'a': <int64 -1>}]", "{\"v\":[{\"a\":-1}]}" },
    { "numbers", "[{'q': <uint16 65535>, 'u': <uint32 4294967295>}]",
      "{\"v\":[{\"q\":65535,\"u\":4294967295}]}" },
};

static void test_json(gconstpointer data)
{
    const JsonCase *c = data;
    g_autoptr(GVariant) value = g_variant_parse(NULL, c->variant, NULL, NULL, NULL);
    g_autofree char *text = NULL;
    MeshJsonOut      out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    cli_output_variant(&out, "v", value);
    mesh_jsonout_close(&out, '}');
    text = mesh_jsonout_finish(&out, NULL);
    g_assert_cmpstr(text, ==, c->want);
}

static void test_key(void)
{
    g_autofree char *one = cli_output_key("ServerState"), *two = cli_output_key("Id");

    g_assert_cmpstr(one, ==, "server-state");
    g_assert_cmpstr(two, ==, "id");
}

static void test_bytes(void)
{
    g_autofree char *none = cli_output_format_bytes(0), *small = cli_output_format_bytes(1023);
    g_autofree char *kib = cli_output_format_bytes(1536),
                    *most = cli_output_format_bytes(UINT64_MAX);

    g_assert_cmpstr(none, ==, "0 B");
    g_assert_cmpstr(small, ==, "1023 B");
    g_assert_cmpstr(kib, ==, "1.5 KiB");
    g_assert_cmpstr(most, ==, "16.0 EiB");
}

typedef struct {
    const char *name, *found, *want;
} PlaneCase;

static const PlaneCase planes[] = {
    { "down", "@a{sv} {}", "" },
    { "idle", "{'rx-packets': <uint64 0>, 'queue-peak': <uint64 0>, 'drops': <@aa{sv} []>}",
      "  packets    received 0 (0 B), sent 0 (0 B)\n" },
    { "all",
      "{'rx-packets': <uint64 3>, 'rx-bytes': <uint64 2048>, 'tx-packets': <uint64 4>,"
      " 'tx-bytes': <uint64 100>, 'queue-times': <uint64 2>, 'queue-peak': <uint64 1024>,"
      " 'marked': <uint64 9>, 'cut': <uint64 12>,"
      " 'bursts': <[{'way': <'from-host'>, 'state': <'off'>, 'units': <uint64 0>},"
      "  {'way': <'to-network'>, 'state': <'partly'>, 'units': <uint64 5>,"
      "   'packets': <uint64 50>, 'refused': <uint64 1>, 'held': <uint64 7>}]>,"
      " 'drops': <[{'reason': <'no-peer'>, 'packets': <uint64 6>},"
      "  {'reason': <'new\\n'>, 'packets': <uint64 8>}]>}",
      "  packets    received 3 (2.0 KiB), sent 4 (100 B)\n"
      "             too long for their way, sent in pieces: 12\n"
      "  bursts     from this computer: off\n"
      "             to the network: on in part, packets: 50 in 5 bursts, refused by the kernel: 1, "
      "one by one because the way loses bursts: 7\n"
      "  full link  times: 2, at most 1.0 KiB waited, packets marked (ECN): 9\n"
      "  dropped    6 sent to an address that no node has\n"
      "             8 new\uFFFD\n" },
};

static void test_plane(gconstpointer data)
{
    const PlaneCase *c = data;
    g_autoptr(GVariant) found = g_variant_new_parsed(c->found);
    g_autofree char *text = cli_dataplane_describe(found);

    g_assert_cmpstr(text, ==, c->want);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cleans); i++) {
        g_autofree char *path = g_strconcat("/output/clean/", cleans[i].name, NULL);

        g_test_add_data_func(path, &cleans[i], test_clean);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(jsons); i++) {
        g_autofree char *path = g_strconcat("/output/json/", jsons[i].name, NULL);

        g_test_add_data_func(path, &jsons[i], test_json);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(planes); i++) {
        g_autofree char *path = g_strconcat("/output/plane/", planes[i].name, NULL);

        g_test_add_data_func(path, &planes[i], test_plane);
    }
    g_test_add_func("/output/table", test_table);
    g_test_add_func("/output/key", test_key);
    g_test_add_func("/output/bytes", test_bytes);
    return g_test_run();
}
