/* tests/fuzz/fuzz-replay.c: the replay window against a model that forgets nothing: a counter is
 * accepted at most once, and one of the newest 8128 that was not is.
 *
 * Input: 3 bytes a counter: where it lies from (zero, the newest, edges), and how far. */
#include "daemon/wire/keypair.h"
#include "daemon/wire/replay.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <errno.h>

#define MAX_COUNTERS 1024

typedef struct {
    uint64_t accepted[MAX_COUNTERS];
    size_t   n;
    uint64_t newest;
} Model;

static int judge(const Model *model, uint64_t counter)
{
    if (counter >= WIRE_REJECT_AFTER_MESSAGES)
        return -ERANGE;
    if (model->n > 0 && model->newest >= counter && model->newest - counter >= WIRE_REPLAY_WINDOW)
        return -ERANGE;
    for (size_t i = 0; i < model->n; i++)
        if (model->accepted[i] == counter)
            return -EALREADY;
    return 0;
}

static uint64_t take_counter(FuzzInput *in, uint64_t newest)
{
    uint8_t  base = fuzz_take_u8(in);
    uint64_t step = fuzz_take_u16(in);

    switch (base % 8) {
    case 0:
        return step;
    case 1:
        return newest + step % 130; /* around a word */
    case 2:
        return newest - step % 130;
    case 3:
        return newest - WIRE_REPLAY_WINDOW + step % 130 - 65; /* around the window's end */
    case 4:
        return newest + WIRE_REPLAY_WINDOW + step % 260 - 130; /* around a whole turn */
    case 5:
        return newest + (step << 32);
    case 6:
        return WIRE_REJECT_AFTER_MESSAGES - 128 + step % 256;
    default:
        return newest - step % 8300;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput  in = fuzz_make_input(data, len);
    Model      model = { .n = 0 };
    WireReplay window = { 0 };

    while (in.left > 0 && model.n < MAX_COUNTERS) {
        uint64_t counter = take_counter(&in, model.newest);
        int      want = judge(&model, counter), rc = wire_replay_accept(&window, counter);

        assert(rc == want);
        if (rc != 0)
            continue;
        model.accepted[model.n++] = counter;
        if (model.n == 1 || counter > model.newest)
            model.newest = counter;
    }
    return 0;
}
