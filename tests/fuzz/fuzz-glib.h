/* tests/fuzz/fuzz-glib.h: what targets over GLib code share: every refusal is one of ours, says
 * why, and can be told to anybody. */
#pragma once

#include "common/glib/error.h"

#include <assert.h>
#include <glib.h>

/* A refusal: @error is of our domain, with a text that is UTF-8 on one line. Clears it. */
static inline void fuzz_refused(GError **error)
{
    assert(*error != NULL && (*error)->domain == MESH_ERROR);
    assert((*error)->code >= 0 && (*error)->code < MESH_ERROR_N_CODES);
    assert((*error)->message[0] != '\0' && g_utf8_validate((*error)->message, -1, NULL));
    for (const char *c = (*error)->message; *c != '\0'; c++)
        assert((unsigned char)*c >= ' ' && *c != 0x7f);
    g_clear_error(error);
}

/* One or the other: a result without an error, or an error without a result. Returns @ok. */
static inline bool fuzz_outcome(bool ok, GError **error)
{
    if (ok)
        assert(*error == NULL);
    else
        fuzz_refused(error);
    return ok;
}
