/* common/proto/reqwindow.c: nonces, clock and replay window of reqsign.h. */
#include "common/glib/error.h"
#include "common/proto/reqsign.h"
#include "common/std/key.h"

#include <string.h>

MeshNonce mesh_reqsign_make_nonce(void)
{
    MeshNonce nonce = { .number = 0 };

    mesh_key_random(nonce.start, sizeof(nonce.start));
    return nonce;
}

void mesh_reqsign_next(MeshNonce *nonce)
{
    nonce->number++;
}

void mesh_reqsign_pack_nonce(const MeshNonce *nonce, uint8_t out[MESH_REQSIGN_NONCE_BYTES])
{
    uint64_t number = GUINT64_TO_BE(nonce->number);

    memcpy(out, nonce->start, sizeof(nonce->start));
    memcpy(out + sizeof(nonce->start), &number, sizeof(number));
}

MeshNonce mesh_reqsign_unpack_nonce(const uint8_t bytes[MESH_REQSIGN_NONCE_BYTES])
{
    MeshNonce nonce;
    uint64_t  number;

    memcpy(nonce.start, bytes, sizeof(nonce.start));
    memcpy(&number, bytes + sizeof(nonce.start), sizeof(number));
    nonce.number = GUINT64_FROM_BE(number);
    return nonce;
}

bool mesh_reqsign_check_clock(const MeshReqsignParams *params, int64_t now, GError **error)
{
    int64_t off = params->created - now;

    if (off <= MESH_REQSIGN_SKEW_S && off >= -MESH_REQSIGN_SKEW_S)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_CLOCK,
                "the node's clock is %" G_GINT64_FORMAT " s %s the server's", off > 0 ? off : -off,
                off > 0 ? "ahead of" : "behind");
    return false;
}

static bool replayed(GError **error, const char *why)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_REPLAYED, "%s", why);
    return false;
}

/* A start id that is not the stored one: a restarted daemon, or an old recording. */
static bool accept_start(MeshReqsignWindow *window, const MeshReqsignParams *params, GError **error)
{
    if (window->seen != 0 && params->created <= window->created)
        return replayed(error, "another start of this node sent a newer request");
    memcpy(window->start, params->nonce.start, sizeof(window->start));
    window->created = params->created;
    window->highest = params->nonce.number;
    window->seen = 1;
    return true;
}

bool mesh_reqsign_accept(MeshReqsignWindow *window, const MeshReqsignParams *params, GError **error)
{
    uint64_t number = params->nonce.number, behind;

    if (window->seen == 0 || memcmp(window->start, params->nonce.start, sizeof(window->start)) != 0)
        return accept_start(window, params, error);
    if (number > window->highest) {
        uint64_t ahead = number - window->highest;

        window->seen = (ahead < MESH_REQSIGN_WINDOW ? window->seen << ahead : 0) | 1;
        window->highest = number;
        window->created = MAX(window->created, params->created);
        return true;
    }
    behind = window->highest - number;
    if (behind >= MESH_REQSIGN_WINDOW)
        return replayed(error, "the nonce's number is older than the window");
    if (window->seen & (UINT64_C(1) << behind))
        return replayed(error, "the nonce was used before");
    window->seen |= UINT64_C(1) << behind;
    window->created = MAX(window->created, params->created);
    return true;
}
