#include "cli/agent.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct CliAgent {
    GPid pid;
};

/* It closes its end of the pipe when it is registered, or ends, which closes it too. */
static void wait_until_ready(int fd)
{
    char byte;

    while (read(fd, &byte, 1) > 0)
        ;
    close(fd);
}

CliAgent *cli_agent_start(void)
{
    g_autofree char *process = g_strdup_printf("%d", getpid());
    const char      *argv[] = { "pkttyagent",  "--fallback", "--process", process,
                                "--notify-fd", "3",          NULL };
    int              ends[2], targets[1] = { 3 };
    CliAgent        *self;
    GPid             pid;

    if (geteuid() == 0 || !isatty(STDIN_FILENO) || pipe(ends) < 0)
        return NULL;
    if (!g_spawn_async_with_pipes_and_fds(NULL, argv, NULL,
                                          G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                                          NULL, -1, -1, -1, &ends[1], targets, 1, &pid, NULL, NULL,
                                          NULL, NULL)) {
        close(ends[0]);
        close(ends[1]);
        return NULL;
    }
    close(ends[1]);
    wait_until_ready(ends[0]);
    self = g_new0(CliAgent, 1);
    self->pid = pid;
    return self;
}

void cli_agent_stop(CliAgent *self)
{
    if (self == NULL)
        return;
    kill(self->pid, SIGTERM);
    waitpid(self->pid, NULL, 0);
    g_spawn_close_pid(self->pid);
    g_free(self);
}
