/* tests/faults/starve.c: preloaded into one of our programs, it refuses memory at some moment.
 *
 *   LD_PRELOAD=…/libstarve.so MESH_STARVE=meshd MESH_STARVE_AT=N MESH_STARVE_FOR=M
 *
 * From its N-th allocation on, counted from the start, the program named gets M times no memory.
 * Other programs that inherit the environment (nsenter, setpriv) are left alone. */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own names of what is replaced here. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);
void *__libc_memalign(size_t align, size_t n);

static atomic_ulong  seen;
static unsigned long first, last; /* written before main() */

__attribute__((constructor)) static void read_environment(void)
{
    const char *name = getenv("MESH_STARVE"), *at = getenv("MESH_STARVE_AT");
    const char *times = getenv("MESH_STARVE_FOR");

    if (name == NULL || at == NULL || times == NULL ||
        strcmp(name, program_invocation_short_name) != 0)
        return;
    first = strtoul(at, NULL, 10);
    last = first + strtoul(times, NULL, 10);
    atomic_store(&seen, 0);
}

static bool refuses(void)
{
    unsigned long at;

    if (last == 0)
        return false;
    at = atomic_fetch_add(&seen, 1) + 1;
    if (at < first || at >= last)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return refuses() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return refuses() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    return refuses() ? NULL : __libc_realloc(old, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return refuses() ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    if (refuses())
        return ENOMEM;
    *out = __libc_memalign(align, n);
    return *out == NULL ? ENOMEM : 0;
}
