/* tests/fuzz/fuzz-reqwindow.c: the window of request nonces against a model that remembers every
 * request of a node: a request is accepted at most once, ever.
 *
 * Input: 4 bytes a request: start id, step of created, number's base and offset. */
#include "common/proto/reqsign.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

#define MAX_REQUESTS 256

typedef struct {
    MeshReqsignParams accepted[MAX_REQUESTS];
    size_t            n;
} Model;

/* Of docs/PROTOCOL.md §5, told slowly. */
static bool should_accept(const Model *model, const MeshReqsignParams *params)
{
    const MeshReqsignParams *last = model->n > 0 ? &model->accepted[model->n - 1] : NULL;
    uint64_t                 highest = 0;
    int64_t                  newest = INT64_MIN;

    if (last == NULL)
        return true;
    for (size_t i = 0; i < model->n; i++)
        newest = MAX(newest, model->accepted[i].created);
    if (memcmp(last->nonce.start, params->nonce.start, 8) != 0)
        return params->created > newest;
    for (size_t i = model->n; i-- > 0;) {
        const MeshReqsignParams *old = &model->accepted[i];

        if (memcmp(old->nonce.start, params->nonce.start, 8) != 0)
            break; /* an earlier life of that start id cannot come back: created only grows */
        if (old->nonce.number == params->nonce.number)
            return false;
        highest = MAX(highest, old->nonce.number);
    }
    return params->nonce.number > highest || highest - params->nonce.number < MESH_REQSIGN_WINDOW;
}

static MeshReqsignParams take_params(FuzzInput *in, int64_t *created)
{
    static const uint64_t bases[] = { 0, 64, 1000, UINT64_MAX - 100, UINT64_C(1) << 53 };
    MeshReqsignParams     params = { 0 };

    params.nonce.start[0] = fuzz_take_u8(in) % 3;
    *created += (int8_t)fuzz_take_u8(in);
    params.created = *created;
    params.nonce.number = bases[fuzz_take_u8(in) % G_N_ELEMENTS(bases)];
    params.nonce.number += fuzz_take_u8(in);
    return params;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    MeshReqsignWindow window = { 0 };
    Model             model = { .n = 0 };
    FuzzInput         in = fuzz_make_input(data, len);
    int64_t           created = 1790000000;

    while (in.left > 0 && model.n < MAX_REQUESTS) {
        MeshReqsignParams params = take_params(&in, &created);
        g_autoptr(GError) error = NULL;
        bool ok = mesh_reqsign_accept(&window, &params, &error);

        fuzz_outcome(ok, &error);
        assert(ok == should_accept(&model, &params));
        if (ok)
            model.accepted[model.n++] = params;
    }
    return 0;
}
