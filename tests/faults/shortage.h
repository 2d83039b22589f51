/* tests/faults/shortage.h: memory and descriptors that run out on demand, reads that fail.
 *
 * The linker puts this file between the plain C of this tree and the C library, OpenSSL and
 * libsodium (-Wl,--wrap, see meson.build): what is linked statically into the test is counted, what
 * GLib and other libraries call for themselves is not. GLib ends the process without memory, by
 * design; what that leaves behind tests/net/test-faults.py looks at. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    SHORTAGE_MEMORY = 1,      /* malloc, calloc, realloc, guarded memory, objects of OpenSSL */
    SHORTAGE_DESCRIPTORS = 2, /* socket, pipe, epoll, event descriptors, accept, new threads */
    SHORTAGE_READS = 4,       /* read, readv, recv, recvmmsg, epoll_wait, poll */
} ShortageKinds;

/* One walk: each call of these kinds is refused once, one a round. */
typedef struct {
    ShortageKinds kinds;
    int           error;  /* errno of what is refused */
    bool          sticky; /* every later call, too, until shortage_end() */
} ShortageCase;

/* Runs @scenario with the first call refused, then the second and so on, until it needs no more.
 * The scenario says when its calls count. No round may leave a descriptor open; memory is for
 * AddressSanitizer to watch. Returns: how many calls were refused, one by one. */
unsigned shortage_walk(const ShortageCase *c, void (*scenario)(void));

/* A walk as a test: /faults/shortage/NAME. */
typedef struct {
    const char  *name;
    ShortageCase what;
    void (*scenario)(void);
    unsigned at_least; /* calls that the scenario makes */
} ShortageRow;

void shortage_add_rows(const ShortageRow *rows, size_t n_rows); /* borrowed until the end */

/* From here on calls count. Several spans of one round are counted together. */
void shortage_begin(void);
void shortage_end(void);

bool shortage_happened(void); /* in this round */
