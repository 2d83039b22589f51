/* daemon/statelog.h: additions to documents of the state, where writing one whole is dear; part of
 * state.h. What is added stands in a journal beside the document (journal.h). */
#pragma once

#include "daemon/state.h"

/** meshd_state_append_later: adds @record to a document that was loaded, or saved whole, in this
 * run; in the background, behind what was saved before, and tried again as that is. The next whole
 * save takes its place. False, and nothing is done: save the document whole, for its journal is
 * full or nothing is known of it. */
bool meshd_state_append_later(MeshdState *self, const MeshNetworkId *net, const char *name,
                              GBytes *record);

/** meshd_state_load_log: meshd_state_load(), and the additions (GBytes) to the generation that it
 * gives, appended to @records. One that a crash tore is left out, with all behind it; that is said
 * in the log and in the list of troubles. A journal that is there and cannot be read is an error.
 */
GBytes *meshd_state_load_log(MeshdState *self, const MeshNetworkId *net, const char *name,
                             GPtrArray *records, GError **error);
