/* daemon/wire/steer.c: a program of classic BPF; what it sees is the UDP payload. Linux only. */
#include "daemon/wire/steer.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "common/codec/relayframe.h"
#include "daemon/wire/index.h"
#include "daemon/wire/suite.h"

enum {
    KIND_DATA = 4,
    RECEIVER_AT = 4, /* its lowest byte: the index is little-endian */
    SESSION_AT = 3,  /* the lowest of the relay's session */
};

int wire_steer_attach(int fd, unsigned n_shards)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wire_suite_type(WIRE_SUITE_WG1, KIND_DATA), 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wire_suite_type(WIRE_SUITE_AESGCM1, KIND_DATA), 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MESH_RELAY_DATA, 4, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, RECEIVER_AT),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, WIRE_MAX_SHARDS - 1),
        BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SESSION_AT),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n_shards),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = { MESH_N_ELEMENTS(code), code };

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0
               ? -EOPNOTSUPP
               : 0;
}
