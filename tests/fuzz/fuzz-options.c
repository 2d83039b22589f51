/* tests/fuzz/fuzz-options.c: the a{sv} options of D-Bus methods, as bytes that any program may
 * send: refused by name before anything is stored, or each known one stored as it is there.
 *
 * Input: the serialised a{sv}, not necessarily in normal form (GLib's own job, which is why it is
 * done here as the bus does it). */
#include "daemon/bus/options.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

typedef struct {
    const char  *name, *other;
    gboolean     flag;
    guint16      port;
    guint32      limit;
    const char **list; /* owned */
    bool         seen_flag;
} Options;

static bool is_known(const BusOption *table, size_t n, const char *name, GVariant *value)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0)
            return g_variant_is_of_type(value, G_VARIANT_TYPE(table[i].type));
    return false;
}

/* Whether all of them are of the table. */
static bool are_known(GVariant *dict, const BusOption *table, size_t n)
{
    for (gsize i = 0; i < g_variant_n_children(dict); i++) {
        const char *name;
        g_autoptr(GVariant) value = NULL;

        g_variant_get_child(dict, i, "{&sv}", &name, &value);
        if (!is_known(table, n, name, value))
            return false;
    }
    return true;
}

static bool has(GVariant *dict, const char *name)
{
    return g_variant_lookup(dict, name, "*", NULL);
}

static void check_stored(const Options *options, GVariant *dict)
{
    assert(has(dict, "name") == (options->name != NULL));
    assert(has(dict, "other") == (options->other != NULL));
    assert(has(dict, "list") == (options->list != NULL));
    assert(has(dict, "flag") == options->seen_flag);
    assert(has(dict, "port") || options->port == 7);
    assert(has(dict, "limit") || options->limit == 9);
    if (options->name != NULL)
        assert(g_utf8_validate(options->name, -1, NULL));
    for (size_t i = 0; options->list != NULL && options->list[i] != NULL; i++)
        assert(g_utf8_validate(options->list[i], -1, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, len);
    g_autoptr(GVariant) raw =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, bytes, false));
    g_autoptr(GVariant) dict = g_variant_get_normal_form(raw);
    g_autoptr(GError) error = NULL;
    Options         options = { .port = 7, .limit = 9 };
    const BusOption table[] = {
        { "name", "s", &options.name, NULL },
        { "other", "s", &options.other, NULL },
        { "flag", "b", &options.flag, &options.seen_flag },
        { "port", "q", &options.port, NULL },
        { "limit", "u", &options.limit, NULL },
        { "list", "as", &options.list, NULL },
    };
    bool known = are_known(dict, table, G_N_ELEMENTS(table));

    if (fuzz_outcome(bus_options_read(dict, table, G_N_ELEMENTS(table), &error), &error)) {
        assert(known);
        check_stored(&options, dict);
    } else {
        assert(!known && options.name == NULL && options.list == NULL && options.port == 7);
    }
    g_free(options.list);
    return 0;
}
