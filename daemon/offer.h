/* daemon/offer.h: whether our K offers the suite of AES-256-GCM (docs/PROTOCOL.md §10): what the
 * user wishes and this machine can, and a K that says so before anything goes by it.
 * Thread: main loop. */
#pragma once

#include "daemon/engine.h"

/** meshd_offer_new_profile: meshd_profile_new(), whose first K offers what it may. */
MeshdProfile *meshd_offer_new_profile(const MeshJoinlink *link);

/** meshd_offer_settle: where wish or machine differ from what our K says: another K, on disk before
 * it is signed for anybody; E and announcements follow it. Before the parts are applied. If the
 * disk refuses, the old K stays, and this host still begins nothing that it cannot. */
void meshd_offer_settle(MeshdEngine *self);

/** meshd_offer_is_made: our K offers it, and this machine can. */
bool meshd_offer_is_made(const MeshdProfile *profile);

/** meshd_offer_take_news: our K if the server may not have it: it changed, this run has not told
 * it, or the server goes by a backup. Owned; NULL: nothing to tell. The next E is renewed with
 * it. */
MeshSigned *meshd_offer_take_news(MeshdEngine *self);
