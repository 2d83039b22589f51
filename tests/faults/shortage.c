/* tests/faults/shortage.c: see shortage.h. */
#include "tests/faults/shortage.h"

#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MAX_ROUNDS = 5000 }; /* a scenario that needs more does not end */

static struct {
    ShortageCase what; /* written between rounds */
    unsigned     nth;
    atomic_uint  seen;
    atomic_bool  armed, happened;
} now;

void shortage_begin(void)
{
    atomic_store(&now.armed, true);
}

void shortage_end(void)
{
    atomic_store(&now.armed, false);
}

bool shortage_happened(void)
{
    return atomic_load(&now.happened);
}

static unsigned count_descriptors(void)
{
    DIR     *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    g_assert_nonnull(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

unsigned shortage_walk(const ShortageCase *c, void (*scenario)(void))
{
    now.what = *c;
    for (unsigned nth = 1; nth <= MAX_ROUNDS; nth++) {
        unsigned descriptors = count_descriptors();

        now.nth = nth;
        atomic_store(&now.seen, 0);
        atomic_store(&now.happened, false);
        scenario();
        g_assert_false(atomic_load(&now.armed));
        g_assert_cmpuint(count_descriptors(), <=, descriptors);
        if (!shortage_happened())
            return nth - 1;
    }
    g_error("the scenario still makes new calls after %d rounds", MAX_ROUNDS);
}

/* Tells whether this call is to be refused. errno is set then. */
static bool refuses(ShortageKinds kind)
{
    unsigned at;

    if (!atomic_load(&now.armed) || (now.what.kinds & kind) == 0)
        return false;
    at = atomic_fetch_add(&now.seen, 1) + 1;
    if (at < now.nth || (at > now.nth && !now.what.sticky))
        return false;
    atomic_store(&now.happened, true);
    errno = now.what.error;
    return true;
}

/* One row a function: the linker calls __wrap_NAME in place of NAME, __real_NAME is the real one.
 */
#define WRAP(kind, type, failure, name, parameters, arguments)      \
    type __real_##name parameters;                                  \
    type __wrap_##name parameters;                                  \
    type __wrap_##name parameters                                   \
    {                                                               \
        return refuses(kind) ? (failure) : __real_##name arguments; \
    }

#define MEMORY(type, name, parameters, arguments) \
    WRAP(SHORTAGE_MEMORY, type, NULL, name, parameters, arguments)
#define DESCRIPTOR(name, parameters, arguments) \
    WRAP(SHORTAGE_DESCRIPTORS, int, -1, name, parameters, arguments)
#define READ(type, name, parameters, arguments) \
    WRAP(SHORTAGE_READS, type, -1, name, parameters, arguments)

/* clang-format off */
MEMORY(void *, malloc, (size_t n), (n))
MEMORY(void *, calloc, (size_t n, size_t size), (n, size))
MEMORY(void *, realloc, (void *old, size_t n), (old, n))
MEMORY(void *, aligned_alloc, (size_t align, size_t n), (align, n))
MEMORY(void *, sodium_malloc, (size_t n), (n))
MEMORY(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), ())
MEMORY(EVP_PKEY *, EVP_PKEY_new_raw_private_key,
       (int type, ENGINE *engine, const unsigned char *key, size_t len), (type, engine, key, len))
MEMORY(X509 *, X509_new, (void), ())
MEMORY(SSL_CTX *, SSL_CTX_new, (const SSL_METHOD *method), (method))
MEMORY(SSL *, SSL_new, (SSL_CTX *context), (context))
WRAP(SHORTAGE_MEMORY, void *, MAP_FAILED, mmap64,
     (void *at, size_t len, int prot, int flags, int fd, off_t offset),
     (at, len, prot, flags, fd, offset))

DESCRIPTOR(socket, (int family, int type, int protocol), (family, type, protocol))
DESCRIPTOR(pipe2, (int fds[2], int flags), (fds, flags))
DESCRIPTOR(eventfd, (unsigned value, int flags), (value, flags))
DESCRIPTOR(epoll_create1, (int flags), (flags))
DESCRIPTOR(epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event),
           (epoll, what, fd, event))
DESCRIPTOR(accept4, (int fd, struct sockaddr *name, socklen_t *len, int flags),
           (fd, name, len, flags))
DESCRIPTOR(dup3, (int from, int to, int flags), (from, to, flags))
WRAP(SHORTAGE_DESCRIPTORS, int, EAGAIN, pthread_create,
     (pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *), void *data),
     (id, attributes, run, data))

READ(ssize_t, read, (int fd, void *out, size_t size), (fd, out, size))
READ(ssize_t, __read_chk, (int fd, void *out, size_t size, size_t room), (fd, out, size, room))
READ(ssize_t, readv, (int fd, const struct iovec *parts, int n), (fd, parts, n))
READ(ssize_t, recv, (int fd, void *out, size_t size, int flags), (fd, out, size, flags))
READ(ssize_t, __recv_chk, (int fd, void *out, size_t size, size_t room, int flags),
     (fd, out, size, room, flags))
READ(int, recvmmsg, (int fd, struct mmsghdr *all, unsigned n, int flags, struct timespec *limit),
     (fd, all, n, flags, limit))
READ(int, epoll_wait, (int epoll, struct epoll_event *out, int n, int limit_ms),
     (epoll, out, n, limit_ms))
READ(int, poll, (struct pollfd *fds, nfds_t n, int limit_ms), (fds, n, limit_ms))
/* clang-format on */

static void test_row(gconstpointer data)
{
    const ShortageRow *row = data;
    unsigned           n = shortage_walk(&row->what, row->scenario);

    g_test_message("%u calls, each refused once", n);
    g_assert_cmpuint(n, >=, row->at_least);
}

void shortage_add_rows(const ShortageRow *rows, size_t n_rows)
{
    for (size_t i = 0; i < n_rows; i++) {
        g_autofree char *path = g_strconcat("/faults/shortage/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
}
