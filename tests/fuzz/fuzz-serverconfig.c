/* tests/fuzz/fuzz-serverconfig.c: mesh-server's configuration file: refused with the file's name,
 * or values within their limits. */
#include "server/config.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void check(const ServerConfig *config)
{
    assert(config->n_listen <= LOOP_MAX_LISTEN && config->public_port > 0);
    assert(config->state_dir[0] == '/' && config->admin_socket[0] == '/');
    assert(config->public_host == NULL || config->public_host[0] != '\0');
    for (const char *at = config->public_host; at != NULL && *at != '\0'; at++)
        assert(g_ascii_isgraph(*at));
    assert(config->threads <= LOOP_MAX_SHARDS);
    assert(config->connections >= 1 && config->accept_rate >= 1 && config->accept_burst >= 1);
    assert(config->handshake_ms >= 1 && config->header_ms >= 1 && config->idle_ms >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int  fd = memfd_create("config", MFD_CLOEXEC);
    char path[32];
    g_autoptr(GError) error = NULL;
    g_autoptr(ServerConfig) config = NULL;

    if (fd < 0 || write(fd, data, len) != (ssize_t)len)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    config = server_config_load(path, &error);
    (void)close(fd);
    if (config == NULL)
        assert(strstr(error->message, path) != NULL);
    if (fuzz_outcome(config != NULL, &error))
        check(config);
    return 0;
}
