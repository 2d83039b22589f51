/* daemon/wire/shards.c: see shards.h. A shard is one thread, and a second while the first is full
 * with both directions; and the host's programs want processors, too. Linux only. */
#include "daemon/wire/shards.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/wire/index.h"

enum { CPUS_A_SHARD = 2 };

static const char cgroups[] = "/sys/fs/cgroup";

static _Atomic unsigned chosen; /* 0: not yet */

/* The first bytes of a small file as text. Returns: false: not to be read. */
static bool read_text(const char *path, char *out, size_t size)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

    if (fd >= 0)
        close(fd);
    if (n < 0)
        return false;
    out[n] = '\0';
    return true;
}

unsigned wire_shards_quota(const char *text)
{
    unsigned long long quota, period;

    if (sscanf(text, "%llu %llu", &quota, &period) != 2 || quota == 0 || period == 0)
        return 0; /* "max": no limit */
    quota = (quota + period - 1) / period;
    return quota > UINT_MAX ? UINT_MAX : (unsigned)quota;
}

/* The least that our control group or one above it is granted; UINT_MAX: no limit. */
static unsigned read_quota(void)
{
    char     text[PATH_MAX], path[PATH_MAX + 32], *group, *end;
    unsigned least = UINT_MAX;

    if (!read_text("/proc/self/cgroup", text, sizeof(text)))
        return least;
    group = strstr(text, "0::/"); /* of version 2 */
    if (group == NULL)
        return least;
    group += strlen("0::");
    end = strchr(group, '\n');
    if (end != NULL)
        *end = '\0';
    for (end = group + strlen(group); end != NULL; end = strrchr(group, '/')) {
        char     line[64];
        unsigned quota = 0;

        *end = '\0';
        snprintf(path, sizeof(path), "%s%s/cpu.max", cgroups, group);
        if (read_text(path, line, sizeof(line)))
            quota = wire_shards_quota(line);
        if (quota != 0 && quota < least)
            least = quota;
    }
    return least;
}

static unsigned look_at_machine(void)
{
    cpu_set_t set;
    unsigned  cpus = 1, quota = read_quota();

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        cpus = (unsigned)CPU_COUNT(&set);
    if (quota < cpus)
        cpus = quota;
    return cpus / CPUS_A_SHARD;
}

void wire_shards_choose(unsigned wish)
{
    unsigned n = wish != 0 ? wish : look_at_machine();

    if (n < 1)
        n = 1;
    atomic_store(&chosen, n < WIRE_MAX_SHARDS ? n : WIRE_MAX_SHARDS);
}

unsigned wire_shards_default(void)
{
    if (atomic_load(&chosen) == 0)
        wire_shards_choose(0);
    return atomic_load(&chosen);
}
