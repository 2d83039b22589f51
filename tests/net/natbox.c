/* tests/net/natbox.c: a cable that is bad in known ways: natbox SOCKET IF_A IF_B
 *
 * Carries Ethernet frames between two interfaces and delays, loses, repeats, reorders and limits
 * them (netem is a kernel module that not every kernel has). "ab" is from IF_A to IF_B. A test
 * changes it live over a Unix seqpacket socket: "set ab|ba|both KEY=NUMBER …" answers "ok", "get"
 * answers JSON counters. Frames keep their virtio header, so offloaded checksums and super-packets
 * pass whole; a super-packet counts as one frame: give the devices before it gso_max_segs 1 where
 * single packets matter (box.py).
 *
 * ARP and neighbour discovery pass at once: the link layer is no part of the path that is played.
 * Each packet draws the same count of random numbers, so what befalls the n-th depends on seed and
 * n only. One thread. Times are CLOCK_MONOTONIC nanoseconds; a packet's begins when the kernel got
 * it. */
#include "tests/net/framequeue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 32,
    FRAME_MAX = 66 * 1024,        /* a super-packet, its Ethernet and virtio headers */
    RECEIVE_BUFFER = 16 << 20,    /* of the kernel, while we do not run */
    DEFAULT_QUEUE_BYTES = 262144, /* in front of a rate limit */
    DEFAULT_REORDER_MS = 10,
    TALK_BYTES = 1024,
    MLD2_REPORT = 143, /* RFC 3810 */
    GSO_UDP_L4 = 5,    /* VIRTIO_NET_HDR_GSO_UDP_L4, of Linux 6.2 */
};
#define NS_PER_MS 1e6
#define NS_PER_S  INT64_C(1000000000)

/* What befalls one direction; numbers that a test sets by name. */
typedef struct Settings {
    double delay_ms, jitter_ms, loss_pct, duplicate_pct, reorder_pct, reorder_ms;
    double rate_kbit, queue_bytes; /* 0 kbit/s: no limit */
    double hole;                   /* not 0: everything is lost */
    double drop_next;              /* lose so many, then be as before */
    double lose_bursts;            /* not 0: super-packets of UDP are lost, single ones pass */
    double seed;
} Settings;

typedef struct Setting {
    const char *name;
    size_t      offset;
    double      max;
} Setting;

#define SETTING(field, most)                    \
    {                                           \
#field, offsetof(Settings, field), most \
    }
static const Setting settings[] = {
    SETTING(delay_ms, 60000),    SETTING(jitter_ms, 60000),     SETTING(loss_pct, 100),
    SETTING(duplicate_pct, 100), SETTING(reorder_pct, 100),     SETTING(reorder_ms, 60000),
    SETTING(rate_kbit, 1e8),     SETTING(queue_bytes, 1 << 30), SETTING(hole, 1),
    SETTING(drop_next, 1e9),     SETTING(lose_bursts, 1),       SETTING(seed, 1e15),
};

typedef struct Way {    /* one direction */
    int        in, out; /* borrowed packet sockets */
    Settings   set;
    uint64_t   random;
    int64_t    link_free_ns, last_due_ns;
    FrameQueue waiting;
    uint64_t   packets, bytes, lost, duplicated, reordered, queue_drops, unsent;
} Way;

typedef struct Box {
    Way way[2]; /* ab, ba */
    int listener, talker;
} Box;

static uint8_t slab[BATCH][FRAME_MAX]; /* what recvmmsg() fills; too large for the stack */
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "natbox: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* splitmix64: 0 ≤ result < 100, a percentage to compare with. */
static double draw_pct(Way *way)
{
    uint64_t z = way->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53 * 100;
}

static void put_out(Way *way, const uint8_t *bytes, uint32_t size)
{
    if (send(way->out, bytes, size, 0) < 0)
        way->unsent++; /* the cable is pulled, or a device refuses: a loss like any other */
}

static void put_out_due(Way *way, int64_t now_ns)
{
    Frame *frame;

    while ((frame = framequeue_take_due(&way->waiting, now_ns)) != NULL) {
        put_out(way, frame->bytes, frame->size);
        free(frame);
    }
}

static void hold(Way *way, const uint8_t *bytes, uint32_t size, int64_t due_ns)
{
    if (!framequeue_put(&way->waiting, bytes, size, due_ns))
        way->queue_drops++;
}

/* ---- what befalls a packet */

/* ARP, IPv6 neighbour discovery and multicast reports. @frame begins with the Ethernet header. */
static bool is_link_layer(const uint8_t *frame, size_t size)
{
    uint16_t type;
    uint8_t  icmp;

    if (size < ETH_HLEN)
        return true;
    memcpy(&type, frame + 2 * ETH_ALEN, sizeof type);
    if (ntohs(type) == ETHERTYPE_IP)
        return false;
    if (ntohs(type) != ETHERTYPE_IPV6)
        return true;
    if (size <= ETH_HLEN + sizeof(struct ip6_hdr) ||
        frame[ETH_HLEN + offsetof(struct ip6_hdr, ip6_nxt)] != IPPROTO_ICMPV6)
        return false;
    icmp = frame[ETH_HLEN + sizeof(struct ip6_hdr)];
    return (icmp >= MLD_LISTENER_QUERY && icmp <= ND_REDIRECT) || icmp == MLD2_REPORT;
}

/* Whether the queue of the rate limit takes it; then *at_ns becomes the time it has passed the
 * limit. */
static bool pass_limit(Way *way, uint32_t size, int64_t *at_ns)
{
    double bits_per_ns = way->set.rate_kbit * 1e3 / (double)NS_PER_S;

    if (bits_per_ns <= 0)
        return true;
    if (way->link_free_ns < *at_ns)
        way->link_free_ns = *at_ns;
    if ((double)(way->link_free_ns - *at_ns) * bits_per_ns / 8 + size > way->set.queue_bytes)
        return false;
    way->link_free_ns += (int64_t)(size * 8.0 / bits_per_ns);
    *at_ns = way->link_free_ns;
    return true;
}

/* Whether this packet is lost without having to wait for a queue. */
static bool is_lost(Way *way, const struct virtio_net_hdr *head, double chance)
{
    if (way->set.lose_bursts != 0 && head->gso_type == GSO_UDP_L4)
        return true;
    if (way->set.drop_next > 0) {
        way->set.drop_next--;
        return true;
    }
    return way->set.hole != 0 || chance < way->set.loss_pct;
}

/* One packet came at @at_ns; @bytes begins with the virtio header. */
static void carry(Way *way, const uint8_t *bytes, uint32_t size, int64_t at_ns)
{
    const uint32_t        header = sizeof(struct virtio_net_hdr);
    struct virtio_net_hdr head;
    double                loss, duplicate, reorder, jitter;
    int64_t               due_ns = at_ns;

    if (size <= header || is_link_layer(bytes + header, size - header)) {
        put_out(way, bytes, size);
        return;
    }
    loss = draw_pct(way), duplicate = draw_pct(way), reorder = draw_pct(way),
    jitter = draw_pct(way);
    way->packets++;
    way->bytes += size - header;
    memcpy(&head, bytes, sizeof head);
    if (is_lost(way, &head, loss)) {
        way->lost++;
        return;
    }
    if (!pass_limit(way, size - header, &due_ns)) {
        way->queue_drops++;
        return;
    }
    due_ns += (int64_t)((way->set.delay_ms + way->set.jitter_ms * jitter / 100) * NS_PER_MS);
    if (reorder < way->set.reorder_pct) {
        way->reordered++;
        due_ns += (int64_t)(way->set.reorder_ms * NS_PER_MS);
    } else { /* jitter alone keeps the order */
        due_ns = due_ns > way->last_due_ns ? due_ns : way->last_due_ns;
        way->last_due_ns = due_ns;
    }
    if (duplicate < way->set.duplicate_pct) {
        way->duplicated++;
        hold(way, bytes, size, due_ns);
    }
    if (due_ns == at_ns && way->waiting.count == 0)
        put_out(way, bytes, size);
    else
        hold(way, bytes, size, due_ns);
}

/* When the kernel got a packet, by our clock. */
static int64_t arrival_ns(struct msghdr *message, int64_t now_ns, int64_t now_real_ns)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        struct timespec stamp;
        int64_t         age_ns;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        age_ns = now_real_ns - (stamp.tv_sec * NS_PER_S + stamp.tv_nsec);
        if (age_ns >= 0 && age_ns < NS_PER_S) /* else the clock was set */
            return now_ns - age_ns;
    }
    return now_ns;
}

static void take_in(Way *way)
{
    struct mmsghdr messages[BATCH] = { 0 };
    struct iovec   parts[BATCH];
    char           control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
    int64_t        now_ns, now_real_ns;
    int            got;

    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){ slab[i], FRAME_MAX };
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i],
                                               .msg_iovlen = 1,
                                               .msg_control = control[i],
                                               .msg_controllen = sizeof control[i] };
    }
    got = recvmmsg(way->in, messages, BATCH, MSG_DONTWAIT, NULL);
    now_ns = clock_ns(CLOCK_MONOTONIC);
    now_real_ns = clock_ns(CLOCK_REALTIME);
    for (int i = 0; i < got; i++)
        carry(way, slab[i], messages[i].msg_len,
              arrival_ns(&messages[i].msg_hdr, now_ns, now_real_ns));
}

/* ---- orders of the test */

static void reset(Way *way, bool whole)
{
    if (whole)
        way->set = (Settings){ .queue_bytes = DEFAULT_QUEUE_BYTES,
                               .reorder_ms = DEFAULT_REORDER_MS,
                               .seed = 1 };
    way->random = (uint64_t)way->set.seed;
    way->last_due_ns = way->link_free_ns = 0;
}

/* Sets "KEY=NUMBER" in *set. Returns false and writes why to @answer. */
static bool set_one(Settings *set, const char *word, char answer[static TALK_BYTES])
{
    const char *equals = strchr(word, '=');
    size_t      length = equals ? (size_t)(equals - word) : 0;

    for (size_t i = 0; equals && i < sizeof settings / sizeof *settings; i++) {
        char  *end;
        double value;

        if (strlen(settings[i].name) != length || strncmp(settings[i].name, word, length) != 0)
            continue;
        value = strtod(equals + 1, &end);
        if (end == equals + 1 || *end != '\0' || !(value >= 0 && value <= settings[i].max)) {
            snprintf(answer, TALK_BYTES, "error: %s: 0 to %g", word, settings[i].max);
            return false;
        }
        memcpy((char *)set + settings[i].offset, &value, sizeof value);
        return true;
    }
    snprintf(answer, TALK_BYTES, "error: no setting \"%s\"", word);
    return false;
}

/* "ab|ba|both KEY=NUMBER …": all of it, or nothing. */
static void obey_set(Box *box, char *rest, char answer[static TALK_BYTES])
{
    char       *place = NULL;
    const char *which = strtok_r(rest, " ", &place), *word;
    bool        both = which != NULL && strcmp(which, "both") == 0;
    Settings    next[2] = { box->way[0].set, box->way[1].set };

    if (which == NULL || (!both && strcmp(which, "ab") != 0 && strcmp(which, "ba") != 0)) {
        snprintf(answer, TALK_BYTES, "error: set ab, ba or both, not \"%s\"", which ? which : "");
        return;
    }
    next[0].seed = next[1].seed = -1; /* naming it begins the row again, with the same seed, too */
    while ((word = strtok_r(NULL, " ", &place)) != NULL)
        for (int i = 0; i < 2; i++)
            if ((both || which[0] == 'a' + i) && !set_one(&next[i], word, answer))
                return;
    for (int i = 0; i < 2; i++) {
        bool   seeded = next[i].seed >= 0;
        double kept = box->way[i].set.seed;

        box->way[i].set = next[i];
        if (seeded)
            reset(&box->way[i], false);
        else
            box->way[i].set.seed = kept;
    }
    snprintf(answer, TALK_BYTES, "ok");
}

static void obey_get(const Box *box, char answer[static TALK_BYTES])
{
    int at = 0;

    for (int i = 0; i < 2; i++) {
        const Way *w = &box->way[i];

        at += snprintf(answer + at, (size_t)(TALK_BYTES - at),
                       "%s\"%s\":{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"lost\":%" PRIu64
                       ",\"duplicated\":%" PRIu64 ",\"reordered\":%" PRIu64
                       ",\"queue_drops\":%" PRIu64 ",\"unsent\":%" PRIu64 ",\"held\":%zu}%s",
                       i ? "," : "{", i ? "ba" : "ab", w->packets, w->bytes, w->lost, w->duplicated,
                       w->reordered, w->queue_drops, w->unsent, w->waiting.count, i ? "}" : "");
    }
}

static void talk(Box *box)
{
    char    order[TALK_BYTES], answer[TALK_BYTES];
    ssize_t got = recv(box->talker, order, sizeof order - 1, MSG_DONTWAIT);

    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            close(box->talker);
            box->talker = -1;
        }
        return;
    }
    order[got] = '\0';
    if (strncmp(order, "set ", 4) == 0)
        obey_set(box, order + 4, answer);
    else if (strcmp(order, "get") == 0)
        obey_get(box, answer);
    else
        snprintf(answer, sizeof answer, "error: no order \"%.100s\"", order);
    if (send(box->talker, answer, strlen(answer), MSG_NOSIGNAL) < 0)
        fprintf(stderr, "natbox: nobody waits for: %s\n", answer);
}

/* ---- the start, and the loop */

static int open_interface(const char *name)
{
    const int          on = 1, buffer = RECEIVE_BUFFER;
    struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    int                fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("packet socket");
    address.sll_ifindex = (int)if_nametoindex(name);
    if (address.sll_ifindex == 0)
        die(name);
    if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer) < 0)
        die("options of the packet socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die(name);
    return fd;
}

static int open_listener(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        die(path);
    }
    strcpy(address.sun_path, path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 8) < 0)
        die(path);
    return fd;
}

/* How long until the next frame is due. */
static struct timespec time_left(const Box *box)
{
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC), left_ns = NS_PER_S;

    for (int i = 0; i < 2; i++)
        if (box->way[i].waiting.count > 0 && box->way[i].waiting.heap[0]->due_ns - now_ns < left_ns)
            left_ns = box->way[i].waiting.heap[0]->due_ns - now_ns;
    left_ns = left_ns > 0 ? left_ns : 0;
    return (struct timespec){ left_ns / NS_PER_S, left_ns % NS_PER_S };
}

static void turn(Box *box)
{
    struct pollfd   fds[] = { { box->way[0].in, POLLIN, 0 },
                              { box->way[1].in, POLLIN, 0 },
                              { box->talker < 0 ? box->listener : box->talker, POLLIN, 0 } };
    struct timespec left = time_left(box);

    if (ppoll(fds, 3, &left, NULL) < 0 && errno != EINTR)
        die("poll");
    for (int i = 0; i < 2; i++) {
        if (fds[i].revents) /* an error is read away, too: the device went down */
            take_in(&box->way[i]);
        put_out_due(&box->way[i], clock_ns(CLOCK_MONOTONIC));
    }
    if (fds[2].revents && box->talker >= 0)
        talk(box);
    else if (fds[2].revents)
        box->talker = accept4(box->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int main(int argc, char **argv)
{
    const struct sched_param realtime = { .sched_priority = 1 };
    Box                      box = { .talker = -1 };
    int                      a, b;

    if (argc != 4) {
        fprintf(stderr, "usage: natbox SOCKET IF_A IF_B\n");
        return 2;
    }
    a = open_interface(argv[2]);
    b = open_interface(argv[3]);
    box.way[0] = (Way){ .in = a, .out = b };
    box.way[1] = (Way){ .in = b, .out = a };
    reset(&box.way[0], true);
    reset(&box.way[1], true);
    prctl(PR_SET_TIMERSLACK, 1);
    if (sched_setscheduler(0, SCHED_RR, &realtime) < 0)
        fprintf(stderr, "natbox: no realtime priority: delays may be late on a busy machine\n");
    signal(SIGTERM, on_signal);
    box.listener = open_listener(argv[1]); /* last: its presence says that we run */
    while (!stopped)
        turn(&box);
    framequeue_done(&box.way[0].waiting);
    framequeue_done(&box.way[1].waiting);
    close(box.talker);
    return 0;
}
