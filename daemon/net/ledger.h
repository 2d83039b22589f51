/* daemon/net/ledger.h: which interfaces of this host are ours, written before they are made, so
 * that a successor knows what a killed daemon left; inside daemon/net only. A text file, a line for
 * each: its name, and its index once it is made. */
#pragma once

#include "daemon/net/net.h"

#include <glib.h>
#include <stdbool.h>

typedef struct NetLedger NetLedger;

typedef struct {
    char ifname[NET_IFNAME_SIZE];
    int  ifindex; /* 0: not made yet; the kernel gives an index once until the next boot */
} NetLedgerRow;

/** net_ledger_open: reads what is there; a missing file is an empty ledger. */
NetLedger *net_ledger_open(const char *path, GError **error);
void       net_ledger_free(NetLedger *self); /* NULL is fine; the file stays */

bool net_ledger_add(NetLedger *self, const char *ifname, GError **error);
/** net_ledger_note_index: once it is made; a name that is not in the ledger is fine. */
bool net_ledger_note_index(NetLedger *self, const char *ifname, int ifindex, GError **error);
bool net_ledger_remove(NetLedger *self, const char *ifname, GError **error);

const NetLedgerRow *net_ledger_get(NetLedger *self, unsigned at); /* NULL: no more */
