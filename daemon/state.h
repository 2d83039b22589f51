/* daemon/state.h: what meshd keeps on disk: small named documents, each replaced whole.
 *
 * DIR/lock, and a directory DIR/networks/ID for each network with its documents. A document is
 * written to a temporary file, flushed, renamed over the old one and the directory flushed; the
 * generation before stays as NAME.prev. Each carries a checksum; one that is torn is not read: its
 * predecessor is, that is said in the list of troubles, and the torn file is set aside as
 * NAME.damaged by the next save. Directories 0700, files 0600. One process at a time, by a lock.
 * Thread: main loop; meshd_state_save_later() does its work in a thread of its own. */
#pragma once

#include "common/proto/network.h"

#include <glib.h>
#include <stdbool.h>

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

/** meshd_state_save_later: the same in the background; after a failure, which is logged and listed,
 * it is tried again until it is on disk. A newer call for the same document replaces one that has
 * not begun. Does nothing once the network was removed. */
void meshd_state_save_later(MeshdState *self, const MeshNetworkId *net, const char *name,
                            GBytes *bytes);

/** MeshdStateMaker: how a document is made that is costly to make. Both run in the saver's thread,
 * or on the main loop when the document is asked for before it is saved. */
typedef struct {
    GBytes *(*make)(gpointer data); /* owned */
    gpointer       data;
    GDestroyNotify free_data;
} MeshdStateMaker;

/** meshd_state_make_later: as meshd_state_save_later(); the document is made in the background,
 * too. Copies @maker and takes over its data. */
void meshd_state_make_later(MeshdState *self, const MeshNetworkId *net, const char *name,
                            const MeshdStateMaker *maker);

/** meshd_state_load: the newest generation that is whole. Its memory is wiped when freed.
 * Returns: owned; NULL without @error set: there is none; NULL and @error: none can be read.
 * Errors: MESH_ERROR_STATE: none is whole; MESH_ERROR_UNREAD: the system refused to read one, so
 * that nobody knows which is the newest: said in the list of troubles until it can be read, for the
 * caller to try again. */
GBytes *meshd_state_load(MeshdState *self, const MeshNetworkId *net, const char *name,
                         GError **error);

/** meshd_state_remove: all documents of a network, and its directory. */
bool meshd_state_remove(MeshdState *self, const MeshNetworkId *net, GError **error);

/** meshd_state_is_empty: its directory is there with no document in it: what a join left that was
 * cut off before it had asked anybody. */
bool meshd_state_is_empty(MeshdState *self, const MeshNetworkId *net);

typedef enum {
    MESHD_STATE_FINE,
    MESHD_STATE_DAMAGED, /* something was not whole when it was read */
    MESHD_STATE_UNSAVED, /* something is not on disk yet */
    MESHD_STATE_FULL,    /* because there is no room */
} MeshdStateHealth;

/** meshd_state_list_troubles: what is wrong with a network's documents, a text for people each:
 * read from the generation before, not readable at all, not on disk yet. Free with g_strfreev().
 * *@out_worst (may be NULL): the worst of them. */
char **meshd_state_list_troubles(MeshdState *self, const MeshNetworkId *net,
                                 MeshdStateHealth *out_worst);

/** meshd_state_watch: @changed is called on the main loop, never from inside a call, when that list
 * of a network may have changed. */
void meshd_state_watch(MeshdState *self, void (*changed)(void *user_data), void *user_data);

/** meshd_state_repair: modes of directories and documents, remains of a save that was cut off, and
 * documents that are torn, for which the generation before is put back. Appends a text for people
 * for each thing found to @found, owned by it. */
void meshd_state_repair(MeshdState *self, GPtrArray *found);
