/* common/glib/error.h: the one error domain: code → wire name → D-Bus name → text, one table.
 *
 * Any thread. Every GError of this project has this domain, so that one error reads the same in an
 * HTTP answer, on D-Bus, in a terminal and in a log. The first part of the codes is the table of
 * docs/PROTOCOL.md §5, the second is our own and never crosses the network. */
#pragma once

#include "common/std/attr.h"

#include <glib.h>
#include <stdbool.h>

#define MESH_ERROR             (mesh_error_quark())
#define MESH_ERROR_DBUS_PREFIX "org.meshvpn.Mesh1.Error."

typedef enum {
    /* what a server answers (docs/PROTOCOL.md §5) */
    MESH_ERROR_BAD_REQUEST,
    MESH_ERROR_BAD_SIGNATURE,
    MESH_ERROR_PROTO, /* protocol version not spoken here */
    MESH_ERROR_CLOCK,
    MESH_ERROR_REPLAYED,
    MESH_ERROR_KEY_UNKNOWN,
    MESH_ERROR_KEY_USED,
    MESH_ERROR_KEY_EXPIRED,
    MESH_ERROR_KEY_REVOKED,
    MESH_ERROR_NOT_MEMBER,
    MESH_ERROR_REMOVED,
    MESH_ERROR_EXPIRED,
    MESH_ERROR_NO_NETWORK,
    MESH_ERROR_NOT_FOUND,
    MESH_ERROR_METHOD,
    MESH_ERROR_TIMEOUT,
    MESH_ERROR_TOO_LARGE,
    MESH_ERROR_HEADERS,
    MESH_ERROR_CONFLICT,
    MESH_ERROR_FULL,
    MESH_ERROR_CLONED, /* another host uses this node key */
    MESH_ERROR_WRONG_SERVER,
    MESH_ERROR_BUSY,
    MESH_ERROR_INTERNAL,
    /* our own */
    MESH_ERROR_FAILED,           /* nothing below fits; the text says it all */
    MESH_ERROR_INVALID_ARGUMENT, /* what the caller gave is wrong: option, address, name */
    MESH_ERROR_BAD_LINK,         /* not a join link */
    MESH_ERROR_BAD_JSON,         /* not JSON, or not in the agreed form */
    MESH_ERROR_BAD_ANSWER,       /* the server's answer is not what the protocol says */
    MESH_ERROR_UNVERIFIED,       /* a signed object does not verify */
    MESH_ERROR_ROLLBACK,         /* older than what was seen already */
    MESH_ERROR_SERVER_KEY,       /* TLS: not the server of the join link */
    MESH_ERROR_UNREACHABLE,      /* no answer from the server */
    MESH_ERROR_NOT_AUTHORIZED,   /* polkit said no */
    MESH_ERROR_NO_DAEMON,        /* meshd or mesh-server does not run */
    MESH_ERROR_ALREADY_JOINED,
    MESH_ERROR_NO_SUCH_NETWORK,
    MESH_ERROR_NO_SUCH_PEER,
    MESH_ERROR_NETWORK_DOWN,
    MESH_ERROR_NO_WAY,        /* no path to that peer now */
    MESH_ERROR_PENDING,       /* waits for approval */
    MESH_ERROR_ADDRESS_CLASH, /* our prefix clashes with the host's routes */
    MESH_ERROR_HOST,          /* the host refused: interface, address, route */
    MESH_ERROR_NO_TUN,        /* the same: its kernel has no TUN devices */
    MESH_ERROR_NO_PERMISSION, /* the same: this process may not */
    MESH_ERROR_STATE,         /* the state on disk: cannot be read, written or understood */
    MESH_ERROR_DISK_FULL,     /* the same: there is no room */
    MESH_ERROR_UNREAD,        /* the same: the system did not let us read it; it may be whole */
    MESH_ERROR_LIMIT,         /* a named cap is reached */
    MESH_ERROR_UNSUPPORTED,
    MESH_ERROR_CANCELLED,
    MESH_ERROR_N_CODES,
} MeshErrorCode;

/* One row of the table; static. */
typedef struct {
    MeshErrorCode code;
    unsigned      status;    /* HTTP; 0 for our own codes */
    const char   *wire;      /* "key-used": in protocol answers, `--json` output and logs */
    const char   *dbus;      /* "org.meshvpn.Mesh1.Error.KeyUsed"; several codes may share one */
    bool          canonical; /* the code that @dbus becomes again on the other side of the bus */
    const char   *text; /* for people, a sentence without full stop; what to do where it helps */
} MeshErrorInfo;

/* The domain; the first call tells GDBus the canonical codes, so a D-Bus client gets them back.
 * A service answers with mesh_error_describe(error)->dbus, since names are shared by codes. */
GQuark mesh_error_quark(void);

/* The row of @code; that of MESH_ERROR_FAILED for a code out of range. */
const MeshErrorInfo *mesh_error_get_info(int code);

/* The row of @error; that of MESH_ERROR_FAILED for NULL or another domain. */
const MeshErrorInfo *mesh_error_describe(const GError *error);

/* The code of a protocol answer by its wire name. False: unknown (a newer server); @out_code is
 * then untouched. */
MESH_CHECKED bool mesh_error_parse_wire(const char *wire, MeshErrorCode *out_code);

/* Sets @error from a system call: "<what>: <strerror>". @errnum: positive or negative errno. */
void mesh_error_set_errno(GError **error, MeshErrorCode code, int errnum, const char *what, ...)
    MESH_PRINTF(4, 5);
