/* tests/server/relay/client.h: a node at a relay over UDP, and the server that vouches for it.
 *
 * Calls wait for what they expect, at most ten seconds, and abort when it does not come. */
#pragma once

#include "common/codec/relaybind.h"
#include "common/codec/relayframe.h"
#include "common/proto/token.h"
#include "server/relay/relay.h"

/* A server key with its relay on 127.0.0.1. */
typedef struct {
    MeshSignSecret secret;
    MeshKey        key;
    Relay         *relay;
    MeshKey        rk;
    uint16_t       port, alt;
} RelayRig;

void relay_rig_start(RelayRig *rig, uint16_t alt);
void relay_rig_stop(RelayRig *rig);

typedef struct {
    const RelayRig *rig;
    int             fd; /* connected UDP */
    MeshSignSecret  secret;
    MeshNetworkId   net;
    MeshToken       token;
    MeshKey         ephemeral;
    MeshRelayKeys   keys;
    uint32_t        session;
    MeshEndpoint    seen;
    uint8_t         bind[MESH_RELAYBIND_MAX_BYTES]; /* the last one sent */
    size_t          bind_len;
} RelayClient;

/* Node @index of network @net, allowed @bps; not bound yet. */
void relay_client_init(RelayClient *self, const RelayRig *rig, uint8_t net, uint32_t index,
                       uint64_t bps);
void relay_client_done(RelayClient *self);
void relay_client_reopen(RelayClient *self); /* another source port, the same session */

/* As much room for what was not received yet as the host gives; what finds none is counted. */
void     relay_client_widen(RelayClient *self);
unsigned relay_client_count_lost(const RelayClient *self);

/* HELLO … BOUND. Returns: the status. */
MeshRelayStatus relay_client_bind(RelayClient *self);

void relay_client_send(RelayClient *self, const MeshRelayFrame *frame); /* session is set */
void relay_client_send_data(RelayClient *self, uint32_t to, const void *data, size_t len);

/* The next datagram; 0: none within @wait_ms. */
size_t relay_client_receive(RelayClient *self, uint8_t *out, size_t size, int wait_ms);

/* The next frame of the session; false: none within @wait_ms. @buffer keeps its data. */
bool relay_client_next(RelayClient *self, uint8_t *buffer, size_t size, int wait_ms,
                       MeshRelayFrame *out_frame);
