/* tests/server/relay/bench.c: what a relay costs, over UDP on loopback: a relay in a process of its
 * own, nodes in this one. Prints one JSON object; tests/bench/relay.py makes a table of it.
 *
 * Figures "a core" divide by the relay's seconds of CPU: the nodes take the rest of the machine. */
#include "tests/server/relay/client.h"

#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PAYLOAD = 1400,
    FRAME = MESH_RELAY_HEAD_BYTES + PAYLOAD,
    JOINED = 40, /* packets that a sender's kernel joins, as a tunnel's does */
    PINGS = 5000,
    PING_US = 200,
    PACE_US = 100, /* between the few packets of a steady load */
};

#define FAST UINT64_C(100000000000)

typedef struct {
    RelayRig  rig;
    pid_t     pid;
    clockid_t cpu;
} Child;

static double seconds(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long resident_kib(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/statm", pid), *text = NULL;
    long             size, resident;

    if (!g_file_get_contents(path, &text, NULL, NULL) ||
        sscanf(text, "%ld %ld", &size, &resident) != 2)
        return 0;
    return resident * sysconf(_SC_PAGESIZE) / 1024;
}

static void start_child(Child *child)
{
    const uint8_t seed[MESH_SIGN_SEED_BYTES] = { 7 };
    int           up[2];

    g_assert_cmpint(pipe(up), ==, 0);
    child->pid = fork();
    if (child->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        relay_rig_start(&child->rig, 0);
        if (write(up[1], &child->rig.rk, sizeof(MeshKey)) < 0 ||
            write(up[1], &child->rig.port, sizeof(uint16_t)) < 0)
            _exit(1);
        for (;;)
            (void)pause();
    }
    g_assert_cmpint(mesh_key_init(), ==, 0);
    mesh_sign_make_pair(seed, &child->rig.secret, &child->rig.key);
    g_assert_cmpint(read(up[0], &child->rig.rk, sizeof(MeshKey)), ==, sizeof(MeshKey));
    g_assert_cmpint(read(up[0], &child->rig.port, 2), ==, 2);
    g_assert_cmpint(clock_getcpuclockid(child->pid, &child->cpu), ==, 0);
}

static void bind_node(RelayClient *client, const Child *child, uint8_t net, uint32_t index)
{
    relay_client_init(client, &child->rig, net, index, FAST);
    g_assert_cmpint(relay_client_bind(client), ==, MESH_RELAYBIND_OK);
}

/* --- bulk --------------------------------------------------------------------------------------
 */

static atomic_bool          over;
static atomic_uint_fast64_t received; /* bytes of payload */

static void *count_received(void *data)
{
    RelayClient   *self = data;
    static uint8_t buffer[65536];
    int            on = 1;
    struct timeval limit = { .tv_usec = 100000 };

    (void)setsockopt(self->fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
    (void)setsockopt(self->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    while (!atomic_load(&over)) {
        ssize_t n = recv(self->fd, buffer, sizeof(buffer), 0);

        if (n >= FRAME)
            (void)atomic_fetch_add(&received, (uint64_t)(n / FRAME) * PAYLOAD);
    }
    return NULL;
}

static void blast(RelayClient *from, uint32_t to, size_t joined, double for_s)
{
    static uint8_t frames[JOINED * FRAME];
    int            segment = FRAME;
    double         end = seconds(CLOCK_MONOTONIC) + for_s;

    for (size_t i = 0; i < joined; i++) {
        frames[i * FRAME + MESH_RELAY_HEAD_BYTES] = 4;
        mesh_relayframe_put_head(frames + i * FRAME, PAYLOAD, from->session, to, &from->keys.up);
    }
    if (joined > 1)
        (void)setsockopt(from->fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
    while (seconds(CLOCK_MONOTONIC) < end)
        (void)!send(from->fd, frames, joined * FRAME, 0);
    segment = 0;
    (void)setsockopt(from->fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

/* Returns: Gbit/s a core. */
static double measure_bulk(Child *child, const char *name, size_t joined, double for_s)
{
    RelayClient a, b;
    pthread_t   thread;
    double      cpu = seconds(child->cpu), wall = seconds(CLOCK_MONOTONIC), gbit;

    bind_node(&a, child, 1, (uint32_t)joined * 2);
    bind_node(&b, child, 1, (uint32_t)joined * 2 + 1);
    atomic_store(&over, false);
    atomic_store(&received, 0);
    g_assert_cmpint(pthread_create(&thread, NULL, count_received, &b), ==, 0);
    blast(&a, b.token.index, joined, for_s);
    atomic_store(&over, true);
    (void)pthread_join(thread, NULL);
    cpu = seconds(child->cpu) - cpu;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    gbit = (double)atomic_load(&received) * 8 / 1e9;
    printf("  \"%s\": {\"gbit_s\": %.2f, \"gbit_s_core\": %.2f, \"cpu_s_gb\": %.2f},\n", name,
           gbit / wall, gbit / cpu, cpu * 8 / gbit);
    relay_client_done(&a);
    relay_client_done(&b);
    return gbit / cpu;
}

typedef struct {
    RelayClient *from;
    uint32_t     to;
    double       bytes_s;
} Steady;

/* So many bytes a second, in small steps; what was slept too long is sent in addition. */
static void *send_steadily(void *data)
{
    const Steady *self = data;
    uint8_t       frame[FRAME] = { 0 };
    double        begin = seconds(CLOCK_MONOTONIC), sent = 0;

    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    frame[MESH_RELAY_HEAD_BYTES] = 4;
    mesh_relayframe_put_head(frame, PAYLOAD, self->from->session, self->to, &self->from->keys.up);
    while (!atomic_load(&over)) {
        double due = (seconds(CLOCK_MONOTONIC) - begin) * self->bytes_s;

        for (; sent < due; sent += PAYLOAD)
            (void)!send(self->from->fd, frame, FRAME, 0);
        (void)usleep(PACE_US);
    }
    return NULL;
}

/* --- latency -----------------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t wall_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Waits for the next datagram. Returns: when the kernel had it for us. */
static int64_t receive_stamped(int fd)
{
    _Alignas(struct cmsghdr) char control[256];

    uint8_t         buffer[2048];
    struct iovec    part = { buffer, sizeof(buffer) };
    struct msghdr   header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control };
    struct pollfd   ready = { .fd = fd, .events = POLLIN };
    struct timespec stamp;

    header.msg_controllen = sizeof(control);
    g_assert_cmpint(poll(&ready, 1, 1000), ==, 1);
    g_assert_cmpint(recvmsg(fd, &header, 0), >, 0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c != NULL; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
        return (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
    }
    g_error("a datagram without a time stamp");
}

static void print_us(const char *name, const char *how, int64_t *took_ns)
{
    qsort(took_ns, PINGS, sizeof(*took_ns), by_value);
    printf("  \"%s%s\": {\"p50\": %.1f, \"p99\": %.1f},\n", name, how,
           (double)took_ns[PINGS / 2] / 1e3, (double)took_ns[PINGS * 99 / 100] / 1e3);
}

/* One at a time there and back again through the relay; until the kernel has it, and until this
 * program does, which may have to wait for a core. */
static void measure_latency(const Child *child, const char *name, uint32_t index)
{
    static int64_t seen_ns[PINGS], came_ns[PINGS];
    RelayClient    a;
    int            on = 1;

    bind_node(&a, child, 2, index);
    g_assert_cmpint(setsockopt(a.fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)), ==, 0);
    for (int i = 0; i < PINGS; i++) {
        const uint8_t data[64] = { 4 };
        int64_t       start = wall_ns();

        relay_client_send_data(&a, index, data, sizeof(data)); /* to itself: one pass */
        came_ns[i] = receive_stamped(a.fd) - start;
        seen_ns[i] = wall_ns() - start;
        (void)usleep(PING_US);
    }
    print_us(name, "", seen_ns);
    print_us(name, "_kernel", came_ns);
    relay_client_done(&a);
}

/* The same while others move half of what a core of the relay can. @name: of the figures. */
static void measure_loaded(const Child *child, double gbit_s_core, const char *name)
{
    g_autofree char *pass = g_strdup_printf("pass_%s_us", name);
    RelayClient      a, b;
    Steady           steady = { .from = &a, .bytes_s = gbit_s_core / 2 * 1e9 / 8 };
    pthread_t        sender, receiver;
    double           cpu = seconds(child->cpu), wall = seconds(CLOCK_MONOTONIC);

    bind_node(&a, child, 4, 1);
    bind_node(&b, child, 4, 2);
    steady.to = b.token.index;
    atomic_store(&over, false);
    atomic_store(&received, 0);
    g_assert_cmpint(pthread_create(&receiver, NULL, count_received, &b), ==, 0);
    g_assert_cmpint(pthread_create(&sender, NULL, send_steadily, &steady), ==, 0);
    measure_latency(child, pass, 2);
    atomic_store(&over, true);
    (void)pthread_join(sender, NULL);
    (void)pthread_join(receiver, NULL);
    cpu = seconds(child->cpu) - cpu;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    printf("  \"%s\": {\"gbit_s\": %.2f, \"core\": %.2f},\n", name,
           (double)atomic_load(&received) * 8 / 1e9 / wall, cpu / wall);
    relay_client_done(&a);
    relay_client_done(&b);
}

/* All threads of @pid on the cores @first to @last, before others if @first_of_all. */
static void place(pid_t pid, int first, int last, bool first_of_all)
{
    const struct sched_param param = { .sched_priority = first_of_all ? 1 : 0 };
    g_autofree char         *path = g_strdup_printf("/proc/%d/task", pid);
    g_autoptr(GDir) tasks = g_dir_open(path, 0, NULL);
    const char *task;
    cpu_set_t   cores;

    CPU_ZERO(&cores);
    for (int i = first; i <= last; i++)
        CPU_SET(i, &cores);
    while (tasks != NULL && (task = g_dir_read_name(tasks)) != NULL) {
        (void)sched_setaffinity(atoi(task), sizeof(cores), &cores);
        (void)sched_setscheduler(atoi(task), first_of_all ? SCHED_FIFO : SCHED_OTHER, &param);
    }
}

/* The relay has a core for itself, its nodes share the others, and all go before other programs:
 * what is left is the relay. */
static void measure_alone(const Child *child, double gbit_s_core)
{
    int cores = (int)sysconf(_SC_NPROCESSORS_ONLN);

    if (cores < 2)
        return;
    place(child->pid, cores - 1, cores - 1, true);
    place(getpid(), 0, cores - 2, true);
    measure_loaded(child, gbit_s_core, "alone");
    place(child->pid, 0, cores - 1, false);
    place(getpid(), 0, cores - 1, false);
}

/* --- handshakes and memory ---------------------------------------------------------------------
 */

static void measure_binds(Child *child, unsigned count)
{
    long   before = resident_kib(child->pid);
    double cpu = seconds(child->cpu);

    for (unsigned i = 0; i < count; i++) {
        RelayClient client;

        bind_node(&client, child, 3, i + 1);
        relay_client_done(&client); /* the session stays */
    }
    cpu = seconds(child->cpu) - cpu;
    printf("  \"binds_s_core\": %.0f,\n  \"kib_session\": %.2f\n", count / cpu,
           (double)(resident_kib(child->pid) - before) / count);
}

int main(int argc, char **argv)
{
    double for_s = argc > 1 ? atof(argv[1]) : 3;
    Child  child = { .pid = 0 };
    double gbit_s_core;

    start_child(&child);
    printf("{\n");
    gbit_s_core = measure_bulk(&child, "udp", 1, for_s);
    (void)measure_bulk(&child, "udp_joined", JOINED, for_s);
    measure_latency(&child, "pass_us", 1);
    measure_loaded(&child, gbit_s_core, "loaded");
    measure_alone(&child, gbit_s_core);
    measure_binds(&child, 900);
    printf("}\n");
    (void)kill(child.pid, SIGKILL);
    (void)waitpid(child.pid, NULL, 0);
    return 0;
}
