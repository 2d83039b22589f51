/* Tests of common/glib/json.c and jsoncheck.c: what is refused, and with which text. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <string.h>
#include <sys/socket.h>

typedef struct {
    const char *name, *text;
    const char *want; /* part of the error's text; NULL: fine */
} CheckCase;

#define D8  "[[[[[[[["
#define D31 D8 D8 D8 "[[[[[[["
#define E8  "]]]]]]]]"
#define E31 E8 E8 E8 "]]]]]]]"

static const CheckCase checks[] = {
    { "empty-object", "{}", NULL },
    { "empty-array", " [ ] ", NULL },
    { "all", "{\"a\":[1,-2,3.5,1e9,2E-3,true,false,null,\"x\\u00e4\\n\"],\"b\":{\"a\":0}}", NULL },
    { "surrogates", "\"\\ud83d\\ude00\"", NULL },
    { "depth-32", D31 "[]" E31, NULL },
    { "depth-33", D31 "[[]]" E31, "nested too deeply" },
    { "16-digits", "9007199254740991", NULL },
    { "same-key-elsewhere", "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}", NULL },
    { "same-key", "{\"a\":1,\"a\":2}", "line 1 column 11: the same key twice" },
    { "same-key-escaped", "{\"a\":1,\"\\u0061\":2}", "the same key twice" },
    { "same-key-inside", "[{\"b\":{\"a\":1,\"c\":2,\"a\":3}}]", "the same key twice" },
    { "nothing", "", "ends too early" },
    { "two-values", "{} {}", "behind the end" },
    { "comma-at-end", "[1,]", "a value was expected" },
    { "comma-at-end-of-object", "{\"a\":1,}", "a key in quotes" },
    { "no-colon", "{\"a\" 1}", "':' was expected" },
    { "no-comma", "[1 2]", "',' or ']'" },
    { "wrong-bracket", "[1}", "',' or ']'" },
    { "wrong-bracket-empty", "{]", "a key in quotes" },
    { "open", "{\"a\":", "ends too early" },
    { "open-text", "\"abc", "not closed" },
    { "open-escape", "\"abc\\", "not closed" },
    { "single-quotes", "{'a':1}", "a key in quotes" },
    { "comment", "{/* */}", "a key in quotes" },
    { "leading-zero", "[01]", "begins with 0" },
    { "bare-minus", "[-]", "a value was expected" },
    { "point-at-end", "[1.]", "ends in its point" },
    { "no-exponent", "[1e]", "without its exponent" },
    { "plus", "[+1]", "a value was expected" },
    { "hex", "[0x10]", "',' or ']'" },
    { "nan", "[NaN]", "a value was expected" },
    { "17-digits", "[12345678901234567]", "too large" },
    { "newline-in-text", "\"a\nb\"", "control character" },
    { "bad-escape", "\"\\x\"", "unknown escape" },
    { "short-unicode", "\"\\u12\"", "four hexadecimal" },
    { "nul", "\"a\\u0000b\"", "\\u0000 is not allowed" },
    { "half-surrogate", "\"\\ud83d\"", "half of a surrogate" },
    { "low-first", "\"\\ude00\\ud83d\"", "half of a surrogate" },
    { "two-highs", "\"\\ud83d\\ud83d\"", "half of a surrogate" },
    { "utf8", "\"\xff\"", "not valid UTF-8" },
    { "utf8-overlong", "\"\xc0\xaf\"", "not valid UTF-8" },
    { "second-line", "{\n \"a\": x}", "line 2 column 7" },
    { "word", "[tru]", "a value was expected" },
};

static void test_check(gconstpointer data)
{
    const CheckCase *c = data;
    g_autoptr(GError) error = NULL;
    bool ok = mesh_json_check(c->text, strlen(c->text), &error);

    if (c->want == NULL) {
        g_assert_no_error(error);
        g_assert_true(ok);
        return;
    }
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
    if (strstr(error->message, c->want) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, c->want);
}

typedef struct {
    bool        flag, seen;
    uint64_t    number;
    const char *text, *label;
    uint8_t     bytes[3];
    MeshKey     key;
    MeshAddr    addr;
    MeshPrefix  prefix;
    JsonArray  *array;
    JsonObject *object;
} Out;

static const MeshJsonField fields[] = {
    { "flag", MESH_JSON_BOOL, false, offsetof(Out, flag), .seen = offsetof(Out, seen) },
    { "number", MESH_JSON_INT, true, offsetof(Out, number), .min = 2, .max = 10 },
    { "text", MESH_JSON_TEXT, false, offsetof(Out, text), .min = 1, .max = 4 },
    { "label", MESH_JSON_LABEL, false, offsetof(Out, label) },
    { "bytes", MESH_JSON_BYTES, false, offsetof(Out, bytes), .max = 3 },
    { "key", MESH_JSON_KEY, false, offsetof(Out, key) },
    { "addr", MESH_JSON_ADDR, false, offsetof(Out, addr), .max = AF_INET },
    { "prefix", MESH_JSON_PREFIX, false, offsetof(Out, prefix) },
    { "array", MESH_JSON_ARRAY, false, offsetof(Out, array), .max = 2 },
    { "object", MESH_JSON_OBJECT, false, offsetof(Out, object) },
};

typedef struct {
    const char *name, *text, *want; /* want: the exact error behind "top.", NULL: fine */
} ReadCase;

static const ReadCase reads[] = {
    { "least", "{\"number\":2}", NULL },
    { "unknown-keys", "{\"number\":2,\"x\":[{}]}", NULL },
    { "null-is-absent", "{\"number\":2,\"text\":null,\"flag\":null}", NULL },
    { "missing", "{}", "number: missing" },
    { "null-required", "{\"number\":null}", "number: missing" },
    { "too-small", "{\"number\":1}", "number: 1 is not within 2 … 10" },
    { "too-large", "{\"number\":11}", "number: 11 is not within 2 … 10" },
    { "negative", "{\"number\":-3}", "number: -3 is not within 2 … 10" },
    { "fraction", "{\"number\":2.0}", "number: a whole number was expected" },
    { "number-as-text", "{\"number\":\"2\"}", "number: a whole number was expected" },
    { "number-as-array", "{\"number\":[2]}", "number: a whole number was expected" },
    { "flag-as-number", "{\"number\":2,\"flag\":1}", "flag: true or false was expected" },
    { "text-empty", "{\"number\":2,\"text\":\"\"}", "text: too short, at least 1 bytes wanted" },
    { "text-long", "{\"number\":2,\"text\":\"abcde\"}", "text: too long, at most 4 bytes allowed" },
    { "label-upper", "{\"number\":2,\"label\":\"A\"}",
      "label: not a name (a-z, 0-9 and '-' inside, 1-63 characters)" },
    { "label-dash", "{\"number\":2,\"label\":\"a-\"}",
      "label: not a name (a-z, 0-9 and '-' inside, 1-63 characters)" },
    { "bytes-short", "{\"number\":2,\"bytes\":\"AAA\"}", "bytes: not base64url of 3 bytes" },
    { "key-padded", "{\"number\":2,\"key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
      "key: not a key (base64url, 43 characters)" },
    { "addr-6", "{\"number\":2,\"addr\":\"fd00::1\"}", "addr: not an address (IPv4)" },
    { "prefix-host-bits", "{\"number\":2,\"prefix\":\"10.0.0.1/8\"}",
      "prefix: not a prefix with host bits zero" },
    { "prefix-bare", "{\"number\":2,\"prefix\":\"10.0.0.1\"}",
      "prefix: not a prefix with host bits zero" },
    { "array-long", "{\"number\":2,\"array\":[1,2,3]}", "array: 3 elements, at most 2 allowed" },
    { "array-as-object", "{\"number\":2,\"array\":{}}", "array: an array was expected" },
    { "object-as-array", "{\"number\":2,\"object\":[]}", "object: an object was expected" },
};

static void test_read(gconstpointer data)
{
    const ReadCase *c = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = mesh_json_parse(c->text, strlen(c->text), 1000, &error);
    Out  out, blank;
    bool ok;

    g_assert_no_error(error);
    memset(&out, 0x5a, sizeof(out));
    blank = out;
    ok = mesh_json_read(object, fields, G_N_ELEMENTS(fields), &out, "top", &error);
    if (c->want == NULL) {
        g_assert_no_error(error);
        g_assert_cmpuint(out.number, ==, 2);
        return;
    }
    g_assert_false(ok);
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
    g_assert_true(g_str_has_prefix(error->message, "top."));
    g_assert_cmpstr(error->message + 4, ==, c->want);
    g_assert_cmpmem(&out, sizeof(out), &blank, sizeof(blank)); /* nothing was written */
}

static void test_read_all(void)
{
    static const char text[] =
        "{\"flag\":true,\"number\":10,\"text\":\"abcd\",\"label\":\"a-1\",\"bytes\":\"AQID\","
        "\"key\":\"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk\",\"addr\":\"10.1.2.3\","
        "\"prefix\":\"fd00::/8\",\"array\":[\"x\",{}],\"object\":{}}";
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = mesh_json_parse(text, strlen(text), 1000, &error);
    Out out = { 0 };

    g_assert_no_error(error);
    mesh_json_read(object, fields, G_N_ELEMENTS(fields), &out, "", &error);
    g_assert_no_error(error);
    g_assert_true(out.flag && out.seen);
    g_assert_cmpuint(out.number, ==, 10);
    g_assert_cmpstr(out.text, ==, "abcd");
    g_assert_cmpstr(out.label, ==, "a-1");
    g_assert_cmpmem(out.bytes, 3, "\1\2\3", 3);
    g_assert_cmpuint(out.key.bytes[31], ==, 9);
    g_assert_cmpuint(out.addr.bytes[3], ==, 3);
    g_assert_cmpuint(out.prefix.bits, ==, 8);
    g_assert_cmpstr(mesh_json_get_text(out.array, 0, "a", &error), ==, "x");
    g_assert_null(mesh_json_get_text(out.array, 1, "a", &error));
    g_assert_cmpstr(error->message, ==, "a[1]: a text was expected");
    g_clear_error(&error);
    g_assert_nonnull(mesh_json_get_object(out.array, 1, "a", &error));
    g_assert_null(mesh_json_get_object(out.array, 0, "a", &error));
    g_assert_cmpstr(error->message, ==, "a[0]: an object was expected");
}

static void test_parse_refuses(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mesh_json_parse("{} ", 3, 2, &error));
    g_assert_cmpstr(error->message, ==, "JSON: 3 bytes, at most 2 allowed");
    g_clear_error(&error);
    g_assert_null(mesh_json_parse("[]", 2, 2, &error));
    g_assert_cmpstr(error->message, ==, "JSON: an object was expected");
    g_clear_error(&error);
    g_assert_null(mesh_json_parse("{\"a\0\":1}", 8, 100, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
}

/* The checker must stay linear: many keys in one object. */
static void test_many_keys(void)
{
    g_autoptr(GString) text = g_string_new("{");
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < 50000; i++)
        g_string_append_printf(text, "\"k%d\":%d,", i, i);
    g_string_append(text, "\"k49999\":1}");
    g_assert_false(mesh_json_check(text->str, text->len, &error));
    g_assert_nonnull(strstr(error->message, "the same key twice"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        g_autofree char *path = g_strdup_printf("/json/check/%s", checks[i].name);
        g_test_add_data_func(path, &checks[i], test_check);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(reads); i++) {
        g_autofree char *path = g_strdup_printf("/json/read/%s", reads[i].name);
        g_test_add_data_func(path, &reads[i], test_read);
    }
    g_test_add_func("/json/read-all", test_read_all);
    g_test_add_func("/json/parse-refuses", test_parse_refuses);
    g_test_add_func("/json/many-keys", test_many_keys);
    return g_test_run();
}
