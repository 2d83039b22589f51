/* daemon/clone.h: another host runs with our keys (docs/PROTOCOL.md §5, cloned state): what is
 * shown, and that only one of the two stays in the network. For membership.c and view.c; main loop.
 */
#pragma once

#include "daemon/engine.h"

/* What another host with our keys means for this network: a text for people; NULL: none is. */
char *meshd_clone_describe(const MeshdEngine *self);
void  meshd_clone_heard(MeshdEngine *self);     /* the server said it: we keep the node */
void  meshd_clone_step_back(MeshdEngine *self); /* it said that the other keeps it */
void  meshd_clone_forget(MeshdEngine *self);
