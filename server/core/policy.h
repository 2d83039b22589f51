/* server/core/policy.h: P, the policy of a network. So far every network has the open one: all
 * members may reach each other. Storage thread. */
#pragma once

#include "server/core/change.h"

/* Makes and signs version @pver for @row's name and prefixes into @row->policy. */
bool core_policy_make(CoreNetworkRow *row, uint64_t pver, const CoreSigner *signer, GError **error);

/* The next version, because name or prefixes changed; saved and logged. */
bool core_policy_renew(CoreChange *change, GError **error);

/* Stores the P that @row has. Storage thread. */
bool core_policy_save(StoreTx *tx, const CoreNetworkRow *row, GError **error);
