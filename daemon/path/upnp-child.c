/* daemon/path/upnp-child.c: the processes beside the daemon that speak UPnP; see tech-upnp.h.
 *
 * What is read here may be any machine's of the LAN until the gateway's URL is chosen, and from
 * then on the gateway's. Nothing here knows a key, and a worker lives for one job. */
#include "daemon/path/upnp-child.h"

#include "common/glib/log.h"
#include "common/glib/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/miniwget.h>
#include <miniupnpc/upnpcommands.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SEARCH_MS = 600, /* for each of the five kinds of device that miniupnpc searches for */
    SEARCH_TTL = 2,  /* UPnP Device Architecture 1.1 §1.3.2 */
    MAX_DEVICES = 8, /* looked at, of those at the gateway's address */
    TEXT_SIZE = 64,
    PORT_TRIES = 4,
    PORT_FIRST = 20000, /* of those we choose ourselves when the wished one is taken */
    PORT_COUNT = 40000,
    ERROR_CONFLICT = 718,  /* UPnP WANIPConnection §2.4.16: the port is another's */
    ERROR_PERMANENT = 725, /* the router knows mappings without an end alone */
};

/* ---- a worker ---- */

/* Copies what fits, whole. */
static bool copy_text(char *out, size_t size, const char *text)
{
    size_t len = strnlen(text, size);

    if (len >= size)
        return false;
    memcpy(out, text, len + 1);
    return true;
}

/* The description at @url names a service that maps ports, at the gateway itself. */
static bool read_description(const char *url, const MeshAddr *gateway, PathUpnpPlace *out)
{
    struct IGDdatas data = { 0 };
    struct UPNPUrls urls = { 0 };
    int             size = 0, status = 0;
    char           *xml = miniwget(url, &size, 0, &status);
    bool            fits = false;

    if (xml == NULL || size <= 0 || status != 200) {
        free(xml);
        return false;
    }
    parserootdesc(xml, size, &data);
    free(xml);
    if (data.first.servicetype[0] == '\0')
        return false;
    GetUPNPUrls(&urls, &data, url, 0);
    fits = urls.controlURL != NULL && path_upnp_is_of_gateway(urls.controlURL, gateway) &&
           copy_text(out->url, sizeof out->url, urls.controlURL) &&
           copy_text(out->service, sizeof out->service, data.first.servicetype);
    FreeUPNPUrls(&urls);
    return fits;
}

static bool find_place(const PathUpnpJob *job, PathUpnpPlace *out)
{
    char            client[MESH_IP_ADDR_TEXT_SIZE];
    int             failure = 0;
    unsigned        looked = 0;
    bool            found = false;
    struct UPNPDev *list = upnpDiscover(SEARCH_MS, mesh_ip_format_addr(&job->client, client), NULL,
                                        UPNP_LOCAL_PORT_ANY, 0, SEARCH_TTL, &failure);

    for (struct UPNPDev *at = list; at != NULL && !found && looked < MAX_DEVICES; at = at->pNext) {
        if (at->descURL == NULL || !path_upnp_is_of_gateway(at->descURL, &job->gateway))
            continue; /* a neighbour, or a router that would send us elsewhere */
        looked++;
        found = read_description(at->descURL, &job->gateway, out);
    }
    freeUPNPDevlist(list);
    return found;
}

static bool read_external(const PathUpnpPlace *place, MeshAddr *out)
{
    char text[TEXT_SIZE] = "";

    return UPNP_GetExternalIPAddress(place->url, place->service, text) == UPNPCOMMAND_SUCCESS &&
           memchr(text, '\0', sizeof text) != NULL && mesh_ip_parse_addr(text, out) == 0;
}

static const char *get_protocol(const PathUpnpJob *job)
{
    return job->tcp ? "TCP" : "UDP";
}

static int add(const PathUpnpJob *job, const PathUpnpPlace *place, unsigned external, uint32_t life)
{
    char client[MESH_IP_ADDR_TEXT_SIZE], port[8], out_port[8], life_text[16];

    snprintf(port, sizeof port, "%u", job->port);
    snprintf(out_port, sizeof out_port, "%u", external);
    snprintf(life_text, sizeof life_text, "%u", life);
    return UPNP_AddPortMapping(place->url, place->service, out_port, port,
                               mesh_ip_format_addr(&job->client, client), "mesh", get_protocol(job),
                               NULL, life_text);
}

static void map(const PathUpnpJob *job, PathUpnpAnswer *out)
{
    unsigned external = job->external_port != 0 ? job->external_port : job->port;
    uint32_t life = job->life_s;
    unsigned seed = (unsigned)getpid();
    int      rc = 0;

    for (unsigned i = 0; i < PORT_TRIES; i++) {
        rc = add(job, &out->place, external, life);
        if (rc == ERROR_PERMANENT && life != 0)
            life = 0;
        else if (rc == ERROR_CONFLICT)
            external = PORT_FIRST + (unsigned)rand_r(&seed) % PORT_COUNT;
        else
            break;
    }
    if (rc != UPNPCOMMAND_SUCCESS || !read_external(&out->place, &out->addr))
        return;
    out->mapped = true;
    out->external_port = (uint16_t)external;
    out->life_s = life;
}

void path_upnp_child_work(const PathUpnpJob *job, PathUpnpAnswer *out_answer)
{
    char port[8];

    *out_answer = (PathUpnpAnswer){ .place = job->place };
    out_answer->found =
        job->place.service[0] != '\0' && path_upnp_is_of_gateway(job->place.url, &job->gateway);
    if (!out_answer->found)
        out_answer->found = !job->unmap && find_place(job, &out_answer->place);
    if (!out_answer->found)
        return;
    if (!job->unmap) {
        map(job, out_answer);
        return;
    }
    snprintf(port, sizeof port, "%u", job->external_port);
    (void)UPNP_DeletePortMapping(out_answer->place.url, out_answer->place.service, port,
                                 get_protocol(job), NULL);
}

/* ---- the server ---- */

static const char *const nothing[] = { NULL };
static const int         families[] = { AF_INET, -1 };

/* select() is miniupnpc's. */
static const char *const worker_calls[] = { "pselect6", "select", NULL };
static const char *const server_calls[] = {
    "alarm", "pselect6", "seccomp", "select", "setitimer", "wait4", NULL,
};
static const unsigned long ioctls[] = { TCGETS, 0 }; /* by perror(), of /dev/null */

static const MeshSandbox server_sandbox = {
    .writable = nothing,
    .readable = nothing,
    .devices = nothing,
    .calls = server_calls,
    .families = families,
    .ioctls = ioctls,
    .may_fork = true,
};

/* By the worker alone: what is narrowed stays so. */
static bool close_in_worker(int null)
{
    MeshSandbox sandbox = server_sandbox;
    g_autoptr(GError) error = NULL;

    sandbox.calls = worker_calls;
    sandbox.may_fork = false;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return false;
    (void)alarm(PATH_UPNP_JOB_S);
    if (!mesh_sandbox_narrow(&sandbox, PATH_UPNP_MAX_BYTES, &error)) {
        mesh_log_error("UPnP: %s", error->message);
        return false;
    }
    return dup3(null, STDERR_FILENO, 0) >= 0; /* miniupnpc says there what it thinks */
}

static _Noreturn void be_worker(const PathUpnpJob *job, int out, int null)
{
    PathUpnpAnswer answer;

    if (!close_in_worker(null))
        _exit(1);
    path_upnp_child_work(job, &answer);
    _exit(write(out, &answer, sizeof answer) == (ssize_t)sizeof answer ? 0 : 1);
}

/* False, and nothing in @out: the worker was killed or could not be made. */
static bool run_worker(const PathUpnpJob *job, int fd, int null, PathUpnpAnswer *out)
{
    int   ends[2], status = 0;
    pid_t pid;
    bool  whole;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return false;
    pid = fork();
    if (pid == 0) {
        close(fd); /* what it sees of the daemon is this one job */
        close(ends[0]);
        be_worker(job, ends[1], null);
    }
    close(ends[1]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    whole = pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
            read(ends[0], out, sizeof *out) == (ssize_t)sizeof *out;
    close(ends[0]);
    if (pid > 0 && WIFSIGNALED(status))
        mesh_log_notice("UPnP: the router's answers were given up: %s",
                        strsignal(WTERMSIG(status)));
    return whole;
}

/* A worker must not be confused by it, and our end is that of the socket. */
static void set_signals(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
}

_Noreturn void path_upnp_child_serve(int fd)
{
    int             null = open("/dev/null", O_RDWR | O_CLOEXEC);
    PathUpnpRequest request;
    g_autoptr(GError) error = NULL;

    (void)prctl(PR_SET_NAME, "meshd-upnp");
    set_signals();
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        !mesh_sandbox_enter(&server_sandbox, &error)) {
        mesh_log_error("UPnP: %s", error != NULL ? error->message : "no /dev/null");
        _exit(1);
    }
    while (recv(fd, &request, sizeof request, 0) == (ssize_t)sizeof request) {
        PathUpnpReply reply = { 0 };

        if (!run_worker(&request.job, fd, null, &reply.answer))
            reply = (PathUpnpReply){ 0 };
        reply.number = request.number;
        (void)send(fd, &reply, sizeof reply, MSG_NOSIGNAL); /* at the end nobody listens */
    }
    _exit(0);
}
