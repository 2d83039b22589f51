/* daemon/uapi/request.c: set=1 requests; see request.h. */
#include "daemon/uapi/request.h"

#include "common/std/base64.h"
#include "common/std/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENDPOINTS WIRE_MAX_PEERS

int uapi_state_init(UapiState *self)
{
    *self =
        (UapiState){ .config = wire_config_new(), .private_key = mesh_key_alloc(sizeof(MeshKey)) };
    if (self->config != NULL && self->private_key != NULL)
        return 0;
    uapi_state_done(self);
    return -ENOMEM;
}

void uapi_state_done(UapiState *self)
{
    wire_config_free(self->config);
    mesh_key_free(self->private_key);
    *self = (UapiState){ .config = NULL };
}

int uapi_request_begin(UapiDraft *self, const UapiState *now)
{
    *self = (UapiDraft){ .next = *now };
    self->next.config = wire_config_dup(now->config);
    self->next.private_key = mesh_key_alloc(sizeof(MeshKey));
    if (self->next.config == NULL || self->next.private_key == NULL) {
        uapi_request_end(self);
        return -ENOMEM;
    }
    *self->next.private_key = *now->private_key;
    return 0;
}

void uapi_request_end(UapiDraft *self)
{
    uapi_state_done(&self->next);
    free(self->endpoints);
    mesh_key_wipe(self, sizeof *self);
}

/* ---- values ---- */

static int parse_number(const char *text, uint64_t max, uint64_t *out_value)
{
    uint64_t value = 0;

    if (*text == '\0')
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > max)
            return -EINVAL;
    }
    *out_value = value;
    return 0;
}

static int parse_key(const char *text, MeshKey *out_key)
{
    return mesh_hex_decode(text, out_key->bytes, sizeof out_key->bytes, NULL) == 0 ? 0 : -EINVAL;
}

static int parse_true(const char *text)
{
    return strcmp(text, "true") == 0 ? 0 : -EINVAL;
}

/* ---- lines about the device ---- */

static int set_private_key(UapiDraft *self, const char *value)
{
    MeshKey *key = self->next.private_key;
    int      rc = parse_key(value, key);

    if (rc < 0)
        return rc;
    if (!mesh_key_is_zero(key)) { /* as X25519 uses it, and as others read it back (RFC 7748 §5) */
        key->bytes[0] &= 248;
        key->bytes[31] = (uint8_t)((key->bytes[31] & 127) | 64);
    }
    return 0;
}

static int set_listen_port(UapiDraft *self, const char *value)
{
    uint64_t number;
    int      rc = parse_number(value, UINT16_MAX, &number);

    if (rc == 0)
        self->next.listen_port = (uint16_t)number;
    return rc;
}

static int set_fwmark(UapiDraft *self, const char *value)
{
    uint64_t number;
    int      rc = parse_number(value, UINT32_MAX, &number);

    if (rc == 0)
        self->next.fwmark = (uint32_t)number;
    return rc;
}

static int replace_peers(UapiDraft *self, const char *value)
{
    int rc = parse_true(value);

    if (rc == 0)
        wire_config_remove_peer(self->next.config, NULL);
    return rc;
}

/* ---- lines about a peer ---- */

static int begin_peer(UapiDraft *self, const char *value)
{
    MeshKey key;
    int     rc = parse_key(value, &key);

    if (rc < 0)
        return rc;
    if (wire_config_get_peer(self->next.config, &key, &self->peer) == 0) {
        self->about = UAPI_ABOUT_PEER;
        return 0;
    }
    self->peer = (WirePeerSpec){ .public_key = key };
    rc = wire_config_put_peer(self->next.config, &self->peer);
    if (rc == 0)
        self->about = UAPI_ABOUT_NEW_PEER;
    return rc;
}

static int remove_peer(UapiDraft *self, const char *value)
{
    int rc = parse_true(value);

    if (rc < 0)
        return rc;
    wire_config_remove_peer(self->next.config, &self->peer.public_key);
    self->about = UAPI_ABOUT_NOBODY;
    return 0;
}

static int update_only(UapiDraft *self, const char *value)
{
    int rc = parse_true(value);

    if (rc == 0 && self->about == UAPI_ABOUT_NEW_PEER)
        return remove_peer(self, value);
    return rc;
}

static int put_peer(UapiDraft *self)
{
    return self->about == UAPI_ABOUT_NOBODY ? 0
                                            : wire_config_put_peer(self->next.config, &self->peer);
}

static int set_preshared_key(UapiDraft *self, const char *value)
{
    int rc = parse_key(value, &self->peer.preshared_key);

    return rc < 0 ? rc : put_peer(self);
}

static int set_keepalive(UapiDraft *self, const char *value)
{
    uint64_t number;
    int      rc = parse_number(value, UINT16_MAX, &number);

    if (rc < 0)
        return rc;
    self->peer.keepalive_s = (uint16_t)number;
    return put_peer(self);
}

static int set_endpoint(UapiDraft *self, const char *value)
{
    UapiEndpoint endpoint = { .peer = self->peer.public_key };

    if (mesh_endpoint_parse(value, &endpoint.endpoint) < 0)
        return -EINVAL;
    if (self->about == UAPI_ABOUT_NOBODY)
        return 0;
    if (self->n_endpoints == MAX_ENDPOINTS)
        return -ENOSPC;
    if (self->n_endpoints == self->endpoints_room) {
        size_t        room = self->endpoints_room == 0 ? 8 : 2 * self->endpoints_room;
        UapiEndpoint *grown = realloc(self->endpoints, room * sizeof *grown);

        if (grown == NULL)
            return -ENOMEM;
        self->endpoints = grown;
        self->endpoints_room = room;
    }
    self->endpoints[self->n_endpoints++] = endpoint;
    return 0;
}

static int replace_allowed_ips(UapiDraft *self, const char *value)
{
    int rc = parse_true(value);

    if (rc == 0 && self->about != UAPI_ABOUT_NOBODY)
        wire_config_remove_allowed_ip(self->next.config, &self->peer.public_key, NULL);
    return rc;
}

/* "10.0.0.1/8" is the network 10.0.0.0/8, as with the kernel; "-…" takes it away. */
static int change_allowed_ip(UapiDraft *self, const char *value)
{
    bool       take = value[0] == '-';
    MeshPrefix prefix;

    if (mesh_ip_parse_cidr(value + take, &prefix) < 0)
        return -EINVAL;
    prefix = mesh_ip_mask_prefix(&prefix);
    if (self->about == UAPI_ABOUT_NOBODY)
        return 0;
    if (!take)
        return wire_config_add_allowed_ip(self->next.config, &self->peer.public_key, &prefix);
    wire_config_remove_allowed_ip(self->next.config, &self->peer.public_key, &prefix);
    return 0;
}

static int check_version(UapiDraft *self, const char *value)
{
    uint64_t number;

    (void)self;
    if (parse_number(value, UINT32_MAX, &number) < 0)
        return -EINVAL;
    return number == 1 ? 0 : -EPROTO;
}

/* ---- lines ---- */

typedef struct {
    const char *name;
    int (*take)(UapiDraft *self, const char *value);
    bool about_peer; /* only behind a public_key line; the others only before the first */
} Line;

static const Line lines[] = {
    { "private_key", set_private_key, false },
    { "listen_port", set_listen_port, false },
    { "fwmark", set_fwmark, false },
    { "replace_peers", replace_peers, false },
    { "remove", remove_peer, true },
    { "update_only", update_only, true },
    { "preshared_key", set_preshared_key, true },
    { "endpoint", set_endpoint, true },
    { "persistent_keepalive_interval", set_keepalive, true },
    { "replace_allowed_ips", replace_allowed_ips, true },
    { "allowed_ip", change_allowed_ip, true },
    { "protocol_version", check_version, true },
};

int uapi_request_take(UapiDraft *self, const char *line)
{
    const char *value = strchr(line, '=');
    size_t      len = value == NULL ? 0 : (size_t)(value - line);

    if (value == NULL)
        return -EINVAL;
    value++;
    if (len == strlen("public_key") && strncmp(line, "public_key", len) == 0)
        return begin_peer(self, value);
    for (size_t i = 0; i < MESH_N_ELEMENTS(lines); i++) {
        if (strlen(lines[i].name) != len || strncmp(lines[i].name, line, len) != 0)
            continue;
        if (lines[i].about_peer != (self->about != UAPI_ABOUT_DEVICE))
            return -EINVAL;
        return lines[i].take(self, value);
    }
    return -EINVAL;
}

void uapi_request_finish(UapiDraft *self)
{
    MeshKey own;

    wire_config_set_listen(self->next.config, self->next.listen_port, self->next.fwmark);
    if (mesh_key_is_zero(self->next.private_key))
        return;
    mesh_key_make_public(self->next.private_key, &own);
    wire_config_remove_peer(self->next.config, &own); /* nobody is a peer of himself */
}
