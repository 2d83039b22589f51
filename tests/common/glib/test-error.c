/* Tests of common/glib/error.c: every code has its row, names lead back, D-Bus knows them. */
#include "common/glib/error.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>

static void test_table(void)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (int code = 0; code < MESH_ERROR_N_CODES; code++) {
        const MeshErrorInfo *info = mesh_error_get_info(code);

        g_assert_cmpint(info->code, ==, code);
        g_assert_nonnull(info->text);
        g_assert_true(g_str_has_prefix(info->dbus, MESH_ERROR_DBUS_PREFIX));
        g_assert_true(g_hash_table_add(names, (gpointer)info->wire)); /* none twice */
    }
    g_assert_cmpint(mesh_error_get_info(-1)->code, ==, MESH_ERROR_FAILED);
    g_assert_cmpint(mesh_error_get_info(MESH_ERROR_N_CODES)->code, ==, MESH_ERROR_FAILED);
}

static void test_canonical(void)
{
    /* the frozen list of data/dbus/org.meshvpn.Mesh1.Daemon.xml */
    static const char *const frozen[] = {
        "InvalidArgument", "InvalidLink", "AlreadyJoined", "WrongServer", "ServerUnreachable",
        "KeyUnknown",      "KeyUsed",     "KeyExpired",    "KeyRevoked",  "Removed",
        "Expired",         "NoNetwork",   "Full",          "Busy",        "Protocol",
        "NotAuthorized",   "NotFound",    "Unreachable",   "TimedOut",    "Clash",
        "LimitsExceeded",  "Failed"
    };
    unsigned canonical[G_N_ELEMENTS(frozen)] = { 0 };

    for (int code = 0; code < MESH_ERROR_N_CODES; code++) {
        const MeshErrorInfo *info = mesh_error_get_info(code);
        bool                 known = false;

        for (size_t i = 0; i < G_N_ELEMENTS(frozen); i++) {
            if (g_strcmp0(info->dbus + strlen(MESH_ERROR_DBUS_PREFIX), frozen[i]) != 0)
                continue;
            known = true;
            canonical[i] += info->canonical;
        }
        if (!known)
            g_error("%s is no frozen D-Bus name", info->dbus);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(frozen); i++)
        if (canonical[i] != 1)
            g_error("%s has %u canonical codes", frozen[i], canonical[i]);
}

static void test_dbus_round(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(MESH_ERROR, !=, 0);
    error = g_dbus_error_new_for_dbus_error("org.meshvpn.Mesh1.Error.KeyUsed", "no");
    g_assert_error(error, MESH_ERROR, MESH_ERROR_KEY_USED);
    g_dbus_error_strip_remote_error(error);
    g_assert_cmpstr(error->message, ==, "no");
    g_assert_cmpstr(mesh_error_describe(error)->wire, ==, "key-used");
}

typedef struct {
    const char *wire;
    int         code; /* -1: unknown */
    unsigned    status;
} WireCase;

static const WireCase wires[] = {
    { "bad-request", MESH_ERROR_BAD_REQUEST, 400 },
    { "proto", MESH_ERROR_PROTO, 400 },
    { "bad-signature", MESH_ERROR_BAD_SIGNATURE, 401 },
    { "clock", MESH_ERROR_CLOCK, 401 },
    { "replayed", MESH_ERROR_REPLAYED, 401 },
    { "key-unknown", MESH_ERROR_KEY_UNKNOWN, 403 },
    { "key-used", MESH_ERROR_KEY_USED, 403 },
    { "key-expired", MESH_ERROR_KEY_EXPIRED, 403 },
    { "key-revoked", MESH_ERROR_KEY_REVOKED, 403 },
    { "not-member", MESH_ERROR_NOT_MEMBER, 403 },
    { "removed", MESH_ERROR_REMOVED, 403 },
    { "expired", MESH_ERROR_EXPIRED, 403 },
    { "no-network", MESH_ERROR_NO_NETWORK, 404 },
    { "not-found", MESH_ERROR_NOT_FOUND, 404 },
    { "method", MESH_ERROR_METHOD, 405 },
    { "timeout", MESH_ERROR_TIMEOUT, 408 },
    { "too-large", MESH_ERROR_TOO_LARGE, 413 },
    { "headers", MESH_ERROR_HEADERS, 431 },
    { "conflict", MESH_ERROR_CONFLICT, 409 },
    { "full", MESH_ERROR_FULL, 409 },
    { "cloned", MESH_ERROR_CLONED, 409 },
    { "wrong-server", MESH_ERROR_WRONG_SERVER, 421 },
    { "busy", MESH_ERROR_BUSY, 503 },
    { "internal", MESH_ERROR_INTERNAL, 500 },
    { "bad-link", -1, 0 }, /* our own never come from the wire */
    { "failed", -1, 0 },
    { "", -1, 0 },
};

static void test_wire(gconstpointer data)
{
    const WireCase *c = data;
    MeshErrorCode   code = MESH_ERROR_N_CODES;

    g_assert_cmpint(mesh_error_parse_wire(c->wire, &code), ==, c->code >= 0);
    g_assert_cmpint(code, ==, c->code >= 0 ? c->code : MESH_ERROR_N_CODES);
    if (c->code >= 0)
        g_assert_cmpuint(mesh_error_get_info(code)->status, ==, c->status);
}

static void test_errno(void)
{
    g_autoptr(GError) error = NULL;

    mesh_error_set_errno(&error, MESH_ERROR_STATE, -ENOENT, "opening %s", "x");
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
    g_assert_cmpstr(error->message, ==, "opening x: No such file or directory");
    g_assert_cmpint(mesh_error_describe(NULL)->code, ==, MESH_ERROR_FAILED);
}

int main(int argc, char **argv)
{
    g_setenv("LC_ALL", "C", TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/table", test_table);
    g_test_add_func("/error/canonical", test_canonical);
    g_test_add_func("/error/dbus-round", test_dbus_round);
    g_test_add_func("/error/errno", test_errno);
    for (size_t i = 0; i < G_N_ELEMENTS(wires); i++) {
        g_autofree char *path = g_strdup_printf("/error/wire/%zu-%s", i, wires[i].wire);
        g_test_add_data_func(path, &wires[i], test_wire);
    }
    return g_test_run();
}
