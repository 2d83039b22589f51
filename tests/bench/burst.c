/* tests/bench/burst.c: datagrams at the highest rate, for tests/bench/rows.py.
 *
 *   burst send ADDRESS PORT SECONDS SIZE [RUN]   prints how many datagrams were given to the kernel
 *   burst spread ADDRESS PORT SECONDS SIZE N     the same, to N addresses in turns: 250 a /24, from
 * that on burst replay ADDRESS PORT FILE SIZE FROM     what lies in FILE in pieces of SIZE, once,
 * from that port burst receive ADDRESS PORT [gro]             prints packets, bytes, seconds from
 * first to last
 *
 * With RUN each system call carries that many datagrams of SIZE bytes as one super-packet
 * (UDP_SEGMENT), as QUIC servers send, and the receiver takes them by UDP_GRO ("gro"); else
 * sendmmsg() with single datagrams. The receiver says "ready" and ends when nothing came for a
 * while. IPv4 only. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,            /* datagrams or super-packets a system call */
    RUN_BYTES = 65000,     /* of one super-packet, at most */
    BUFFER_BYTES = 65536,  /* for one that is received */
    DATAGRAM_BYTES = 2048, /* for a datagram */
    SOCKET_BYTES = 16 << 20,
    MAX_SPREAD = 10000, /* addresses */
    FIRST_MS = 10000,   /* until the first packet */
    SILENT_MS = 200,    /* after the last */
};

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "burst: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int open_socket(const char *address, const char *port, struct sockaddr_in *out_at)
{
    int bytes = SOCKET_BYTES, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    *out_at =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
    if (fd < 0 || inet_pton(AF_INET, address, &out_at->sin_addr) != 1)
        fail(address);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
        fail("SO_RCVBUFFORCE");
    return fd;
}

/* Returns how many the kernel took. */
static uint64_t send_some(int fd, struct mmsghdr *messages, unsigned n)
{
    int done = sendmmsg(fd, messages, n, 0);

    if (done < 0 && errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED)
        fail("sendmmsg");
    return done > 0 ? (uint64_t)done : 0;
}

static char bytes_to_send[RUN_BYTES];

/* Sends @size bytes @batch times a system call. Returns datagrams of @size / @run each. */
static uint64_t send_all(int fd, double seconds, size_t size, unsigned batch, unsigned run)
{
    struct iovec   io = { bytes_to_send, size };
    struct mmsghdr messages[BATCH] = { 0 };
    uint64_t       sent = 0;
    double         end = now_s() + seconds;

    for (unsigned i = 0; i < batch; i++)
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &io, .msg_iovlen = 1 };
    while (now_s() < end)
        sent += send_some(fd, messages, batch);
    return sent * run;
}

static int run_send(char **words, int n_words)
{
    struct sockaddr_in to;
    int                fd = open_socket(words[0], words[1], &to);
    int                size = atoi(words[3]), run = n_words > 4 ? atoi(words[4]) : 1;

    if (size <= 0 || run <= 0 || size * run > RUN_BYTES) {
        fprintf(stderr, "burst: %d datagrams of %d bytes: at most %d bytes\n", run, size,
                RUN_BYTES);
        return 2;
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    if (run > 1 && setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof size) < 0)
        fail("UDP_SEGMENT");
    uint64_t sent =
        send_all(fd, atof(words[2]), (size_t)(size * run), run > 1 ? 1 : BATCH, (unsigned)run);

    printf("{\"sent\": %llu}\n", (unsigned long long)sent);
    return 0;
}

static int run_spread(char **words)
{
    static struct sockaddr_in at[MAX_SPREAD];
    static struct mmsghdr     messages[MAX_SPREAD];
    struct sockaddr_in        first;
    int                       fd = open_socket(words[0], words[1], &first), n = atoi(words[4]);
    struct iovec              io = { bytes_to_send, (size_t)atoi(words[3]) };
    double                    end = now_s() + atof(words[2]);
    uint64_t                  sent = 0;

    if (n < BATCH || n > MAX_SPREAD || io.iov_len == 0 || io.iov_len > DATAGRAM_BYTES) {
        fprintf(stderr, "burst: %d addresses: %d to %d; or the size\n", n, BATCH, MAX_SPREAD);
        return 2;
    }
    for (int i = 0; i < n; i++) {
        at[i] = first;
        at[i].sin_addr.s_addr =
            htonl(ntohl(first.sin_addr.s_addr) + (uint32_t)(i / 250 * 256 + i % 250));
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &at[i], .msg_namelen = sizeof at[i], .msg_iov = &io, .msg_iovlen = 1
        };
    }
    while (now_s() < end) {
        for (int i = 0; i < n; i += BATCH)
            sent += send_some(fd, messages + i, n - i < BATCH ? (unsigned)(n - i) : BATCH);
    }
    printf("{\"sent\": %llu}\n", (unsigned long long)sent);
    return 0;
}

/* The whole of a file. */
static char *map_file(const char *path, size_t *out_len)
{
    int         file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    char       *bytes;

    if (file < 0 || fstat(file, &about) < 0)
        fail(path);
    *out_len = (size_t)about.st_size;
    bytes = mmap(NULL, *out_len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (bytes == MAP_FAILED)
        fail(path);
    return bytes;
}

static int run_replay(char **words)
{
    struct sockaddr_in to,
        from = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[4])) };
    int      fd = open_socket(words[0], words[1], &to);
    size_t   len, size = (size_t)atoi(words[3]);
    char    *bytes = map_file(words[2], &len);
    uint64_t sent = 0;

    if (size == 0 || bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail(words[4]);
    while (len >= size) {
        struct iovec   io[BATCH];
        struct mmsghdr messages[BATCH] = { 0 };
        unsigned       n = 0;

        for (; n < BATCH && len >= size; n++, bytes += size, len -= size) {
            io[n] = (struct iovec){ bytes, size };
            messages[n].msg_hdr = (struct msghdr){ .msg_iov = &io[n], .msg_iovlen = 1 };
        }
        sent += send_some(fd, messages, n);
    }
    printf("{\"sent\": %llu}\n", (unsigned long long)sent);
    return 0;
}

/* How many datagrams a received unit was. */
static unsigned count_segments(struct msghdr *message, unsigned len)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        int size;

        if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
            continue;
        memcpy(&size, CMSG_DATA(c), sizeof size);
        return size > 0 ? (len + (unsigned)size - 1) / (unsigned)size : 1;
    }
    return 1;
}

typedef struct {
    uint64_t packets, bytes;
    double   first_s, last_s;
} Seen;

/* Returns: false: nothing came for SILENT_MS. */
static bool receive_batch(int fd, unsigned room, Seen *seen)
{
    static char    buffers[BATCH * BUFFER_BYTES];
    char           control[BATCH][CMSG_SPACE(sizeof(int))];
    struct iovec   io[BATCH];
    struct mmsghdr messages[BATCH];

    for (unsigned i = 0; i < BATCH; i++) {
        io[i] = (struct iovec){ buffers + (size_t)i * room, room };
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &io[i],
                                               .msg_iovlen = 1,
                                               .msg_control = control[i],
                                               .msg_controllen = sizeof control[i] };
    }
    int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

    for (int i = 0; i < n; i++) {
        seen->packets += count_segments(&messages[i].msg_hdr, messages[i].msg_len);
        seen->bytes += messages[i].msg_len;
    }
    if (n <= 0)
        return false;
    seen->last_s = now_s();
    if (seen->first_s == 0)
        seen->first_s = seen->last_s;
    return true;
}

static int run_receive(char **words, int n_words)
{
    struct sockaddr_in at;
    int                one = 1, fd = open_socket(words[0], words[1], &at);
    bool               gro = n_words > 2;
    struct pollfd      poller = { .fd = fd, .events = POLLIN };
    struct timeval     silent = { .tv_usec = SILENT_MS * 1000 };
    Seen               seen = { 0 };

    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silent, sizeof silent) < 0)
        fail("SO_RCVTIMEO");
    if (gro && setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof one) < 0)
        fail("UDP_GRO");
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
        fail("bind");
    puts("ready");
    fflush(stdout);
    if (poll(&poller, 1, FIRST_MS) > 0) {
        while (receive_batch(fd, gro ? BUFFER_BYTES : DATAGRAM_BYTES, &seen))
            ;
    }
    printf("{\"packets\": %llu, \"bytes\": %llu, \"seconds\": %.6f}\n",
           (unsigned long long)seen.packets, (unsigned long long)seen.bytes,
           seen.last_s - seen.first_s);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 6 && strcmp(argv[1], "send") == 0)
        return run_send(argv + 2, argc - 2);
    if (argc >= 7 && strcmp(argv[1], "spread") == 0)
        return run_spread(argv + 2);
    if (argc >= 7 && strcmp(argv[1], "replay") == 0)
        return run_replay(argv + 2);
    if (argc >= 4 && strcmp(argv[1], "receive") == 0)
        return run_receive(argv + 2, argc - 2);
    fputs("burst send ADDRESS PORT SECONDS SIZE [RUN] | spread ADDRESS PORT SECONDS SIZE N |"
          " replay ADDRESS PORT FILE SIZE FROM | receive ADDRESS PORT [gro]\n",
          stderr);
    return 2;
}
