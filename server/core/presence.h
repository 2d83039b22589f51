/* server/core/presence.h: endpoints and who is online: in memory only. Control thread only. */
#pragma once

#include "common/proto/record.h"
#include "server/core/control.h"

enum {
    CORE_PRESENCE_GRACE_MS = 10000, /* a closed stream shows as offline after that */
    CORE_PRESENCE_SAVE_MS = 300000, /* last_seen goes to the database so often */
    CORE_PRESENCE_REPORTS_S = 5,    /* more a second: 429 */
};

void core_presence_opened(Core *core, CoreNode *node);
void core_presence_closed(Core *core, CoreNode *node);

/* Offline at once: removed or expired. */
void core_presence_drop(Core *core, CoreNode *node);

/* False: too many reports this second. */
bool core_presence_allow_report(CoreNode *node);

/* Verifies an E and compares its exp with the clock. MESH_ERROR_UNVERIFIED, MESH_ERROR_BAD_JSON,
 * MESH_ERROR_BAD_REQUEST. */
bool core_presence_check_e(const CoreNode *node, MeshSigned *object, MeshRecordE *out_record,
                           GError **error);

/* Takes over a checked E if its seq is above the stored one, and tells the others. */
void core_presence_set_e(Core *core, CoreNode *node, MeshSigned *object, const MeshRecordE *record);

/* When its peers are told that it was online last, unix seconds; 0: it is, or it never was. */
uint32_t core_presence_get_seen(const CoreNode *node);

/* Writes every newer last_seen to the database. */
void core_presence_save(Core *core);
