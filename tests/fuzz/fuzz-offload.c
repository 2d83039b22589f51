/* tests/fuzz/fuzz-offload.c: super-packets from the host, and packets from a peer on their way to
 * one: nothing is read or written beyond them, what is split is what the slow reference splits, and
 * what is merged splits into what it was.
 *
 * Input: 0: a virtio header (10 bytes) and the packet it is for; 1: packets, each behind its length
 * (two bytes). */
#include "tests/daemon/wire/offload-reference.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

#define MAX_PACKETS 64

static ReferencePacket want, whole;

static void split(FuzzInput *in)
{
    WireVnet   vnet;
    size_t     len, n = 0, header, l4_at;
    uint8_t   *packet;
    WireSplit  state;
    WirePacket got;

    fuzz_take_bytes(in, &vnet, sizeof vnet);
    len = in->left < 65575 ? in->left : 65575;
    packet = malloc(len == 0 ? 1 : len); /* its end is the end */
    if (packet == NULL)
        abort();
    fuzz_take_bytes(in, packet, len);
    memcpy(whole.bytes, packet, len);
    if (wire_split_start(&state, &vnet, packet, len) < 0) {
        assert(memcmp(packet, whole.bytes, len) == 0);
        free(packet);
        return;
    }
    l4_at = state.l4_at;
    header = state.header_len;
    for (; wire_split_next(&state, &got); n++) {
        assert(got.data >= packet && got.data + got.len <= packet + len);
        if (vnet.gso_type == WIRE_VNET_NONE)
            continue;
        assert(reference_split(whole.bytes, len, &vnet, n, &want) && want.len > header);
        assert(got.len == want.len && memcmp(got.data, want.bytes, want.len) == 0);
        assert(reference_is_right(got.data, got.len, l4_at, state.is_udp));
    }
    assert(n == state.n_segments && n >= 1 && n <= WIRE_MAX_SEGMENTS);
    free(packet);
}

static void check_run(const WireMerge *merge, const WireMergeRun *run, const WirePacket *packets)
{
    uint8_t  head[WIRE_MERGE_HEAD];
    size_t   used = wire_merge_make_head(run, &packets[run->first], head), place = run->first;
    WireVnet vnet;

    assert(used <= sizeof head);
    memcpy(&vnet, head, sizeof vnet);
    memcpy(whole.bytes, head + sizeof vnet, run->header_len);
    whole.len = run->header_len;
    for (size_t i = 0; i < run->n_packets; i++, place = merge->next[place]) {
        size_t payload = packets[place].len - run->header_len;

        memcpy(whole.bytes + whole.len, packets[place].data + run->header_len, payload);
        whole.len += payload;
    }
    assert(whole.len == run->len && whole.len <= WIRE_MAX_PACKET);
    place = run->first;
    for (size_t i = 0; i < run->n_packets; i++, place = merge->next[place]) {
        assert(reference_split(whole.bytes, whole.len, &vnet, i, &want));
        assert(want.len == packets[place].len);
        assert(memcmp(want.bytes + run->header_len, packets[place].data + run->header_len,
                      want.len - run->header_len) == 0);
    }
}

static void merge(FuzzInput *in)
{
    static WireMerge merge;
    WirePacket       packets[MAX_PACKETS] = { 0 };
    size_t           n = 0, n_seen = 0;

    while (in->left > 0 && n < MAX_PACKETS) {
        uint32_t len = fuzz_take_u16(in);

        if (len > in->left)
            len = (uint32_t)in->left;
        packets[n] = (WirePacket){ .data = malloc(len == 0 ? 1 : len), .len = len };
        if (packets[n].data == NULL)
            abort();
        fuzz_take_bytes(in, packets[n++].data, len);
    }
    wire_merge_batch(&merge, packets, n, WIRE_MERGE_ALL);
    for (size_t r = 0; r < merge.n_runs; r++) {
        n_seen += merge.runs[r].n_packets;
        if (merge.runs[r].n_packets > 1)
            check_run(&merge, &merge.runs[r], packets);
    }
    assert(n_seen == n);
    for (size_t i = 0; i < n; i++)
        free(packets[i].data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = fuzz_make_input(data, len);

    if (fuzz_take_u8(&in) % 2 == 0)
        split(&in);
    else
        merge(&in);
    return 0;
}
