/* common/proto/bodyscan.c: see bodyscan.h. */
#include "common/proto/bodyscan.h"

#include "common/proto/scan.h"
#include "common/std/endpoint.h"

#include <string.h>
#include <sys/socket.h>

static bool scan_key(MeshScan *scan, MeshKey *out)
{
    return mesh_scan_bytes(scan, out->bytes, MESH_KEY_BYTES);
}

bool mesh_bodyscan_k(const MeshSigned *object, const MeshNetworkId *net, MeshRecordK *out)
{
    MeshRecordK record = { .n_suites = 1, .suites = { "wg1" } };
    MeshScan    scan;

    if (!mesh_scan_open(&scan, object, MESH_SIGNED_K, net) ||
        !mesh_scan_word(&scan, "\"node\":\"") || !scan_key(&scan, &record.node) ||
        !mesh_scan_word(&scan, ",\"wg\":\"") || !scan_key(&scan, &record.wg) ||
        !mesh_scan_word(&scan, ",\"seq\":") || !mesh_scan_int(&scan, &record.seq) ||
        !mesh_scan_word(&scan, ",\"suites\":[\"wg1\"") || record.seq == 0 ||
        mesh_key_is_zero(&record.wg))
        return false;
    if (mesh_scan_word(&scan, ",\"" MESH_RECORD_SUITE_AES "\""))
        mesh_record_add_suite(&record, MESH_RECORD_SUITE_AES);
    if (!mesh_scan_word(&scan, "]}") || !mesh_scan_is_at_end(&scan))
        return false;
    *out = record;
    return true;
}

/* ---- E ---- */

static bool scan_endpoint(MeshScan *scan, MeshRecordEndpoint *out)
{
    char text[MESH_ENDPOINT_TEXT_SIZE];

    if (!mesh_scan_word(scan, "{\"a\":\"") || !mesh_scan_text(scan, text, sizeof(text)) ||
        mesh_endpoint_parse(text, &out->endpoint) < 0 || out->endpoint.scope != 0 ||
        !mesh_scan_word(scan, ",\"k\":\"") || !mesh_scan_text(scan, text, sizeof(text)) ||
        !mesh_scan_word(scan, "}"))
        return false;
    for (int i = 0; i <= MESH_RECORD_MAPPED; i++) {
        if (strcmp(text, mesh_record_kind_name((MeshRecordKind)i)) != 0)
            continue;
        out->kind = (MeshRecordKind)i;
        return true;
    }
    return false;
}

static bool scan_endpoints(MeshScan *scan, MeshRecordE *out)
{
    if (mesh_scan_word(scan, "]"))
        return true;
    do {
        if (out->n_endpoints == MESH_RECORD_MAX_ENDPOINTS ||
            !scan_endpoint(scan, &out->endpoints[out->n_endpoints]))
            return false;
        out->n_endpoints++;
    } while (mesh_scan_word(scan, ","));
    return mesh_scan_word(scan, "]");
}

static bool scan_relays(MeshScan *scan, MeshRecordE *out)
{
    uint64_t id;

    do {
        if (out->n_relays == MESH_RECORD_MAX_RELAYS || !mesh_scan_int(scan, &id) || id == 0 ||
            id > UINT16_MAX)
            return false;
        out->relays[out->n_relays++] = (uint16_t)id;
    } while (mesh_scan_word(scan, ","));
    return mesh_scan_word(scan, "]");
}

static bool scan_relay(MeshScan *scan, MeshRecordRelay *out)
{
    uint64_t port = 0;

    if (!mesh_scan_int(scan, &port) || port == 0 || port > UINT16_MAX ||
        !mesh_scan_word(scan, ",\"rk\":\"") || !scan_key(scan, &out->key) ||
        !mesh_scan_word(scan, "}"))
        return false;
    out->port = (uint16_t)port;
    return true;
}

static bool scan_tcp(MeshScan *scan, MeshEndpoint *out)
{
    char text[MESH_ENDPOINT_TEXT_SIZE];

    return mesh_scan_text(scan, text, sizeof(text)) && mesh_endpoint_parse(text, out) == 0 &&
           out->scope == 0;
}

/* What need not be there. */
static bool scan_extras(MeshScan *scan, MeshRecordE *out)
{
    if (mesh_scan_word(scan, ",\"pk\":\"")) {
        if (!scan_key(scan, &out->probe_key))
            return false;
        out->has_probe_key = !mesh_key_is_zero(&out->probe_key);
    }
    if (mesh_scan_word(scan, ",\"relays\":[") && !scan_relays(scan, out))
        return false;
    if (mesh_scan_word(scan, ",\"relay\":{\"udp\":") && !scan_relay(scan, &out->relay))
        return false;
    if (mesh_scan_word(scan, ",\"tcp\":\"") && !scan_tcp(scan, &out->tcp))
        return false;
    out->has_k_hash = mesh_scan_word(scan, ",\"kh\":\"");
    return !out->has_k_hash || mesh_scan_bytes(scan, out->k_hash, sizeof(out->k_hash));
}

bool mesh_bodyscan_e(const MeshSigned *object, const MeshNetworkId *net, MeshRecordE *out)
{
    MeshRecordE record = { 0 };
    MeshScan    scan;
    uint64_t    exp = 0;

    if (!mesh_scan_open(&scan, object, MESH_SIGNED_E, net) ||
        !mesh_scan_word(&scan, "\"node\":\"") || !scan_key(&scan, &record.node) ||
        !mesh_scan_word(&scan, ",\"seq\":") || !mesh_scan_int(&scan, &record.seq) ||
        !mesh_scan_word(&scan, ",\"exp\":") || !mesh_scan_int(&scan, &exp) ||
        !mesh_scan_word(&scan, ",\"eps\":[") || !scan_endpoints(&scan, &record) ||
        !scan_extras(&scan, &record) || !mesh_scan_word(&scan, "}") || !mesh_scan_is_at_end(&scan))
        return false;
    record.exp = (int64_t)exp;
    *out = record;
    return true;
}

/* ---- M ---- */

static bool scan_addresses(MeshScan *scan, MeshMember *out)
{
    if (mesh_scan_word(scan, ",\"ip4\":\"") && !mesh_scan_addr(scan, AF_INET, &out->ip4))
        return false;
    return mesh_scan_word(scan, ",\"ip6\":\"") && mesh_scan_addr(scan, AF_INET6, &out->ip6);
}

MeshMember *mesh_bodyscan_m(const MeshSigned *object, const MeshNetworkId *net)
{
    g_autoptr(MeshMember) self = mesh_member_new();
    MeshScan scan;
    uint64_t nbf = 0, exp = 0;

    if (!mesh_scan_open(&scan, object, MESH_SIGNED_M, net) ||
        !mesh_scan_word(&scan, "\"node\":\"") || !scan_key(&scan, &self->node) ||
        !mesh_scan_word(&scan, ",\"name\":\"") ||
        !mesh_scan_text(&scan, self->name, sizeof(self->name)) || !scan_addresses(&scan, self) ||
        !mesh_scan_word(&scan, ",\"prefixes\":[],\"tags\":[],\"serial\":") ||
        !mesh_scan_int(&scan, &self->serial) || !mesh_scan_word(&scan, ",\"nbf\":") ||
        !mesh_scan_int(&scan, &nbf) || !mesh_scan_word(&scan, ",\"exp\":") ||
        !mesh_scan_int(&scan, &exp) || !mesh_scan_word(&scan, ",\"by\":\"server\"}") ||
        !mesh_scan_is_at_end(&scan))
        return NULL;
    if (!mesh_network_is_label(self->name) || exp <= nbf || exp - nbf > MESH_MEMBER_MAX_LIFE_S)
        return NULL;
    self->nbf = (int64_t)nbf;
    self->exp = (int64_t)exp;
    return g_steal_pointer(&self);
}
