/* daemon/net/ledger.h: which interfaces of this host are ours, written before they are made, so
 * that a successor knows what a killed daemon left; inside daemon/net only. A text file, a name a
 * line. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct NetLedger NetLedger;

/** net_ledger_open: reads what is there; a missing file is an empty ledger. */
NetLedger *net_ledger_open(const char *path, GError **error);
void       net_ledger_free(NetLedger *self); /* NULL is fine; the file stays */

bool net_ledger_add(NetLedger *self, const char *ifname, GError **error);
bool net_ledger_remove(NetLedger *self, const char *ifname, GError **error);

/** net_ledger_list: the names, NULL-terminated; owned by the caller, free with g_strfreev(). */
char **net_ledger_list(NetLedger *self);
