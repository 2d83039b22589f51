/* common/glib/error.c: see error.h. The table is the whole of it. */
#include "common/glib/error.h"

#include <gio/gio.h>
#include <stdlib.h>

#define DBUS(name) (MESH_ERROR_DBUS_PREFIX name)

/* canonical marks the code that a D-Bus name becomes again in a client */
#define ROW(code_, status_, wire_, dbus_, canonical_, text_) \
    [code_] = { code_, status_, wire_, DBUS(dbus_), canonical_, text_ }

static const MeshErrorInfo table[MESH_ERROR_N_CODES] = {
    ROW(MESH_ERROR_BAD_REQUEST, 400, "bad-request", "Protocol", false,
        "the request is not in the agreed form"),
    ROW(MESH_ERROR_BAD_SIGNATURE, 401, "bad-signature", "Protocol", false,
        "the signature of the request is missing or wrong"),
    ROW(MESH_ERROR_PROTO, 400, "proto", "Protocol", false,
        "server and node speak no common protocol version: update the older one"),
    ROW(MESH_ERROR_CLOCK, 401, "clock", "Protocol", false,
        "the clocks of server and node are too far apart"),
    ROW(MESH_ERROR_REPLAYED, 401, "replayed", "Protocol", false,
        "the request was seen before: is this node's state in use on two machines?"),
    ROW(MESH_ERROR_KEY_UNKNOWN, 403, "key-unknown", "KeyUnknown", true,
        "the server does not know this join key: ask for a new link"),
    ROW(MESH_ERROR_KEY_USED, 403, "key-used", "KeyUsed", true,
        "this join key was used already: ask for a new link"),
    ROW(MESH_ERROR_KEY_EXPIRED, 403, "key-expired", "KeyExpired", true,
        "this join key is too old: ask for a new link"),
    ROW(MESH_ERROR_KEY_REVOKED, 403, "key-revoked", "KeyRevoked", true,
        "this join key was withdrawn: ask for a new link"),
    ROW(MESH_ERROR_NOT_MEMBER, 403, "not-member", "Removed", false,
        "this node is no member of the network"),
    ROW(MESH_ERROR_REMOVED, 403, "removed", "Removed", true,
        "this node was removed from the network"),
    ROW(MESH_ERROR_EXPIRED, 403, "expired", "Expired", true,
        "the membership of this node has ended: join again with a new link"),
    ROW(MESH_ERROR_NO_NETWORK, 404, "no-network", "NoNetwork", true,
        "the server has no such network"),
    ROW(MESH_ERROR_NOT_FOUND, 404, "not-found", "NotFound", true, "there is no such thing"),
    ROW(MESH_ERROR_METHOD, 405, "method", "Protocol", false, "this method is not allowed here"),
    ROW(MESH_ERROR_TIMEOUT, 408, "timeout", "TimedOut", true, "it took too long"),
    ROW(MESH_ERROR_TOO_LARGE, 413, "too-large", "Protocol", false, "the request is too large"),
    ROW(MESH_ERROR_HEADERS, 431, "headers", "Protocol", false,
        "the request has too many or too long headers"),
    ROW(MESH_ERROR_CONFLICT, 409, "conflict", "Failed", false,
        "this contradicts what the server knows"),
    ROW(MESH_ERROR_FULL, 409, "full", "Full", true, "the network has no place left"),
    ROW(MESH_ERROR_CLONED, 409, "cloned", "Failed", false,
        "another machine uses the keys of this node: its state was copied; leave and join again on "
        "one of the two"),
    ROW(MESH_ERROR_WRONG_SERVER, 421, "wrong-server", "WrongServer", true,
        "this is not the server of the join link"),
    ROW(MESH_ERROR_BUSY, 503, "busy", "Busy", true, "the server is busy: try again later"),
    ROW(MESH_ERROR_INTERNAL, 500, "internal", "Failed", false, "the server failed"),

    ROW(MESH_ERROR_FAILED, 0, "failed", "Failed", true, "it failed"),
    ROW(MESH_ERROR_INVALID_ARGUMENT, 0, "invalid-argument", "InvalidArgument", true,
        "a value is not valid"),
    ROW(MESH_ERROR_BAD_LINK, 0, "bad-link", "InvalidLink", true, "this is not a join link"),
    ROW(MESH_ERROR_BAD_JSON, 0, "bad-json", "Protocol", false, "this is not the expected JSON"),
    ROW(MESH_ERROR_BAD_ANSWER, 0, "bad-answer", "Protocol", true,
        "the server's answer is not in the agreed form"),
    ROW(MESH_ERROR_UNVERIFIED, 0, "unverified", "Protocol", false, "a signature does not verify"),
    ROW(MESH_ERROR_ROLLBACK, 0, "rollback", "Protocol", false,
        "the server told something older than what is known: was it restored from a backup?"),
    ROW(MESH_ERROR_SERVER_KEY, 0, "server-key", "WrongServer", false,
        "the server has another key than the join link says"),
    ROW(MESH_ERROR_UNREACHABLE, 0, "unreachable", "ServerUnreachable", true,
        "the server cannot be reached"),
    ROW(MESH_ERROR_NOT_AUTHORIZED, 0, "not-authorized", "NotAuthorized", true,
        "you are not allowed to do this"),
    ROW(MESH_ERROR_NO_DAEMON, 0, "no-daemon", "Failed", false, "the daemon does not run"),
    ROW(MESH_ERROR_ALREADY_JOINED, 0, "already-joined", "AlreadyJoined", true,
        "this network is joined already"),
    ROW(MESH_ERROR_NO_SUCH_NETWORK, 0, "no-such-network", "NotFound", false,
        "no such network is joined"),
    ROW(MESH_ERROR_NO_SUCH_PEER, 0, "no-such-peer", "NotFound", false,
        "there is no such peer in the network"),
    ROW(MESH_ERROR_NETWORK_DOWN, 0, "network-down", "Unreachable", false, "the network is down"),
    ROW(MESH_ERROR_NO_WAY, 0, "no-way", "Unreachable", true, "there is no way to this peer now"),
    ROW(MESH_ERROR_PENDING, 0, "pending", "Failed", false, "the node waits for approval"),
    ROW(MESH_ERROR_ADDRESS_CLASH, 0, "address-clash", "Clash", true,
        "the network's addresses clash with a route of this host"),
    ROW(MESH_ERROR_HOST, 0, "host", "Failed", false, "the host refused a network change"),
    ROW(MESH_ERROR_NO_TUN, 0, "no-tun", "Failed", false, "this system has no TUN devices"),
    ROW(MESH_ERROR_NO_PERMISSION, 0, "no-permission", "Failed", false,
        "the daemon lacks a permission"),
    ROW(MESH_ERROR_STATE, 0, "state", "Failed", false, "the stored state cannot be used"),
    ROW(MESH_ERROR_DISK_FULL, 0, "disk-full", "Failed", false, "there is no room on the disk"),
    ROW(MESH_ERROR_UNREAD, 0, "unread", "Failed", false, "the stored state cannot be read now"),
    ROW(MESH_ERROR_LIMIT, 0, "limit", "LimitsExceeded", true, "a limit is reached"),
    ROW(MESH_ERROR_UNSUPPORTED, 0, "unsupported", "Failed", false, "this is not supported here"),
    ROW(MESH_ERROR_CANCELLED, 0, "cancelled", "Failed", false, "it was cancelled"),
};

static void register_names(GQuark domain)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        if (table[i].canonical)
            g_dbus_error_register_error(domain, table[i].code, table[i].dbus);
}

GQuark mesh_error_quark(void)
{
    static gsize domain = 0;

    if (g_once_init_enter(&domain)) {
        GQuark quark = g_quark_from_static_string("mesh-error");

        register_names(quark);
        g_once_init_leave(&domain, quark);
    }
    return (GQuark)domain;
}

const MeshErrorInfo *mesh_error_get_info(int code)
{
    if (code < 0 || code >= MESH_ERROR_N_CODES)
        return &table[MESH_ERROR_FAILED];
    return &table[code];
}

const MeshErrorInfo *mesh_error_describe(const GError *error)
{
    if (error == NULL || error->domain != MESH_ERROR)
        return &table[MESH_ERROR_FAILED];
    return mesh_error_get_info(error->code);
}

bool mesh_error_parse_wire(const char *wire, MeshErrorCode *out_code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (table[i].status == 0 || g_strcmp0(table[i].wire, wire) != 0)
            continue;
        *out_code = table[i].code;
        return true;
    }
    return false;
}

void mesh_error_set_errno(GError **error, MeshErrorCode code, int errnum, const char *what, ...)
{
    g_autofree char *text = NULL;
    va_list          args;

    va_start(args, what);
    text = g_strdup_vprintf(what, args);
    va_end(args);
    g_set_error(error, MESH_ERROR, (int)code, "%s: %s", text, g_strerror(abs(errnum)));
}
