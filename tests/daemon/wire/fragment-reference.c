/* tests/daemon/wire/fragment-reference.c: see fragment-reference.h. Asserts, so that fuzz targets
 * can use it. */
#undef NDEBUG
#include "tests/daemon/wire/fragment-reference.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/daemon/wire/offload-reference.h"

typedef struct {
    const uint8_t *packet;
    size_t         header, whole; /* bytes */
    bool           more;
    size_t         offset; /* of its payload in the datagram, bytes */
} Read;

static size_t get_u16(const uint8_t *at)
{
    return (size_t)at[0] * 256 + at[1];
}

static bool read_packet(const uint8_t *packet, size_t len, Read *out)
{
    if (len < 20 || packet[0] / 16 != 4)
        return false;
    *out = (Read){ .packet = packet, .header = packet[0] % 16 * 4u, .whole = get_u16(packet + 2) };
    out->more = (packet[6] & 0x20) != 0;
    out->offset = (get_u16(packet + 6) & 0x1fff) * 8;
    return out->header >= 20 && out->whole >= out->header && out->whole <= len;
}

/* The options that belong into later pieces, filled up to words. -1: they are broken. */
static int reference_options(const Read *in, uint8_t out[40])
{
    size_t at = 20;
    int    n = 0;

    memset(out, 0, 40);
    while (at < in->header) {
        uint8_t kind = in->packet[at];
        size_t  len = 1;

        if (kind == 0)
            break;
        if (kind != 1) {
            if (at + 1 >= in->header)
                return -1;
            len = in->packet[at + 1];
            if (len < 2 || at + len > in->header)
                return -1;
        }
        for (size_t i = 0; i < len && kind >= 0x80; i++)
            out[n++] = in->packet[at + i];
        at += len;
    }
    return (n + 3) / 4 * 4;
}

bool reference_may_cut(const uint8_t *packet, size_t len, uint32_t mtu)
{
    uint8_t options[40];
    Read    in;

    if (!read_packet(packet, len, &in) || (packet[6] & 0x40) != 0)
        return false;
    if (reference_sum(packet, in.header, 0) != 0xffff || reference_options(&in, options) < 0)
        return false;
    return mtu >= in.header + 8 && in.whole > in.header && in.whole > mtu &&
           in.offset + in.whole <= 65535;
}

static void check_header(const Read *original, const Read *piece)
{
    const uint8_t *a = original->packet, *b = piece->packet;
    uint8_t        options[40];
    int            n = reference_options(original, options);

    assert(reference_sum(b, piece->header, 0) == 0xffff);
    assert(a[1] == b[1] && memcmp(a + 4, b + 4, 2) == 0); /* service, identification */
    assert((a[6] & 0xc0) == (b[6] & 0xc0));
    assert(memcmp(a + 8, b + 8, 2) == 0 && memcmp(a + 12, b + 12, 8) == 0);
    if (piece->offset == original->offset) {
        assert(piece->header == original->header);
        assert(memcmp(a + 20, b + 20, original->header - 20) == 0);
    } else {
        assert(n >= 0 && piece->header == 20 + (size_t)n);
        assert(memcmp(options, b + 20, (size_t)n) == 0);
    }
}

/* Of a packet whose payload is whole up to byte @done of the datagram. Returns: the same, with it.
 */
static size_t check_piece(const Read *original, size_t done, const WirePacket *got, uint32_t mtu)
{
    size_t end = original->offset + original->whole - original->header, payload;
    Read   piece;

    assert(read_packet(got->data, got->len, &piece));
    assert(piece.whole == got->len && got->len <= mtu);
    check_header(original, &piece);
    payload = piece.whole - piece.header;
    assert(piece.offset == done && payload > 0 && done + payload <= end);
    assert(memcmp(got->data + piece.header,
                  original->packet + original->header + (done - original->offset), payload) == 0);
    if (done + payload == end) {
        assert(piece.more == original->more);
    } else {
        assert(piece.more && payload % 8 == 0 && got->len + 8 > mtu);
    }
    return done + payload;
}

static void *copy(const uint8_t *bytes, size_t len)
{
    uint8_t *to = malloc(len == 0 ? 1 : len); /* its end is the end */

    assert(to != NULL);
    if (len > 0)
        memcpy(to, bytes, len);
    return to;
}

size_t reference_check_cut(const uint8_t *packet, size_t len, uint32_t mtu, uint32_t again)
{
    uint8_t     *bytes = copy(packet, len);
    bool         may = reference_may_cut(packet, len, mtu);
    uint32_t     most = len > 0 ? wire_fragment_most(packet, (uint32_t)len, mtu) : 1;
    WireFragment self;
    WirePacket   whole = { .data = bytes, .len = (uint32_t)len }, piece;
    Read         original;
    size_t       n = 0, done;

    assert((wire_fragment_start(&self, &whole, mtu) == 0) == may);
    assert(memcmp(bytes, packet, len) == 0);
    if (may) {
        assert(read_packet(packet, len, &original));
        done = original.offset;
        for (; wire_fragment_next(&self, &piece); n++) {
            assert(piece.data >= bytes && piece.data + piece.len <= bytes + len);
            done = check_piece(&original, done, &piece, mtu);
            if (again != 0)
                (void)reference_check_cut(piece.data, piece.len, again, 0);
        }
        assert(done == original.offset + original.whole - original.header);
        assert(n <= most);
    }
    free(bytes);
    return n;
}
