/* daemon/lan.h: an engine's announcements to members on the same link, and what it learns of
 * theirs; for engine.c, membership.c and view.c. Thread: main loop. */
#pragma once

#include "daemon/engine.h"

typedef struct MeshdLan MeshdLan;

MeshdLan *meshd_lan_new(void);
void      meshd_lan_free(MeshdLan *lan); /* NULL is fine */

/** meshd_lan_follow: starts, changes or ends it, as profile, map and links of the host say. */
void meshd_lan_follow(MeshdEngine *self);
/** meshd_lan_told: @e is what we say of ourselves from now on. */
void meshd_lan_told(MeshdEngine *self, MeshSigned *e);
/** meshd_lan_renew: the host's network changed. */
void meshd_lan_renew(MeshdEngine *self);
/** meshd_lan_forget_k: our K is another: it is signed anew. */
void meshd_lan_forget_k(MeshdEngine *self);
void meshd_lan_stop(MeshdEngine *self);

/** meshd_lan_get_state: "on", "none" (no link, or a server that told no secret), "off". */
const char *meshd_lan_get_state(const MeshdEngine *self);
