/* wg/main.c: mesh-wg: one plane, its userspace socket, signals. See mesh-wg(8).
 *
 * Without -f the parent process waits until interface and socket are there, so that a script may go
 * on with `wg` and `ip` at once; the child serves. */
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/uapi/uapi.h"
#include "daemon/wire/engines.h"
#include "daemon/wire/plane.h"
#include "wg/options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FD_EVENTS, FD_SIGNAL, N_OWN_FDS };

typedef struct {
    WirePlane  *plane;
    UapiServer *uapi;
    int         ready; /* pipe to the waiting parent; -1: none */
    bool        ending;
} Wg;

/* ---- signals ---- */

static int signal_pipe[2] = { -1, -1 };

static void on_signal(int number)
{
    int     before = errno;
    uint8_t byte = (uint8_t)number;

    (void)!write(signal_pipe[1], &byte, 1);
    errno = before;
}

static int catch_signals(void)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    for (size_t i = 0; i < MESH_N_ELEMENTS(numbers); i++)
        sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* ---- start ---- */

/* Private keys are in our memory: no core dumps, no debugger of another user. */
static void harden(void)
{
    struct rlimit none = { 0, 0 };

    (void)!setrlimit(RLIMIT_CORE, &none);
    (void)!prctl(PR_SET_DUMPABLE, 0);
}

/* The parent: exits as the child tells: 0 when it is ready. */
static void wait_for_child(pid_t child, int ready)
{
    uint8_t byte;
    int     status = 0;

    if (read(ready, &byte, 1) == 1)
        _exit(EXIT_SUCCESS);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    _exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_FAILURE);
}

/* Goes on in a child; @out_ready: where it says that it is ready. */
static int go_background(int *out_ready)
{
    int   ready[2];
    pid_t child;

    if (pipe2(ready, O_CLOEXEC) < 0)
        return -errno;
    child = fork();
    if (child < 0)
        return -errno;
    if (child > 0) {
        close(ready[1]);
        wait_for_child(child, ready[0]);
    }
    close(ready[0]);
    setsid();
    *out_ready = ready[1];
    return 0;
}

static void tell_ready(Wg *self)
{
    uint8_t byte = 1;
    int     null;

    if (self->ready < 0)
        return;
    wg_log_use_syslog();
    (void)!chdir("/");
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    (void)!write(self->ready, &byte, 1);
    close(self->ready);
    self->ready = -1;
}

static const char *explain_plane(int error)
{
    switch (error) {
    case -EPERM:
        return "this needs root, or CAP_NET_ADMIN";
    case -EBUSY:
        return "an interface of this name exists already";
    case -ENODEV:
        return "there is no /dev/net/tun: load the module tun";
    default:
        return strerror(-error);
    }
}

static const char *explain_uapi(int error)
{
    if (error == -EADDRINUSE)
        return "another program answers on this interface's socket";
    return strerror(-error);
}

/* The plane takes any descriptor that carries packets; a user who gives us another kind erred. */
static bool is_tun(int fd)
{
    struct ifreq request = { .ifr_flags = 0 };

    return ioctl(fd, TUNGETIFF, &request) == 0 && (request.ifr_flags & IFF_TUN) != 0;
}

static bool check_cipher(const WgOptions *options)
{
    if (!wire_engines_can(options->suite)) {
        wg_log_error("--suite: %s is not for this machine: its processor has no instructions for "
                     "it",
                     wire_suite_get_cipher(options->suite));
        return false;
    }
    if (options->engine == NULL || strcmp(options->engine, "auto") == 0 ||
        wire_engines_know(options->engine))
        return true;
    wg_log_error("--engine, MESH_AEAD: \"%s\" is none of this machine's", options->engine);
    return false;
}

static int start(Wg *self, const WgOptions *options)
{
    WirePlaneOptions plane = { .ifname = options->ifname,
                               .tun_fd = options->tun_fd,
                               .offload = options->offload,
                               .gso = options->gso,
                               .shards = options->shards,
                               .suite = options->suite };
    WirePlaneInfo    info;
    int              rc;

    if (options->tun_fd >= 0 && !is_tun(options->tun_fd)) {
        wg_log_error("WG_TUN_FD=%d is no TUN interface's descriptor", options->tun_fd);
        return -EBADF;
    }
    if (!check_cipher(options))
        return -ENOTSUP;
    rc = wire_plane_start(&plane, &self->plane);
    if (rc < 0) {
        wg_log_error("cannot make the interface: %s", explain_plane(rc));
        return rc;
    }
    if (options->engine != NULL)
        wire_engines_use(self->plane, options->engine);
    wire_plane_get_info(self->plane, &info);
    wg_log_verbose("%s by %s", wire_suite_get_cipher(options->suite), info.engines[options->suite]);
    rc = uapi_start(info.ifname, self->plane, &self->uapi);
    if (rc < 0) {
        wg_log_error("cannot make /var/run/wireguard/%s.sock: %s", info.ifname, explain_uapi(rc));
        return rc;
    }
    wg_log_verbose("interface and socket %s are there", uapi_get_path(self->uapi));
    return 0;
}

/* ---- run ---- */

/* "AbCd…WxY=": enough to find the peer, short enough for a line. */
static const char *name_peer(const MeshKey *key, char out_name[16])
{
    char text[MESH_KEY_TEXT_SIZE];

    mesh_key_format(key, text);
    memcpy(out_name, text, 4);
    memcpy(out_name + 4, "…", 3);
    memcpy(out_name + 7, text + 39, 6);
    return out_name;
}

static void handle_event(Wg *self, const WireEvent *event)
{
    char peer[16], endpoint[MESH_ENDPOINT_TEXT_SIZE];

    name_peer(&event->peer, peer);
    mesh_endpoint_format(&event->endpoint, endpoint);
    switch (event->kind) {
    case WIRE_EVENT_HANDSHAKE:
        wg_log_verbose("peer %s: session at %s", peer, endpoint);
        break;
    case WIRE_EVENT_ROAMED:
        wg_log_verbose("peer %s: moved to %s", peer, endpoint);
        break;
    case WIRE_EVENT_GAVE_UP:
        wg_log_verbose("peer %s: no answer in 90 seconds", peer);
        break;
    case WIRE_EVENT_EXPIRED:
        wg_log_verbose("peer %s: the session's keys were wiped", peer);
        break;
    case WIRE_EVENT_FAILED:
        wg_log_verbose("the interface is gone: %s", strerror(-event->id));
        self->ending = true;
        break;
    case WIRE_EVENT_PONG:
    case WIRE_EVENT_RAW:
    case WIRE_EVENT_LINK:
    case WIRE_EVENT_LINK_DOWN:
    case WIRE_EVENT_SILENT:
    case WIRE_EVENT_STRAY:
    case WIRE_EVENT_ACTIVE:
    case WIRE_EVENT_BURSTS:
        break; /* nobody here asked */
    }
}

static void handle_events(Wg *self)
{
    static WireEvent event; /* 1.5 KiB; main thread only */

    while (wire_plane_next_event(self->plane, &event))
        handle_event(self, &event);
}

/* For whoever looks into a slow tunnel. */
static void tell_statistics(Wg *self)
{
    static const char *const names[WIRE_N_OFFLOADS] = {
        [WIRE_OFFLOAD_TUN_READ] = "from the host",
        [WIRE_OFFLOAD_TUN_WRITE] = "to the host",
        [WIRE_OFFLOAD_UDP_SEND] = "to the network",
        [WIRE_OFFLOAD_UDP_RECEIVE] = "from the network",
    };
    WireStats stats;

    wire_plane_get_stats(self->plane, &stats);
    for (int i = 0; i < WIRE_N_OFFLOADS; i++) {
        const WireOffloadStats *offload = &stats.offloads[i];

        wg_log_verbose("super-packets %s: %" PRIu64 " of %" PRIu64 " packets, %" PRIu64 " refused",
                       names[i], offload->units, offload->packets, offload->refused);
    }
    wg_log_verbose("queue of a full link: %" PRIu64 " times, at most %" PRIu64 " bytes, %" PRIu64
                   " packets marked, %" PRIu64 " dropped for waiting, %" PRIu64 " for room",
                   stats.queue_times, stats.queue_peak, stats.marked,
                   stats.drops[WIRE_DROP_QUEUE_SLOW], stats.drops[WIRE_DROP_QUEUE_FULL]);
}

static void handle_signal(Wg *self)
{
    uint8_t number;

    while (read(signal_pipe[0], &number, 1) == 1) {
        wg_log_verbose("ending on signal %u", (unsigned)number);
        self->ending = true;
    }
}

static void turn(Wg *self)
{
    struct pollfd fds[N_OWN_FDS + UAPI_MAX_POLLFDS];
    size_t        n_uapi;

    fds[FD_EVENTS] = (struct pollfd){ .fd = wire_plane_event_fd(self->plane), .events = POLLIN };
    fds[FD_SIGNAL] = (struct pollfd){ .fd = signal_pipe[0], .events = POLLIN };
    n_uapi = uapi_get_pollfds(self->uapi, fds + N_OWN_FDS);
    if (poll(fds, N_OWN_FDS + n_uapi, -1) < 0)
        return; /* EINTR: the pipe tells */
    if (fds[FD_EVENTS].revents != 0)
        handle_events(self);
    if (fds[FD_SIGNAL].revents != 0)
        handle_signal(self);
    uapi_handle(self->uapi, fds + N_OWN_FDS, n_uapi);
    if (!self->ending && uapi_is_gone(self->uapi)) {
        wg_log_verbose("the socket's file is gone: ending");
        self->ending = true;
    }
}

/* The text of ten thousand peers, large for a moment, goes back to the system, and all threads
 * share what is free. */
static void tune_memory(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

int main(int argc, char **argv)
{
    Wg        self = { .ready = -1 };
    WgOptions options;
    int       status;

    if (!wg_options_parse(argc, argv, &options, &status))
        return status;
    tune_memory();
    wg_log_init(options.log_level, options.ifname);
    if (!options.foreground && go_background(&self.ready) < 0) {
        wg_log_error("cannot go to the background: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    harden();
    if (mesh_key_init() < 0 || catch_signals() < 0) {
        wg_log_error("the system gives no randomness or no descriptors");
        return EXIT_FAILURE;
    }
    status = start(&self, &options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    if (status == EXIT_SUCCESS) {
        tell_ready(&self);
        while (!self.ending)
            turn(&self);
        tell_statistics(&self);
    }
    wire_plane_stop(self.plane);
    uapi_stop(self.uapi); /* last: whoever finds the socket closed finds the port free */
    return status;
}
