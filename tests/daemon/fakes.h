/* tests/daemon/fakes.h: server, data plane and host network for tests of engines: they note what
 * they are told and say what the test wants. Definitions stand in for those of
 * daemon/{control,wire,net}. */
#pragma once

#include "common/glib/error.h"
#include "daemon/control/client.h"
#include "daemon/net/net.h"
#include "daemon/wire/plane.h"

#include <stdbool.h>

typedef struct {
    /* server */
    ControlClient *client; /* the newest; NULL: freed */
    unsigned       n_registers, n_reports, n_leaves;
    bool           request_ip4, has_join; /* of the last register */
    MeshKey        node, wg;              /* of its K */
    bool           streaming;
    MeshAddr       server_address;
    bool           leave_fails, leave_revokes, leave_hangs;
    /* host network */
    NetSet      set;        /* as applied */
    bool        applied;    /* and not undone */
    bool        link_ready; /* and maybe no more than that */
    bool        net_fails;  /* net_apply() */
    bool        ip6_off;    /* it left IPv6 out */
    const char *route;      /* a route of the host; NULL: none */
    /* DNS */
    bool   dns_fails; /* the resolver */
    bool   dns_answers, dns_points;
    bool   dns_early; /* before it has the addresses */
    char   dns_suffix[256];
    size_t n_dns_hosts, n_dns_addrs;
    /* data plane */
    bool     running;
    unsigned n_planes; /* that ended */
    bool     has_key;
    size_t   n_peers; /* of the last configuration */
    bool     has_aes; /* this machine */
    size_t   n_aes;   /* peers of the last configuration that sessions of AES are begun with */
    size_t   n_aes_answered;
    uint16_t port;
    int      apply_rc;
} Fakes;

extern Fakes fakes;

/* The server speaks. */
void fakes_tell_state(ControlState state);
void fakes_tell_offline(MeshErrorCode code); /* and why */
void fakes_tell_cloned(void);
void fakes_answer(MeshSigned *m, const MeshNetwork *network);
void fakes_tell_map(MeshNetmap *map); /* takes it */
void fakes_tell_fatal(MeshErrorCode code);

void fakes_tell_net_changed(void); /* the host speaks */
