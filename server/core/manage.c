/* server/core/manage.c: an administrator's verbs. Control thread; rules on the storage thread. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/joinlink.h"
#include "common/std/base64.h"
#include "common/std/clock.h"
#include "server/core/control.h"
#include "server/core/keys.h"
#include "server/core/networks.h"
#include "server/core/nodes.h"
#include "server/core/users.h"

#include <string.h>

#define EXPIRES_MAX_S (INT64_C(10) * 366 * 86400)

typedef struct {
    CoreJob      job;
    CoreManage   request; /* its texts are owned here */
    MeshKey      node;
    int64_t      user;     /* named by the request; 0: nobody; -1: none named */
    MeshJoinlink link;     /* key create: the secret, wiped when freed */
    CoreKeyInfo *key;      /* what key create and revoke made; owned */
    GPtrArray   *key_list; /* owned */
    uint16_t     relay;    /* named by the request; 0: none */
} ManageJob;

/* The call before a job is needed. */
typedef struct {
    CoreCall   call;
    CoreManage request;
    CoreReturn to;
} ManageCall;

static void free_texts(CoreManage *request)
{
    g_free((char *)request->network);
    g_free((char *)request->key);
    g_free((char *)request->node);
    g_free((char *)request->user);
    g_free((char *)request->name);
    g_free((char *)request->ip4);
    g_free((char *)request->note);
    g_free((char *)request->relay);
}

static void manage_free(CoreJob *job)
{
    ManageJob *self = (ManageJob *)job;

    free_texts(&self->request);
    mesh_joinlink_wipe(&self->link);
    core_values_free_key(self->key);
    g_clear_pointer(&self->key_list, g_ptr_array_unref);
    g_free(self);
}

/* --- looking up ------------------------------------------------------------------------------ */

static CoreNetwork *find_network(Core *core, const char *ref)
{
    MeshNetworkId  id;
    GHashTableIter iter;
    gpointer       each;

    if (ref == NULL)
        return NULL;
    g_hash_table_iter_init(&iter, core->networks); /* a name may look like an id: names first */
    while (g_hash_table_iter_next(&iter, NULL, &each))
        if (strcmp(((CoreNetwork *)each)->row.net.name, ref) == 0)
            return each;
    return mesh_network_parse_id(ref, &id) ? core_control_find_network(core, &id) : NULL;
}

static CoreNode *find_node(CoreNetwork *network, const char *ref)
{
    MeshKey        key;
    GHashTableIter iter;
    gpointer       each;

    if (ref == NULL)
        return NULL;
    g_hash_table_iter_init(&iter, network->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &each))
        if (strcmp(((CoreNode *)each)->row->name, ref) == 0)
            return each;
    return mesh_base64url_decode(ref, key.bytes, sizeof key.bytes, NULL) == 0
               ? core_model_find(network, &key)
               : NULL;
}

/* --- answers --------------------------------------------------------------------------------- */

static void send_values(CoreReturn to, GPtrArray *values)
{
    CoreAnswer *answer = core_answer_new(200);

    answer->result = values;
    core_answer_send(to, answer);
}

static void send_value(CoreReturn to, gpointer value, GDestroyNotify free_value)
{
    GPtrArray *values = g_ptr_array_new_with_free_func(free_value);

    g_ptr_array_add(values, value);
    send_values(to, values);
}

static CoreNetworkInfo *describe_network(const CoreNetwork *network)
{
    CoreNetworkInfo      *info = g_new0(CoreNetworkInfo, 1);
    const CoreNetworkRow *row = &network->row;

    mesh_network_format_id(&row->net.id, info->id);
    info->name = g_strdup(row->net.name);
    if (row->net.ip4.addr.family != 0)
        mesh_ip_format_prefix(&row->net.ip4, info->ip4);
    mesh_ip_format_prefix(&row->net.ip6, info->ip6);
    info->approve = row->approve;
    info->ver = row->ver;
    info->nodes = g_hash_table_size(network->nodes);
    info->max_nodes = row->max_nodes;
    info->online = network->online;
    info->created = row->created;
    return info;
}

static void send_status(Core *core, CoreReturn to)
{
    CoreStatus    *status = g_new0(CoreStatus, 1);
    GHashTableIter iter;
    gpointer       each;

    g_hash_table_iter_init(&iter, core->networks);
    while (g_hash_table_iter_next(&iter, NULL, &each))
        status->nodes += g_hash_table_size(((CoreNetwork *)each)->nodes);
    status->networks = g_hash_table_size(core->networks);
    status->streams = g_hash_table_size(core->streams);
    status->uptime_s = (mesh_clock_boot_ms() - core->started_ms) / 1000;
    if (core->relays.config.count != NULL)
        core->relays.config.count(core->relays.config.data, &status->relay);
    send_value(to, status, g_free);
}

static gint by_age(gconstpointer a, gconstpointer b)
{
    const CoreNetworkInfo *x = *(CoreNetworkInfo *const *)a, *y = *(CoreNetworkInfo *const *)b;

    if (x->created != y->created)
        return x->created < y->created ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void send_networks(Core *core, CoreReturn to)
{
    GPtrArray     *values = g_ptr_array_new_with_free_func(core_values_free_network);
    GHashTableIter iter;
    gpointer       each;

    g_hash_table_iter_init(&iter, core->networks);
    while (g_hash_table_iter_next(&iter, NULL, &each))
        g_ptr_array_add(values, describe_network(each));
    g_ptr_array_sort(values, by_age);
    send_values(to, values);
}

static void send_nodes(const CoreNetwork *network, CoreReturn to)
{
    GPtrArray *values = g_ptr_array_new_with_free_func(core_values_free_node);

    for (guint i = 0; i < network->by_index->len; i++) {
        const CoreNode *node = g_array_index(network->by_index, CoreNode *, i);

        if (node != NULL)
            g_ptr_array_add(values, core_values_make_node(node));
    }
    send_values(to, values);
}

/* What an administrator is told of a rule that refused. Takes @error. */
static void send_refusal(CoreReturn to, GError *error)
{
    if (error->code == MESH_ERROR_REMOVED || error->code == MESH_ERROR_NOT_MEMBER ||
        error->code == MESH_ERROR_NO_NETWORK)
        error->code = MESH_ERROR_NOT_FOUND; /* that is how an administrator sees it */
    core_answer_send_error(to, error);
}

static void send_key(ManageJob *self)
{
    if (self->request.verb == CORE_KEY_CREATE)
        self->key->link = mesh_joinlink_format(&self->link);
    send_value(self->job.to, g_steal_pointer(&self->key), core_values_free_key);
}

/* After a committed change: the thing as it is now. */
static void manage_answer(Core *core, CoreJob *job)
{
    ManageJob   *self = (ManageJob *)job;
    CoreNetwork *network = core_control_find_network(core, &job->net);
    CoreNode    *node = network != NULL ? core_model_find(network, &self->node) : NULL;
    CoreUserRow *user = g_hash_table_lookup(core->users, &job->change.user.id);

    if (job->error != NULL)
        send_refusal(job->to, g_steal_pointer(&job->error));
    else if (self->key_list != NULL)
        send_values(job->to, g_steal_pointer(&self->key_list));
    else if (self->key != NULL)
        send_key(self);
    else if (user != NULL)
        send_values(job->to, core_users_describe(core, user));
    else if (job->change.relay.entry.id != 0)
        send_values(job->to, core_relays_describe(core, job->change.relay.entry.name));
    else if (node != NULL)
        send_value(job->to, core_values_make_node(node), core_values_free_node);
    else if (network != NULL && self->request.verb != CORE_NODE_REMOVE)
        send_value(job->to, describe_network(network), core_values_free_network);
    else
        send_values(job->to, g_ptr_array_new());
}

/* --- rules ----------------------------------------------------------------------------------- */

static bool create_key(ManageJob *self, GError **error)
{
    CoreKeysNew key = { .owner = MAX(self->user, 0), .request = &self->request };
    char        text[CORE_KEY_TEXT];

    do { /* an id that begins with '-' would look like an option on a command line */
        mesh_key_random(self->link.secret, sizeof self->link.secret);
        mesh_joinlink_make_pair(self->link.secret, NULL, &key.public_key);
    } while (mesh_base64url_encode(MESH_SPAN(key.public_key.bytes, sizeof key.public_key.bytes),
                                   text, sizeof text) < 0 ||
             text[0] == '-');
    self->link.has_secret = true;
    self->link.network = self->job.net;
    return core_keys_create(&self->job.change, &key, &self->key, error);
}

static bool list_keys(ManageJob *self, GError **error)
{
    self->key_list = core_keys_list(self->job.change.tx, &self->job.net, error);
    return self->key_list != NULL;
}

static bool is_user_verb(CoreVerb verb)
{
    return verb >= CORE_USER_LIST && verb <= CORE_USER_REMOVE;
}

static bool no_verb(GError **error)
{
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_REQUEST, "no such verb");
    return false;
}

static bool user_rule(ManageJob *self, GError **error)
{
    CoreChange *change = &self->job.change;

    switch (self->request.verb) {
    case CORE_USER_ADD:
        return core_users_add(change, &self->request, error);
    case CORE_USER_SET:
        return core_users_set(change, self->user, &self->request, error);
    case CORE_USER_REMOVE:
        return core_users_remove(change, self->user, error);
    default:
        return no_verb(error);
    }
}

static bool is_relay_verb(CoreVerb verb)
{
    return verb >= CORE_RELAY_LIST && verb <= CORE_RELAY_REMOVE;
}

static bool relay_rule(ManageJob *self, GError **error)
{
    CoreChange           *change = &self->job.change;
    const CoreRelayPatch *patch = &self->request.patch;

    switch (self->request.verb) {
    case CORE_RELAY_ADD:
        return core_relayrules_add(change, patch,
                                   self->request.network != NULL ? &self->job.net : NULL, error);
    case CORE_RELAY_SET:
        return core_relayrules_set(change, self->relay, patch, error);
    case CORE_RELAY_REMOVE:
        return core_relayrules_remove(change, self->relay, error);
    default:
        return no_verb(error);
    }
}

static bool node_rule(ManageJob *self, GError **error)
{
    CoreChange *change = &self->job.change;

    switch (self->request.verb) {
    case CORE_NODE_APPROVE:
        return core_nodes_approve(change, &self->node, error);
    case CORE_NODE_SET:
        return core_nodes_set(change, &self->node, &self->request, self->user, error);
    case CORE_NODE_EXPIRE:
        return core_nodes_expire(change, &self->node, error);
    case CORE_NODE_REMOVE:
        return core_nodes_remove(change, &self->node, false, error);
    default:
        return no_verb(error);
    }
}

/* Storage thread. */
static bool manage_rule(CoreJob *job, GError **error)
{
    ManageJob        *self = (ManageJob *)job;
    const CoreManage *request = &self->request;
    CoreChange       *change = &job->change;

    if (is_user_verb(request->verb))
        return user_rule(self, error);
    if (is_relay_verb(request->verb))
        return relay_rule(self, error);
    if (request->verb == CORE_NETWORK_CREATE)
        return core_networks_create(change, request, error);
    if (!core_change_open(change, error))
        return false;
    switch (request->verb) {
    case CORE_NETWORK_SET:
        return core_networks_set(change, request, error);
    case CORE_NETWORK_DELETE:
        return core_networks_delete(change, error);
    case CORE_KEY_LIST:
        return list_keys(self, error);
    case CORE_KEY_CREATE:
        return create_key(self, error);
    case CORE_KEY_SHOW:
        return core_keys_get(change, request->key, &self->key, error);
    case CORE_KEY_SET:
        return core_keys_set(change, request, self->user, &self->key, error);
    case CORE_KEY_REVOKE:
        return core_keys_revoke(change, request->key, &self->key, error);
    default:
        return node_rule(self, error);
    }
}

/* --- the call -------------------------------------------------------------------------------- */

static bool is_node_verb(CoreVerb verb)
{
    return verb == CORE_NODE_APPROVE || verb == CORE_NODE_SET || verb == CORE_NODE_EXPIRE ||
           verb == CORE_NODE_REMOVE;
}

static bool bad(const char *text, GError **error)
{
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_REQUEST, text);
    return false;
}

static bool check_values(const CoreManage *request, GError **error)
{
    if (request->verb >= CORE_KEY_SHOW && request->verb <= CORE_KEY_REVOKE && request->key == NULL)
        return bad("key: missing", error);
    if (request->expires > MESH_JSON_MAX_INT)
        return bad("expires: too large", error);
    if (request->max_nodes > CORE_NODES_MAX)
        return bad("max_nodes: at most 65000", error);
    if (request->note != NULL && strlen(request->note) > CORE_NOTE_MAX)
        return bad("note: at most 128 bytes", error);
    if (request->verb == CORE_KEY_CREATE &&
        (request->expires_in_s < 0 || request->expires_in_s > EXPIRES_MAX_S))
        return bad("expires_in_s: 0 (never) to ten years", error);
    return true;
}

/* What a request names. */
typedef struct {
    CoreNetwork *network;
    CoreNode    *node;
    CoreUserRow *user;
    bool         nobody; /* it says that nobody is the user */
    uint16_t     relay;
} Named;

static bool not_found(GError **error, const char *what, const char *name)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_NOT_FOUND, "no %s %s here", what,
                name != NULL ? name : "of that name");
    return false;
}

static bool resolve_user(Core *core, const CoreManage *request, Named *out, GError **error)
{
    bool is_subject = is_user_verb(request->verb);

    if (request->verb == CORE_USER_LIST || request->verb == CORE_USER_ADD ||
        (!is_subject && request->user == NULL))
        return true;
    out->nobody = !is_subject && request->user[0] == '\0';
    out->user = out->nobody ? NULL : core_users_find(core, request->user);
    return out->nobody || out->user != NULL || not_found(error, "user", request->user);
}

/* This server's own is described, and changed in its configuration file alone. */
static bool resolve_relay(Core *core, const CoreManage *request, Named *out, GError **error)
{
    const MeshRelayEntry *own = &core->relays.config.own;
    const CoreRelayRow   *row = core_relays_find(core, request->relay);

    if (request->verb == CORE_RELAY_LIST || request->verb == CORE_RELAY_ADD) {
        if (request->verb == CORE_RELAY_ADD && request->network != NULL)
            out->network = find_network(core, request->network);
        return request->verb == CORE_RELAY_LIST || request->network == NULL ||
               out->network != NULL || not_found(error, "network", request->network);
    }
    if (row == NULL && own->id != 0 && g_strcmp0(own->name, request->relay) == 0) {
        if (request->verb == CORE_RELAY_SHOW)
            return true;
        g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT,
                    "%s is this server itself: its file says what it is, in the group [relay]",
                    own->name);
        return false;
    }
    out->relay = row != NULL ? row->entry.id : 0;
    return row != NULL || not_found(error, "relay", request->relay);
}

/* Finds what the request names. */
static bool resolve(Core *core, const CoreManage *request, Named *out, GError **error)
{
    *out = (Named){ 0 };
    if (!check_values(request, error) || !resolve_user(core, request, out, error))
        return false;
    if (is_relay_verb(request->verb))
        return resolve_relay(core, request, out, error);
    if (request->verb == CORE_NETWORK_CREATE || is_user_verb(request->verb))
        return true;
    out->network = find_network(core, request->network);
    if (out->network == NULL)
        return not_found(error, "network", request->network);
    if (!is_node_verb(request->verb))
        return true;
    out->node = find_node(out->network, request->node);
    if (out->node == NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_NOT_FOUND, "no node %s in network %s",
                    request->node != NULL ? request->node : "of that name", request->network);
    return out->node != NULL;
}

static void submit(Core *core, ManageCall *self, const Named *named)
{
    ManageJob *job = g_new0(ManageJob, 1);

    job->request = self->request;
    self->request = (CoreManage){ 0 };
    job->link = core->link;
    if (named->network != NULL)
        job->job.net = named->network->row.net.id;
    else
        mesh_key_random(job->job.net.bytes, sizeof job->job.net.bytes);
    if (named->node != NULL)
        job->node = named->node->row->node;
    job->relay = named->relay;
    job->user = named->user != NULL ? named->user->id : named->nobody ? 0 : -1;
    job->job.to = self->to;
    job->job.rule = manage_rule;
    job->job.answer = manage_answer;
    job->job.free = manage_free;
    core_control_submit(core, &job->job);
}

static void run_manage(Core *core, CoreCall *call)
{
    ManageCall *self = (ManageCall *)call;
    GError     *error = NULL;
    Named       named;

    if (core->draining)
        core_answer_refuse(self->to, MESH_ERROR_BUSY, "the server stops");
    else if (self->request.verb == CORE_STATUS)
        send_status(core, self->to);
    else if (self->request.verb == CORE_NETWORK_LIST)
        send_networks(core, self->to);
    else if (!resolve(core, &self->request, &named, &error))
        core_answer_send_error(self->to, error);
    else if (self->request.verb == CORE_NODE_LIST)
        send_nodes(named.network, self->to);
    else if (self->request.verb == CORE_USER_LIST || self->request.verb == CORE_USER_SHOW)
        send_values(self->to, core_users_describe(core, named.user));
    else if (self->request.verb == CORE_RELAY_LIST || self->request.verb == CORE_RELAY_SHOW)
        send_values(self->to, core_relays_describe(core, self->request.relay));
    else
        submit(core, self, &named);
    free_texts(&self->request);
    g_free(self);
}

void core_manage(Core *self, const CoreManage *request, CoreReturn to)
{
    ManageCall *call = g_new0(ManageCall, 1);

    call->call.run = run_manage;
    call->to = to;
    call->request = *request;
    call->request.network = g_strdup(request->network);
    call->request.key = g_strdup(request->key);
    call->request.node = g_strdup(request->node);
    call->request.user = g_strdup(request->user);
    call->request.name = g_strdup(request->name);
    call->request.ip4 = g_strdup(request->ip4);
    call->request.note = g_strdup(request->note);
    call->request.relay = g_strdup(request->relay);
    core_control_push(self, &call->call);
}
