/* daemon/control/multi.h: libcurl's multi interface on the main context. Inside of daemon/control.
 *
 * What curl hands over is queued and told from the main loop, never from inside curl: in a callback
 * a transfer may be cancelled and the multi freed. Main loop only. */
#pragma once

#include "common/std/ip.h"

#include <curl/curl.h>
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct ControlMulti    ControlMulti;
typedef struct ControlTransfer ControlTransfer;

/* In this order; data any number of times. */
typedef struct {
    void (*opened)(void *user_data, unsigned status); /* the answer's headers are here */
    void (*data)(void *user_data, const char *bytes, size_t len); /* of its body */
    /* The last call; the transfer is gone. @error: it did not come to its end. */
    void (*done)(void *user_data, const GError *error);
} ControlTransferFuncs;

/* NULL: libcurl cannot be used, see @error (not built with OpenSSL, out of memory). */
ControlMulti *control_multi_new(GError **error);
void          control_multi_free(ControlMulti *self); /* cancels all; NULL is fine */

/* Starts @easy, which has URL, method and body. Takes over @easy and @headers (may be NULL). */
ControlTransfer *control_multi_start(ControlMulti *self, CURL *easy, struct curl_slist *headers,
                                     const ControlTransferFuncs *funcs, void *user_data);

/* Where its connection goes to, a proxy perhaps; family 0: not known yet. */
MeshAddr control_multi_get_address(const ControlTransfer *transfer);

/* No callback after it. NULL is fine. */
void control_multi_cancel(ControlTransfer *transfer);
