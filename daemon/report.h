/* daemon/report.h: our own record E of one network: what it says, when it has to be signed anew.
 * Thread: main loop. */
#pragma once

#include "common/proto/record.h"
#include "daemon/path/candidates.h"
#include "daemon/path/path.h"
#include "daemon/profile.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct MeshdReport MeshdReport;

MeshdReport *meshd_report_new(const MeshdProfile *profile, uint64_t last_seq); /* borrows */
void         meshd_report_free(MeshdReport *self);                             /* NULL is fine */

/** meshd_report_sign: a new E when endpoints, probe key or relays differ from the last ones, half
 * its life is over or meshd_report_raise() asked for it. @now_s: lock_gate_now(). Returns: owned;
 * NULL: nothing new to tell. */
MeshSigned *meshd_report_sign(MeshdReport *self, const PathOwn *own, const PathSelf *about,
                              int64_t now_s);

/** meshd_report_renew: the next E is signed anew whatever it says: our K is another. */
void meshd_report_renew(MeshdReport *self);

/** meshd_report_raise: the server holds a newer E of ours: the next one gets at least @min_seq. */
void     meshd_report_raise(MeshdReport *self, uint64_t min_seq);
uint64_t meshd_report_get_seq(const MeshdReport *self);

/** meshd_report_list: "ENDPOINT KIND" of the last E; owned, NULL-terminated. */
char **meshd_report_list(const MeshdReport *self);
