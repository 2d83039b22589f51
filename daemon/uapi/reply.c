/* daemon/uapi/reply.c: state → text; see reply.h. Names and order as other implementations have. */
#include "daemon/uapi/reply.h"

#include "common/std/base64.h"
#include "common/std/endpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 4096u

void uapi_text_done(UapiText *self)
{
    if (self->text != NULL)
        mesh_key_wipe(self->text, self->room);
    free(self->text);
    *self = (UapiText){ .text = NULL };
}

/* Not realloc(): that leaves the old bytes, keys among them, behind in the heap. */
static bool make_room(UapiText *self, size_t more)
{
    size_t room = self->room == 0 ? FIRST_ROOM : self->room;
    char  *text;

    while (room - self->len < more)
        room *= 2;
    if (room == self->room)
        return true;
    text = malloc(room);
    if (text == NULL) {
        self->error = -ENOMEM;
        return false;
    }
    if (self->text != NULL) {
        memcpy(text, self->text, self->len);
        mesh_key_wipe(self->text, self->len);
    }
    free(self->text);
    self->text = text;
    self->room = room;
    return true;
}

/* One line; none of ours is longer than UAPI_MAX_LINE. */
MESH_PRINTF(2, 3) static void add_line(UapiText *self, const char *format, ...)
{
    char    line[UAPI_MAX_LINE];
    va_list args;
    int     len;

    va_start(args, format);
    len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (self->error == 0 && len > 0 && make_room(self, (size_t)len)) {
        memcpy(self->text + self->len, line, (size_t)len);
        self->len += (size_t)len;
    }
    mesh_key_wipe(line, sizeof line);
}

static void add_key(UapiText *self, const char *name, const MeshKey *key)
{
    char hex[MESH_HEX_SIZE(MESH_KEY_BYTES)];

    if (mesh_hex_encode(MESH_SPAN(key->bytes, MESH_KEY_BYTES), hex, sizeof hex) == 0)
        add_line(self, "%s=%s\n", name, hex);
    mesh_key_wipe(hex, sizeof hex);
}

static void add_allowed_ip(const MeshPrefix *prefix, void *data)
{
    char text[MESH_IP_PREFIX_TEXT_SIZE];

    add_line(data, "allowed_ip=%s\n", mesh_ip_format_prefix(prefix, text));
}

static void add_live(UapiText *self, const WirePeerInfo *info)
{
    char text[MESH_ENDPOINT_TEXT_SIZE];

    if (info->endpoint.addr.family != 0)
        add_line(self, "endpoint=%s\n", mesh_endpoint_format(&info->endpoint, text));
    add_line(self, "last_handshake_time_sec=%" PRId64 "\n", info->last_handshake_s);
    add_line(self, "last_handshake_time_nsec=%" PRIu32 "\n", info->last_handshake_ns);
    add_line(self, "tx_bytes=%" PRIu64 "\n", info->tx_bytes);
    add_line(self, "rx_bytes=%" PRIu64 "\n", info->rx_bytes);
}

/* What the callback for each peer needs. */
typedef struct {
    UapiText        *out;
    const UapiState *state;
    const UapiLive  *live;
} Listing;

static void add_peer(const WirePeerSpec *spec, void *data)
{
    Listing     *listing = data;
    UapiText    *out = listing->out;
    WirePeerInfo info = { .last_handshake_s = 0 };

    add_key(out, "public_key", &spec->public_key);
    add_key(out, "preshared_key", &spec->preshared_key);
    add_line(out, "protocol_version=1\n");
    if (listing->live->get_peer(listing->live->data, &spec->public_key, &info) == 0)
        add_live(out, &info);
    add_line(out, "persistent_keepalive_interval=%u\n", (unsigned)spec->keepalive_s);
    wire_config_list_allowed_ips(listing->state->config, &spec->public_key, add_allowed_ip, out);
}

void uapi_reply_write_state(UapiText *out, const UapiState *state, const UapiLive *live)
{
    Listing listing = { .out = out, .state = state, .live = live };

    if (!mesh_key_is_zero(state->private_key))
        add_key(out, "private_key", state->private_key);
    if (live->listen_port != 0)
        add_line(out, "listen_port=%u\n", (unsigned)live->listen_port);
    if (state->fwmark != 0)
        add_line(out, "fwmark=%" PRIu32 "\n", state->fwmark);
    wire_config_list_peers(state->config, add_peer, &listing);
}

void uapi_reply_write_errno(UapiText *out, int error)
{
    add_line(out, "errno=%d\n\n", error);
}
