/* daemon/wire/timers.h: WireGuard's timer rules as decisions on a peer's timestamps.
 *
 * Pure: the boot clock (ms, read once a batch) and jitter are given; 0 means "never". Shards mark
 * what they sent and received by plain stores; the handshake thread looks when the earliest
 * deadline passes and is told what to do. A mark returns true when that look would come too late:
 * the shard then wakes the handshake thread, which asks wire_timers_next() (at most once in some
 * seconds a peer, for marks that come again find an earlier look armed). Source: paper §6;
 * constants in keypair.h. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WIRE_TIMERS_JITTER_MS  334    /* added to a retry: 0-333 */
#define WIRE_TIMERS_ATTEMPTS   18u    /* initiations, one each 5 s: 90 s */
#define WIRE_TIMERS_UNANSWERED 15000  /* ms; keepalive (10 s) and a retry (5 s) */
#define WIRE_TIMERS_ZERO_MS    540000 /* three lives of a key */
#define WIRE_TIMERS_NEVER      INT64_MAX

/** What to do now; bits of wire_timers_expire(). */
typedef enum {
    WIRE_TIMER_INITIATE = 1u << 0,  /* send an initiation: to the endpoint and every candidate */
    WIRE_TIMER_KEEPALIVE = 1u << 1, /* send an empty packet; without a session, request one */
    WIRE_TIMER_GIVE_UP = 1u << 2,   /* drop staged packets; WIRE_EVENT_GAVE_UP */
    WIRE_TIMER_ZERO = 1u << 3,      /* wipe handshake and keypairs; WIRE_EVENT_EXPIRED */
    WIRE_TIMER_SILENT = 1u << 4,    /* WIRE_EVENT_SILENT */
} WireTimerAction;

/** WireTimers: embedded in WirePeer; see wire_timers_init(). */
typedef struct {
    /* Shards and the handshake thread. */
    _Atomic int64_t unanswered_ms; /* first data sent since an authentic packet came; 0: none */
    _Atomic int64_t owed_ms;       /* first data received since we sent anything; 0: none */
    _Atomic int64_t traffic_ms;    /* last authentic packet in either direction */
    _Atomic int64_t received_ms;   /* last authentic packet received */
    _Atomic int64_t look_ms;       /* when the handshake thread looks again */
    _Atomic bool    last_minute;   /* receiving asked for a rekey; once a session */
    _Atomic bool    silent;        /* told so; until something is received */
    /* Control thread writes. */
    _Atomic uint16_t silent_ms; /* of unanswered data after which to tell; 0: never */
    /* Handshake thread only. */
    uint16_t jitter_ms;    /* drawn with the last initiation */
    uint8_t  attempts;     /* initiations of the 90 s under way */
    int64_t  initiated_ms; /* last initiation sent */
    int64_t  retry_ms;     /* when the initiation under way counts as lost; 0: none under way */
    int64_t  zero_ms;      /* when keys are wiped; 0: nothing to wipe */
} WireTimers;

void wire_timers_init(WireTimers *self);

/** wire_timers_sent, _received: an authentic packet was sent, received, handshake messages
 * included.
 * @data: neither a keepalive nor a handshake message. @keepalive_s: the peer's persistent
 * keepalive, 0: off. Any thread; once a run of packets. Return: true when the handshake thread must
 * be told to look at this peer. */
bool wire_timers_sent(WireTimers *self, bool data, uint16_t keepalive_s, int64_t now_ms);
bool wire_timers_received(WireTimers *self, bool data, uint16_t keepalive_s, int64_t now_ms);

/** wire_timers_request: somebody wants a session: data without one, a rekey, a route given, a
 * persistent keepalive configured. Starts the 90 s anew. Handshake thread, as all below.
 * Returns: true: send an initiation now; false: one went out less than 5 s ago. */
bool wire_timers_request(WireTimers *self, int64_t now_ms);

/** wire_timers_initiated: an initiation was sent, or tried. @jitter_ms: random, 0-333. */
void wire_timers_initiated(WireTimers *self, unsigned jitter_ms, int64_t now_ms);

/** wire_timers_derived: keys were derived, in either role. */
void wire_timers_derived(WireTimers *self, int64_t now_ms);

/** wire_timers_completed: the handshake is: the initiator took the response, the responder got the
 * first packet under the new keys. */
void wire_timers_completed(WireTimers *self);

/** wire_timers_cleared: keypairs and handshake were wiped for another reason (key change). */
void wire_timers_cleared(WireTimers *self);

/** wire_timers_expire: everything due at @now_ms, as WireTimerAction bits; 0: nothing.
 * INITIATE and KEEPALIVE are answered by doing it and marking it (initiated, sent). */
unsigned wire_timers_expire(WireTimers *self, uint16_t keepalive_s, int64_t now_ms);

/** wire_timers_next: the earliest deadline, or WIRE_TIMERS_NEVER; notes it as the next look. */
int64_t wire_timers_next(WireTimers *self, uint16_t keepalive_s);
