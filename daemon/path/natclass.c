#include "daemon/path/natclass.h"

#include "common/std/endpoint.h"

#include <glib.h>
#include <stdlib.h>

enum {
    LEAST_STEPS = 3, /* between fresh mappings, to speak of a rule */
    MAX_STEP = 20,   /* others behind the NAT take ports in between */
    LEAST_BLOCK = 1024,
    LEAST_PORTS = 4, /* seen, to guess a block from */
    MAX_FRESH = 64,
};

static bool is_own(const PathNatLooks *seen, const MeshAddr *addr)
{
    for (size_t i = 0; i < seen->n_own; i++)
        if (mesh_ip_equal_addr(&seen->own[i], addr))
            return true;
    return false;
}

/* What two looks of one socket tell of the mapping. */
static MeshProbeDependence compare(const PathNatLook *a, const PathNatLook *b)
{
    if (a->mapped.port == b->mapped.port)
        return MESH_PROBE_INDEPENDENT;
    if (mesh_ip_equal_addr(&a->asked.addr, &b->asked.addr))
        return MESH_PROBE_BY_ADDRESS_AND_PORT;
    return MESH_PROBE_BY_ADDRESS;
}

static void judge_mapping(const PathNatLooks *seen, PathNat *nat)
{
    for (size_t i = 0; i < seen->n; i++)
        for (size_t j = i + 1; j < seen->n; j++) {
            const PathNatLook  *a = &seen->looks[i], *b = &seen->looks[j];
            MeshProbeDependence found;

            if (!mesh_ip_equal_addr(&a->asked.addr, &b->asked.addr))
                nat->one_address = false;
            if (!mesh_ip_equal_addr(&a->mapped.addr, &b->mapped.addr))
                nat->pool = true;
            if (a->socket != b->socket || mesh_endpoint_equal(&a->asked, &b->asked))
                continue;
            found = compare(a, b);
            nat->what.mapping = MAX(nat->what.mapping, found);
        }
}

/* True when look @at is a mapping that no earlier look has shown. */
static bool is_fresh(const PathNatLooks *seen, size_t at, MeshProbeDependence mapping)
{
    for (size_t i = 0; i < at; i++)
        if (seen->looks[i].socket == seen->looks[at].socket &&
            (mapping == MESH_PROBE_BY_ADDRESS
                 ? mesh_ip_equal_addr(&seen->looks[i].asked.addr, &seen->looks[at].asked.addr)
                 : mesh_endpoint_equal(&seen->looks[i].asked, &seen->looks[at].asked)))
            return false;
    return true;
}

static size_t list_fresh(const PathNatLooks *seen, MeshProbeDependence mapping,
                         uint16_t ports[MAX_FRESH])
{
    size_t n = 0;

    for (size_t i = 0; i < seen->n && n < MAX_FRESH; i++)
        if (is_fresh(seen, i, mapping))
            ports[n++] = seen->looks[i].mapped.port;
    return n;
}

/* From one fresh mapping to the next: the same sign, small. One may be off: the counter turned
 * round, or somebody else was busy. */
static int16_t find_step(const uint16_t *ports, size_t n)
{
    int      least = 0;
    unsigned up = 0, down = 0, off = 0;

    for (size_t i = 1; i < n; i++) {
        int delta = ports[i] - ports[i - 1];

        if (delta == 0 || abs(delta) > MAX_STEP) {
            off++;
            continue;
        }
        if (delta > 0)
            up++;
        else
            down++;
        if (least == 0 || abs(delta) < abs(least))
            least = delta;
    }
    if (off > 1 || (up > 0 && down > 0) || up + down < LEAST_STEPS)
        return 0;
    return (int16_t)least;
}

/* The block that all ports seen may be from: aligned, as carriers hand them out, if that is
 * possible. */
static void guess_block(const uint16_t *ports, size_t n, MeshProbeNat *nat)
{
    unsigned low = UINT16_MAX, high = 0, size = LEAST_BLOCK;

    for (size_t i = 0; i < n; i++) {
        low = MIN(low, ports[i]);
        high = MAX(high, ports[i]);
    }
    if (n < LEAST_PORTS || high - low >= PATH_NATCLASS_MAX_BLOCK)
        return;
    while (size < PATH_NATCLASS_MAX_BLOCK && low / size != high / size)
        size *= 2;
    if (low / size == high / size) {
        nat->block_first = (uint16_t)(low / size * size);
        nat->block_last = (uint16_t)(nat->block_first + size - 1);
        return;
    }
    size = (high - low) / (unsigned)(n - 1); /* as much again is likely beyond the outermost */
    nat->block_first = (uint16_t)(low - MIN(low, size));
    nat->block_last = (uint16_t)MIN(high + size, UINT16_MAX);
}

static void judge_ports(const PathNatLooks *seen, PathNat *nat)
{
    uint16_t ports[MAX_FRESH];
    size_t   n;

    nat->port_kept = PATH_YES;
    nat->least_port = UINT16_MAX;
    for (size_t i = 0; i < seen->n; i++) {
        nat->least_port = MIN(nat->least_port, seen->looks[i].mapped.port);
        nat->greatest_port = MAX(nat->greatest_port, seen->looks[i].mapped.port);
        if (seen->looks[i].mapped.port != seen->looks[i].local_port)
            nat->port_kept = PATH_NO;
    }
    if (!path_natclass_is_hard(&nat->what))
        return;
    n = list_fresh(seen, nat->what.mapping, ports);
    nat->what.step = find_step(ports, n);
    if (nat->what.step == 0)
        guess_block(ports, n, &nat->what);
}

/* Of one address alone it cannot be said whether others would get in: then by address is what is
 * sure. */
static MeshProbeDependence judge_filtering(const PathNatLooks *seen)
{
    if (seen->stranger == PATH_YES)
        return MESH_PROBE_INDEPENDENT;
    if (seen->other_port == PATH_UNKNOWN)
        return MESH_PROBE_UNKNOWN;
    return seen->other_port == PATH_YES ? MESH_PROBE_BY_ADDRESS : MESH_PROBE_BY_ADDRESS_AND_PORT;
}

void path_natclass_judge(const PathNatLooks *seen, PathNat *out_nat)
{
    PathNat nat = { .hairpin = seen->hairpin, .stranger = seen->stranger, .one_address = true };

    if (seen->n > 0) {
        nat.mapped = seen->looks[0].mapped;
        nat.behind = is_own(seen, &nat.mapped.addr) ? PATH_NO : PATH_YES;
        judge_mapping(seen, &nat);
        judge_ports(seen, &nat);
        nat.what.filtering = judge_filtering(seen);
    }
    *out_nat = nat;
}

bool path_natclass_is_hard(const MeshProbeNat *nat)
{
    return nat->mapping == MESH_PROBE_BY_ADDRESS || nat->mapping == MESH_PROBE_BY_ADDRESS_AND_PORT;
}

const char *path_natclass_name(PathAnswer behind, const MeshProbeNat *nat)
{
    bool closed = nat->filtering == MESH_PROBE_BY_ADDRESS_AND_PORT;

    if (nat->mapping == MESH_PROBE_UNKNOWN)
        return "unknown";
    if (path_natclass_is_hard(nat)) {
        if (nat->step != 0)
            return "sequential";
        if (nat->block_last > nat->block_first)
            return "block";
        return nat->mapping == MESH_PROBE_BY_ADDRESS ? "address-dependent" : "symmetric";
    }
    if (behind == PATH_NO)
        return closed ? "firewall" : "open";
    if (closed)
        return "port-restricted";
    if (nat->filtering == MESH_PROBE_INDEPENDENT)
        return "full-cone";
    return nat->filtering == MESH_PROBE_BY_ADDRESS ? "restricted" : "cone";
}

static void add_mapping(GString *text, const MeshProbeNat *nat)
{
    if (!path_natclass_is_hard(nat)) {
        g_string_append(text, "uses one port for all destinations");
        return;
    }
    g_string_append(text, nat->mapping == MESH_PROBE_BY_ADDRESS
                              ? "uses another port for each address"
                              : "uses another port for each destination");
    if (nat->step != 0)
        g_string_append_printf(text, ", in steps of %d", nat->step);
    else if (nat->block_last != 0)
        g_string_append_printf(text, ", of the block %u-%u", nat->block_first, nat->block_last);
    else
        g_string_append(text, ", at random");
}

char *path_natclass_describe(const PathNat *nat)
{
    GString *text = g_string_new(NULL);
    bool     closed = nat->what.filtering == MESH_PROBE_BY_ADDRESS_AND_PORT;

    if (nat->behind == PATH_UNKNOWN || nat->what.mapping == MESH_PROBE_UNKNOWN)
        return g_string_free(g_string_assign(text, "not known: too few answers"), false);
    if (nat->behind == PATH_NO) {
        g_string_append(text,
                        closed ? "no NAT, behind a firewall that lets in answers only" : "no NAT");
        return g_string_free(text, false);
    }
    g_string_append(text, "behind a NAT that ");
    add_mapping(text, &nat->what);
    if (nat->pool)
        g_string_append(text, " and several addresses");
    if (closed)
        g_string_append(text, ", and lets in answers only from where we sent to");
    else if (nat->what.filtering == MESH_PROBE_BY_ADDRESS)
        g_string_append_printf(text, ", and lets in any port of an address we sent to%s",
                               nat->stranger == PATH_UNKNOWN ? ", perhaps everybody" : "");
    else if (nat->what.filtering == MESH_PROBE_INDEPENDENT)
        g_string_append(text, ", and lets everybody in");
    return g_string_free(text, false);
}
