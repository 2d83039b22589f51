/* common/proto/aclrows.c: the flat form of a policy, see acl.h: selectors become prefixes. */
#include "common/glib/error.h"
#include "common/proto/acl.h"

#include <string.h>
#include <sys/socket.h>

typedef struct {
    MeshMember *const *members;
    size_t             n_members;
} People;

static void add_addr(GArray *out, const MeshAddr *addr)
{
    MeshPrefix prefix = { .addr = *addr, .bits = addr->family == AF_INET ? 32 : 128 };

    if (addr->family != 0)
        g_array_append_val(out, prefix);
}

static bool matches(const MeshAclSelector *selector, const MeshMember *member)
{
    if (selector->kind == MESH_ACL_TAG)
        return mesh_member_has_tag(member, selector->name);
    return strcmp(selector->name, member->name) == 0;
}

/* The prefixes of one side of a rule; one of family 0 when everybody is meant. */
static GArray *expand(const MeshAclSelector *list, size_t n, const People *people)
{
    GArray *out = g_array_new(FALSE, TRUE, sizeof(MeshPrefix));

    for (size_t i = 0; i < n; i++) {
        if (list[i].kind == MESH_ACL_ANY || list[i].kind == MESH_ACL_PREFIX) {
            g_array_append_val(out, list[i].prefix); /* of ANY: zeroed, so of no family */
            continue;
        }
        for (size_t m = 0; m < people->n_members; m++) {
            if (!matches(&list[i], people->members[m]))
                continue;
            add_addr(out, &people->members[m]->ip4);
            add_addr(out, &people->members[m]->ip6);
        }
    }
    return out;
}

static bool add_rows(GArray *rows, const GArray *src, const GArray *dst)
{
    for (guint s = 0; s < src->len; s++) {
        for (guint d = 0; d < dst->len; d++) {
            MeshAclRow row = {
                .accept = true,
                .source = g_array_index(src, MeshPrefix, s),
                .destination = g_array_index(dst, MeshPrefix, d),
                .port_last = UINT16_MAX,
            };
            uint16_t a = row.source.addr.family, b = row.destination.addr.family;

            if (a != 0 && b != 0 && a != b)
                continue;
            if (rows->len + 1 >= MESH_ACL_MAX_ROWS) /* the last one refuses the rest */
                return false;
            g_array_append_val(rows, row);
        }
    }
    return true;
}

GArray *mesh_acl_flatten(const MeshAcl *self, MeshMember *const *members, size_t n_members,
                         GError **error)
{
    People people = { members, n_members };
    g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(MeshAclRow));
    MeshAclRow refuse = { .accept = false, .port_last = UINT16_MAX };

    for (size_t i = 0; i < self->n_rules; i++) {
        const MeshAclRule *rule = &self->rules[i];
        g_autoptr(GArray) src = expand(rule->src, rule->n_src, &people);
        g_autoptr(GArray) dst = expand(rule->dst, rule->n_dst, &people);

        if (!add_rows(rows, src, dst)) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_LIMIT,
                        "P.rules[%zu]: the policy needs more than %u rows", i, MESH_ACL_MAX_ROWS);
            return NULL;
        }
    }
    g_array_append_val(rows, refuse);
    return g_steal_pointer(&rows);
}

static bool is_in(const MeshPrefix *prefix, const MeshAddr *addr)
{
    return prefix->addr.family == 0 || mesh_ip_contains(prefix, addr);
}

bool mesh_acl_may_pass(const MeshAclRow *rows, size_t n_rows, const MeshAddr *source,
                       const MeshAddr *destination)
{
    for (size_t i = 0; i < n_rows; i++) {
        const MeshAclRow *row = &rows[i];
        bool whole = row->protocol == 0 && row->port_first == 0 && row->port_last == UINT16_MAX;

        if (!is_in(&row->source, source) || !is_in(&row->destination, destination))
            continue;
        if (row->accept || whole)
            return row->accept;
    }
    return false;
}
