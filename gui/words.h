/* gui/words.h: figures and states in the user's language. Thread: main loop only. */
#pragma once

#include "gui/network.h"
#include "gui/peer.h"

/* Owned. "12 ms", "0.8 ms"; "" for 0, which is: not known. */
char *gui_words_dup_latency(guint64 us);

/* Owned. What came in and went out: "↓ 1.2 MB  ↑ 30 kB"; "" if nothing did. */
char *gui_words_dup_traffic(guint64 rx_bytes, guint64 tx_bytes);

/* Owned. How a peer is reached, in a few words: "direct", "by relay fra1", "not reachable". */
char *gui_words_dup_path(GuiPeer *peer);

/* Owned. Why it is not reached directly; "" if it is. */
char *gui_words_dup_reason(GuiPeer *peer);

/* The way of a path and a relay, as the daemon names them. @online: the peer was. */
char *gui_words_dup_way(const char *path, const char *relay, bool online);

/* Owned. The state of a network in a few words: "Off", "3 of 5 peers online", "Server offline". */
char *gui_words_dup_state(GuiNetwork *network);

/* Owned. Date and time of day, here; @unix_s 0: not known, which is "". */
char *gui_words_dup_time(gint64 unix_s);
