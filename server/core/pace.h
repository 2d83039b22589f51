/* server/core/pace.h: how fast nodes may register, and what may be left of those that come and
 * go. Control thread only. */
#pragma once

#include "server/core/model.h"

enum {
    CORE_PACE_NODE_BURST = 30,     /* registrations of one node at once, */
    CORE_PACE_NODE_MS = 2000,      /*   then one in this time */
    CORE_PACE_JOIN_BURST = 10000,  /* new nodes of a network at once, */
    CORE_PACE_JOIN_MS = 20,        /*   then one in this time */
    CORE_PACE_FORGET_MS = 3600000, /* between two looks through the tombstones */
};

/* 0: the registration may go on; else the seconds to wait. @node NULL: not a member yet. A node is
 * charged for asking, a network only for who is admitted: strangers use up nothing. */
unsigned core_pace_register(CoreNetwork *network, CoreNode *node);
void     core_pace_count_join(CoreNetwork *network);

/* True once an hour, when nodes of the network have left by themselves. */
bool core_pace_is_forget_due(CoreNetwork *network);
