/* daemon/main.c: meshd: options, wiring, main loop. Thread: the main one; see docs/THREADS.md. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/glib/logring.h"
#include "common/std/hash.h"
#include "common/std/key.h"
#include "daemon/bus/bus.h"
#include "daemon/dns/hostdns.h"
#include "daemon/networks.h"
#include "daemon/offloads.h"
#include "daemon/path/tech-upnp.h"
#include "daemon/proxy.h"
#include "daemon/sandbox.h"
#include "daemon/undo.h"
#include "daemon/wire/shards.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_SHARDS = 8 };

typedef struct {
    char    *state_dir, *runtime_dir; /* owned */
    int      shards;                  /* 0: as many as suit the machine */
    char    *offload, *gso;           /* owned; NULL: auto */
    gboolean debug, undo, resolvconf, version;
} Options;

typedef struct {
    GMainLoop *loop;
    int        status; /* what main() returns */
    int        upnp;   /* for path_upnp_start(); taken; negative: none */
} Daemon;

static bool read_options(int *argc, char ***argv, Options *out)
{
    const GOptionEntry entries[] = {
        { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &out->state_dir,
          "Keys and maps (default: /var/lib/mesh)", "DIR" },
        { "runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &out->runtime_dir,
          "What must not outlive a boot (default: /run/mesh)", "DIR" },
        { "shards", 0, 0, G_OPTION_ARG_INT, &out->shards,
          "Pairs of threads that move the packets of a network, 1 to 8 (default: by the CPUs)",
          "N" },
        { "offload", 0, 0, G_OPTION_ARG_STRING, &out->offload,
          "Many packets at a time from and to this host (TSO, USO; default: auto)", "auto|on|off" },
        { "gso", 0, 0, G_OPTION_ARG_STRING, &out->gso,
          "The same to and from the network (UDP GSO, GRO; default: auto)", "auto|on|off" },
        { "debug", 0, 0, G_OPTION_ARG_NONE, &out->debug, "Log more", NULL },
        { "undo", 0, 0, G_OPTION_ARG_NONE, &out->undo,
          "Take back what a killed meshd left on this host, and end", NULL },
        { "resolvconf", 0, 0, G_OPTION_ARG_NONE, &out->resolvconf,
          "Put into /etc/resolv.conf what a meshd wishes that may not do it itself, and end",
          NULL },
        { "version", 0, 0, G_OPTION_ARG_NONE, &out->version, "Print the version and end", NULL },
        { NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- the daemon of a mesh node");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (g_option_context_parse(context, argc, argv, &error) && *argc == 1 && out->shards >= 0 &&
        out->shards <= MAX_SHARDS && meshd_offloads_choose(out->offload, out->gso)) {
        if (out->state_dir == NULL)
            out->state_dir = g_strdup("/var/lib/mesh");
        if (out->runtime_dir == NULL)
            out->runtime_dir = g_strdup("/run/mesh");
        return true;
    }
    fprintf(stderr, "meshd: %s\n",
            error != NULL ? error->message
                          : "takes options only, 1 to 8 shards, and auto, on or off for --offload "
                            "and --gso; see meshd --help");
    return false;
}

/* Keys live in this process: no core dump, no debugger of the same user. */
static void close_up(void)
{
    const struct rlimit none = { 0, 0 };

    if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        mesh_log_warning("cannot switch core dumps off: %s", g_strerror(errno));
    umask(0077);
}

/* The protocol of sd_notify(3), without libsystemd: one datagram. */
static void notify(const char *text)
{
    const char        *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t             len = path != NULL ? strlen(path) : 0;
    socklen_t          size;
    int                fd;

    if (len == 0 || len >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* abstract */
    size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
        mesh_log_warning("cannot tell the service manager: %s", g_strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void on_ready(void *user_data)
{
    (void)user_data;
    mesh_log_info("ready, version " MESH_VERSION);
    notify("READY=1");
}

static void on_lost(const char *why, void *user_data)
{
    Daemon *daemon = user_data;

    mesh_log_error("%s", why);
    daemon->status = 1;
    g_main_loop_quit(daemon->loop);
}

static gboolean on_signal(gpointer user_data)
{
    Daemon *daemon = user_data;

    g_main_loop_quit(daemon->loop);
    return G_SOURCE_CONTINUE;
}

static bool make_dir(const char *path, int mode, GError **error)
{
    if (g_mkdir_with_parents(path, mode) == 0)
        return true;
    mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "cannot make directory %s", path);
    return false;
}

/* Before there is a second thread: what follows inherits it. */
static bool close_in(const Options *options, GError **error)
{
    return make_dir(options->state_dir, 0700, error) &&
           make_dir(options->runtime_dir, 0755, error) &&
           meshd_sandbox_enter(options->state_dir, options->runtime_dir, options->debug, error);
}

/* What mesh-resolvconf.service does; its state directory is not meshd's. */
static bool serve_resolvconf(const Options *options, GError **error)
{
    g_autofree char      *wish = g_build_filename(options->runtime_dir, "resolv.conf", NULL);
    g_autofree char      *record = g_build_filename(options->state_dir, "resolv.conf", NULL);
    const DnsHostdnsPaths paths = {
        .wish_path = wish,
        .record_path = record,
        .resolv_path = "/etc/resolv.conf",
    };
    bool        there = access(options->runtime_dir, X_OK) == 0; /* no meshd: no wish */
    const char *runtime_dir = there ? options->runtime_dir : options->state_dir;

    return make_dir(options->state_dir, 0700, error) &&
           meshd_sandbox_enter(options->state_dir, runtime_dir, options->debug, error) &&
           dns_hostdns_serve(&paths, error);
}

static GDBusConnection *connect_bus(GError **error)
{
    GDBusConnection *connection = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, error);

    if (connection == NULL)
        g_prefix_error(error, "no system bus: ");
    else
        g_dbus_connection_set_exit_on_close(connection, false);
    return connection;
}

/* From here to the end everything is undone in the reverse order. */
static bool run(Daemon *daemon, const Options *options, GError **error)
{
    const BusEvents events = { .ready = on_ready, .lost = on_lost };
    g_autoptr(GDBusConnection) connection = NULL;
    MeshdNetworks *networks;
    Bus           *bus;

    connection = connect_bus(error);
    if (connection == NULL)
        return false;
    meshd_proxy_start(options->state_dir);
    networks = meshd_networks_new(options->state_dir, options->runtime_dir, error);
    if (networks == NULL)
        return false;
    if (daemon->upnp >= 0)
        meshd_networks_use_upnp(networks, path_upnp_start(daemon->upnp));
    bus = bus_start(connection, networks, &events, daemon, error);
    if (bus != NULL) {
        g_main_loop_run(daemon->loop);
        notify("STOPPING=1");
    }
    bus_stop(bus);
    meshd_networks_free(networks);
    return bus != NULL;
}

/* What threads make of a large map lies where it can be used again; what is large for a moment, as
 * the text of that map, does not leave holes. */
static void tune_memory(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

int main(int argc, char **argv)
{
    Options options = { 0 };
    Daemon  daemon = { 0 };
    g_autoptr(GError) error = NULL;

    if (!read_options(&argc, &argv, &options))
        return 2;
    if (options.version) {
        printf("meshd %s\n", MESH_VERSION);
        return 0;
    }
    tune_memory();
    mesh_log_init("meshd", options.debug ? MESH_LOG_DEBUG : MESH_LOG_INFO);
    mesh_logring_start();
    close_up();
    if (mesh_key_init() < 0 || mesh_hash_init() < 0) {
        mesh_log_error("the cryptographic libraries do not start");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    if (options.undo || options.resolvconf) {
        if (options.undo ? meshd_undo(options.state_dir, options.runtime_dir, &error)
                         : serve_resolvconf(&options, &error))
            return 0;
        mesh_log_error("%s", error->message);
        return 1;
    }
    daemon.upnp = path_upnp_fork(); /* no thread, no key and no sandbox yet */
    if (daemon.upnp < 0)
        mesh_log_warning("UPnP: no process for it: %s", g_strerror(-daemon.upnp));
    wire_shards_choose((unsigned)options.shards);
    if (!close_in(&options, &error)) {
        mesh_log_error("%s", error->message);
        return 1;
    }
    daemon.loop = g_main_loop_new(NULL, false);
    g_unix_signal_add(SIGTERM, on_signal, &daemon);
    g_unix_signal_add(SIGINT, on_signal, &daemon);
    if (!run(&daemon, &options, &error)) {
        mesh_log_error("%s", error->message);
        daemon.status = 1;
    }
    g_main_loop_unref(daemon.loop);
    g_free(options.state_dir);
    g_free(options.runtime_dir);
    return daemon.status;
}
