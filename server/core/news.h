/* server/core/news.h: what a network's streams have not been told yet: changes, endpoints,
 * presence.
 *
 * News that come close together are told together, each encoded once for all whom it is not about.
 * The first of them waits a few milliseconds; the next flush comes the later the more streams there
 * are, so that a thousand nodes joining at once cost a thousand lines a flush, not a million.
 * Control thread only. */
#pragma once

#include "server/core/control.h"

enum {
    CORE_NEWS_WINDOW_MS = 5,     /* until changes and endpoints are told */
    CORE_NEWS_PRESENCE_MS = 50,  /* until presence is */
    CORE_NEWS_STREAMS_A_MS = 25, /* two flushes are a millisecond for so many streams apart, */
    CORE_NEWS_MAX_GAP_MS = 1000, /*   but not more than that */
};

void core_news_changed(Core *core, CoreNetwork *network); /* its version has grown */
void core_news_moved(Core *core, CoreNode *node);         /* its E is newer */
void core_news_present(Core *core, CoreNode *node);       /* online has changed */
void core_news_relays(Core *core, CoreNetwork *network);  /* it has others */

/* Tells all now. */
void core_news_flush(Core *core, CoreNetwork *network);
