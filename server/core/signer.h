/* server/core/signer.h: the server's Ed25519 key. Immutable once loaded; any thread signs. */
#pragma once

#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct CoreSigner CoreSigner;

/* @path: a file of mode 0600 with the seed as b64u and a newline. @create: it must not be there
 * yet and is made; else it must be there, be a plain file and be nobody else's to read. Owned. */
CoreSigner *core_signer_load(const char *path, bool create, GError **error);
void        core_signer_free(CoreSigner *self); /* wipes; NULL is fine */

const MeshKey        *core_signer_get_public(const CoreSigner *self);
const MeshSignSecret *core_signer_get_secret(const CoreSigner *self); /* guarded, read only */
