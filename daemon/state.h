/* daemon/state.h: what meshd keeps on disk: small named documents, each replaced whole.
 *
 * DIR/lock, and a directory DIR/networks/ID for each network with its documents. A document is
 * written to a temporary file, flushed, renamed over the old one and the directory flushed; the
 * generation before stays as NAME.prev. Each carries a checksum; one that is torn is not read: its
 * predecessor is. Directories 0700, files 0600. One process at a time, by a lock. Thread: main
 * loop; meshd_state_save_later() does its work in a thread of its own. */
#pragma once

#include "common/proto/network.h"

#include <glib.h>
#include <stdbool.h>

#define MESHD_STATE_MAX_BYTES (64u * 1024 * 1024) /* of a document: a map of 65536 peers */

typedef struct MeshdState MeshdState;

/** meshd_state_open: makes the directories, takes the lock.
 * Errors: MESH_ERROR_STATE, one of them "in use by another meshd". */
MeshdState *meshd_state_open(const char *dir, GError **error);
void        meshd_state_close(MeshdState *self); /* waits for what is being saved; NULL is fine */

/** meshd_state_list: ids of the networks that have documents; owned array of MeshNetworkId. */
GArray *meshd_state_list(MeshdState *self, GError **error);

/** meshd_state_save: returns when @bytes is on disk. Makes the network's directory. */
bool meshd_state_save(MeshdState *self, const MeshNetworkId *net, const char *name, GBytes *bytes,
                      GError **error);

/** meshd_state_save_later: the same in the background; a failure is logged. A newer call for the
 * same document replaces one that has not begun. Does nothing once the network was removed. */
void meshd_state_save_later(MeshdState *self, const MeshNetworkId *net, const char *name,
                            GBytes *bytes);

/** meshd_state_load: the newest generation that is whole. Its memory is wiped when freed.
 * Returns: owned; NULL without @error set: there is none; NULL and @error: none can be read. */
GBytes *meshd_state_load(MeshdState *self, const MeshNetworkId *net, const char *name,
                         GError **error);

/** meshd_state_remove: all documents of a network, and its directory. */
bool meshd_state_remove(MeshdState *self, const MeshNetworkId *net, GError **error);

/** meshd_state_repair: modes of directories and documents, remains of a save that was cut off, and
 * documents that are torn, for which the generation before is put back. Appends a text for people
 * for each thing found to @found, owned by it. */
void meshd_state_repair(MeshdState *self, GPtrArray *found);

/** meshd_state_wrap_secret: takes @text (@len bytes, from g_malloc) and wipes it with the GBytes.
 */
GBytes *meshd_state_wrap_secret(char *text, size_t len);
