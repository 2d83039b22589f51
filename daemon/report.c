#include "daemon/report.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"

#include <string.h>

struct MeshdReport {
    const MeshdProfile *profile; /* borrowed */
    MeshRecordE         last;    /* exp 0: none signed yet */
    uint64_t            min_seq;
    bool                again;
};

MeshdReport *meshd_report_new(const MeshdProfile *profile, uint64_t last_seq)
{
    MeshdReport *self = g_new0(MeshdReport, 1);

    self->profile = profile;
    self->min_seq = last_seq + 1;
    return self;
}

void meshd_report_free(MeshdReport *self)
{
    g_free(self);
}

static bool says_the_same(const MeshRecordE *a, const MeshRecordE *b)
{
    if (a->n_endpoints != b->n_endpoints || !mesh_key_equal(&a->probe_key, &b->probe_key) ||
        !mesh_endpoint_equal(&a->tcp, &b->tcp) || a->relay.port != b->relay.port ||
        !mesh_key_equal(&a->relay.key, &b->relay.key) || a->n_relays != b->n_relays ||
        memcmp(a->relays, b->relays, sizeof a->relays) != 0)
        return false;
    for (size_t i = 0; i < a->n_endpoints; i++)
        if (a->endpoints[i].kind != b->endpoints[i].kind ||
            !mesh_endpoint_equal(&a->endpoints[i].endpoint, &b->endpoints[i].endpoint))
            return false;
    return true;
}

/* Who verifies our E has verified our K with it. */
static void add_k_hash(MeshdReport *self, MeshRecordE *e)
{
    const MeshdProfile  *profile = self->profile;
    const MeshNetworkId *net = &profile->server.network;
    MeshRecordK          k = meshd_profile_make_k(profile);
    g_autoptr(MeshSigned) object = mesh_record_sign_k(&k, net, profile->secret, NULL);

    e->has_k_hash = object != NULL;
    if (object != NULL)
        mesh_record_hash(object, e->k_hash);
}

MeshSigned *meshd_report_sign(MeshdReport *self, const PathOwn *own, const PathSelf *about,
                              int64_t now_s)
{
    g_autoptr(GError) error = NULL;
    MeshRecordE next = { .node = self->profile->node };
    MeshSigned *object;

    next.n_endpoints = path_candidates_list_own(own, next.endpoints);
    next.relay = own->relay;
    next.tcp = own->tcp;
    next.has_probe_key = true;
    next.probe_key = about->probe_key;
    next.n_relays = about->n_relays;
    memcpy(next.relays, about->relays, sizeof next.relays);
    if (!self->again && says_the_same(&next, &self->last) &&
        self->last.exp - now_s > MESH_RECORD_E_LIFE_S / 2 &&
        self->last.exp - now_s <= MESH_RECORD_E_LIFE_S) /* else the server's clock went back */
        return NULL;
    next.seq = MAX(self->min_seq, (uint64_t)mesh_clock_wall_ms());
    add_k_hash(self, &next);
    next.exp = now_s + MESH_RECORD_E_LIFE_S - 60; /* never over the limit by a server's clock */
    object =
        mesh_record_sign_e(&next, &self->profile->server.network, self->profile->secret, &error);
    if (object == NULL) {
        mesh_log_error("cannot sign our endpoints: %s", error->message);
        return NULL;
    }
    self->last = next;
    self->min_seq = next.seq + 1;
    self->again = false;
    return object;
}

void meshd_report_raise(MeshdReport *self, uint64_t min_seq)
{
    self->min_seq = MAX(self->min_seq, min_seq);
    self->again = true;
}

void meshd_report_renew(MeshdReport *self)
{
    self->again = true;
}

uint64_t meshd_report_get_seq(const MeshdReport *self)
{
    return self->min_seq - 1;
}

char **meshd_report_list(const MeshdReport *self)
{
    char **list = g_new0(char *, self->last.n_endpoints + 2);
    char   text[MESH_ENDPOINT_TEXT_SIZE];

    for (size_t i = 0; i < self->last.n_endpoints; i++)
        list[i] =
            g_strdup_printf("%s %s", mesh_endpoint_format(&self->last.endpoints[i].endpoint, text),
                            mesh_record_kind_name(self->last.endpoints[i].kind));
    if (self->last.tcp.addr.family != 0)
        list[self->last.n_endpoints] =
            g_strdup_printf("%s tcp", mesh_endpoint_format(&self->last.tcp, text));
    return list;
}
