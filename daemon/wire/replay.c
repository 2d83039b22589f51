/* daemon/wire/replay.c: sliding counter window; see replay.h. */
#include "daemon/wire/replay.h"

#include "daemon/wire/keypair.h"

#include <errno.h>

#define WORD_BITS 64u

_Static_assert(WIRE_REPLAY_WORDS != 0 && (WIRE_REPLAY_WORDS & (WIRE_REPLAY_WORDS - 1)) == 0,
               "the ring is indexed by a mask");

/* Moves the window so that @counter is its newest; words that come in are empty (RFC 6479 §2). */
static void advance(WireReplay *window, uint64_t counter)
{
    uint64_t at = window->next == 0 ? 0 : (window->next - 1) / WORD_BITS;
    uint64_t to = counter / WORD_BITS;

    if (to - at >= WIRE_REPLAY_WORDS)
        at = to - WIRE_REPLAY_WORDS;
    while (at != to)
        window->words[++at & (WIRE_REPLAY_WORDS - 1)] = 0;
    window->next = counter + 1;
}

int wire_replay_accept(WireReplay *window, uint64_t counter)
{
    uint64_t *word = &window->words[counter / WORD_BITS & (WIRE_REPLAY_WORDS - 1)];
    uint64_t  bit = UINT64_C(1) << counter % WORD_BITS;

    if (counter >= WIRE_REJECT_AFTER_MESSAGES)
        return -ERANGE;
    if (counter >= window->next)
        advance(window, counter);
    else if (window->next - counter > WIRE_REPLAY_WINDOW)
        return -ERANGE;
    if ((*word & bit) != 0)
        return -EALREADY;
    *word |= bit;
    return 0;
}
