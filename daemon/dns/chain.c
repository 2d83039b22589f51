#include "daemon/dns/chain.h"

/* Made of the list in meson.build: DNS_POLICY(name) for each. */
#define DNS_POLICY(name_) extern const DnsPolicy dns_policy_##name_;
#include "policies.inc"
#undef DNS_POLICY

static const DnsPolicy *const policies[] = {
#define DNS_POLICY(name_) &dns_policy_##name_,
#include "policies.inc"
#undef DNS_POLICY
};

struct DnsChain {
    void *states[G_N_ELEMENTS(policies)]; /* owned, of the policy in the same place */
};

DnsChain *dns_chain_new(const DnsZone *zone, GError **error)
{
    DnsChain *self = g_new0(DnsChain, 1);

    for (size_t i = 0; i < G_N_ELEMENTS(policies); i++) {
        self->states[i] = policies[i]->make(zone, error);
        if (self->states[i] == NULL) {
            dns_chain_free(self);
            return NULL;
        }
    }
    return self;
}

void dns_chain_free(DnsChain *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(policies); i++)
        if (self->states[i] != NULL)
            policies[i]->free(self->states[i]);
    g_free(self);
}

void dns_chain_answer(DnsChain *self, const DnsQuery *query, DnsAnswer *out_answer)
{
    bool transfer = query->type == DNS_TYPE_AXFR || query->type == DNS_TYPE_IXFR;
    bool known_class = query->class_ == DNS_CLASS_IN || query->class_ == DNS_CLASS_ANY;

    *out_answer = (DnsAnswer){ .rcode = query->rcode };
    if (query->rcode != DNS_RCODE_NOERROR)
        return;
    out_answer->rcode = DNS_RCODE_REFUSED;
    if (self == NULL || transfer || !known_class || query->type == DNS_TYPE_OPT)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(policies); i++)
        if (policies[i]->answer(self->states[i], query, out_answer))
            return;
}
