/* server/loop/region.h: a piece of memory for each connection, for all that OpenSSL takes for it.
 *
 * A node has two connections, and the second lives for seconds. In one heap the some hundred small
 * pieces of each lie among those of others: when the second ones close, nearly every page still
 * holds something, and the C library can give none back (1 000 nodes: 9 KiB each). Here the pieces
 * of a connection share its pages alone, 64 KiB of addresses of which those in use cost memory, and
 * all go back to the system when it closes. What is too large or belongs to no connection comes
 * from malloc(); the address tells which is which.
 */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct LoopRegion LoopRegion;

/** loop_region_install: reserves addresses, and makes OpenSSL take and give its memory here. Once,
 * on the first thread, before anything else of OpenSSL is called. Under AddressSanitizer OpenSSL
 * keeps malloc(), which sees more. Returns: 0; -EALREADY: OpenSSL has memory already; -ENOTSUP:
 * pages are too large; -ENOMEM: no addresses. On failure all memory comes from malloc(). */
MESH_CHECKED int loop_region_install(void);

/* Shard thread. NULL: none is left, or they are not installed; all functions take it, and malloc()
 * does the work. */
LoopRegion *loop_region_new(void);

/* No new pieces. The pages go back with the last piece: OpenSSL may have put something in it that
 * outlives the connection (its per-thread state, what it loads at first use). NULL is fine. */
void loop_region_free(LoopRegion *self);

/* Makes what this thread takes come from @self, until the next call; NULL: from malloc(). */
void loop_region_enter(LoopRegion *self);

/* Gives whole pages without pieces back to the system: after a handshake most are. */
void loop_region_trim(LoopRegion *self);

/* The first piece (the SSL, if @first is what OpenSSL says it is) has pages of its own. While its
 * connection is silent they may go back to the system, and what is in them is kept packed: most of
 * an SSL is zeros, room for 32 records at once. Its owner wakes it before anyone looks at it; the
 * other pieces stay, since OpenSSL may have put something among them that is not this connection's.
 * Returns false when nothing has changed: @first is elsewhere, or memory is out. */
bool loop_region_sleep(LoopRegion *self, const void *first);
void loop_region_wake(LoopRegion *self); /* awake already, or NULL, is fine */

/* What OpenSSL calls; also for tests. As malloc(), realloc(), free(). Any thread. */
void *loop_region_take(size_t len);
void *loop_region_resize(void *piece, size_t len);
void  loop_region_give(void *piece);

/* Whether @piece lies in a region. How many regions there are: open, or with pieces. Any thread. */
bool   loop_region_holds(const void *piece);
size_t loop_region_count(void);
