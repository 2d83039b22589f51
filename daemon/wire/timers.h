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

#define WIRE_TIMERS_JITTER_MS    334 /* the most that is added to a retry */
#define WIRE_TIMERS_MAX_ATTEMPTS 18u /* 90 s of initiations, one each 5 s */
#define WIRE_TIMERS_NEVER        INT64_MAX

/** What to do now; bits of wire_timers_expire(). */
typedef enum {
    WIRE_TIMER_INITIATE = 1u << 0,  /* send an initiation (a retry: try every candidate) */
    WIRE_TIMER_KEEPALIVE = 1u << 1, /* send an empty packet, if there is a session */
    WIRE_TIMER_GIVE_UP = 1u << 2,   /* drop staged packets; WIRE_EVENT_GAVE_UP */
    WIRE_TIMER_ZERO = 1u << 3,      /* wipe handshake and keypairs; WIRE_EVENT_EXPIRED */
} WireTimerAction;

/** WireTimers: embedded in WirePeer; zeroed, then wire_timers_init(). */
typedef struct {
    /* Shards store, the handshake thread reads. */
    _Atomic int64_t unanswered_ms; /* first data sent since an authentic packet came; 0: none */
    _Atomic int64_t owed_ms;       /* first data received since we sent anything; 0: none */
    _Atomic bool    owes_again;    /* more data came meanwhile */
    _Atomic int64_t traffic_ms;    /* last authentic packet in either direction */
    _Atomic int64_t received_ms;   /* last authentic packet received */
    _Atomic int64_t look_ms;       /* when the handshake thread looks again */
    _Atomic bool    last_minute;   /* a rekey was asked for by receiving, once a session */
    /* Handshake thread only. */
    int64_t  initiated_ms; /* last initiation sent */
    int64_t  retry_ms;     /* when the initiation under way counts as lost; 0: none under way */
    unsigned attempts;     /* retries of the initiation under way */
    int64_t  zero_ms;      /* when keys are wiped; 0: nothing to wipe */
    unsigned jitter_ms;    /* drawn with the last initiation */
} WireTimers;

void wire_timers_init(WireTimers *self);

/** Shards: an authentic packet was sent, received; @data: not a keepalive nor a handshake message.
 * Return: true when the handshake thread must be woken to look at this peer. @keepalive_s:
 * persistent keepalive of the peer, 0: off. */
bool wire_timers_sent(WireTimers *self, bool data, uint16_t keepalive_s, int64_t now_ms);
bool wire_timers_received(WireTimers *self, bool data, uint16_t keepalive_s, int64_t now_ms);

/** Handshake thread: somebody wants a session (data without one, rekey, route given).
 * Returns: true: send an initiation now and call wire_timers_initiated(); false: one went out in
 * the last 5 s. Starts the 90 s anew. */
bool wire_timers_request(WireTimers *self, int64_t now_ms);

/** Handshake thread: an initiation was sent, or tried. @jitter_ms: random, 0-333. */
void wire_timers_initiated(WireTimers *self, unsigned jitter_ms, int64_t now_ms);

/** Handshake thread: keys were derived (either role). */
void wire_timers_derived(WireTimers *self, int64_t now_ms);

/** The handshake is complete: initiator took the response, responder got the first packet. */
void wire_timers_completed(WireTimers *self);

/** wire_timers_expire: everything due at @now_ms, as WireTimerAction bits; 0: nothing.
 * INITIATE and KEEPALIVE are answered by doing it and marking it (initiated, sent). */
unsigned wire_timers_expire(WireTimers *self, uint16_t keepalive_s, int64_t now_ms);

/** wire_timers_next: the earliest deadline, or WIRE_TIMERS_NEVER; notes it as the next look. */
int64_t wire_timers_next(WireTimers *self, uint16_t keepalive_s);
