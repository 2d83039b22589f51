/* Tests of `mesh` as scripts meet it, without a daemon: exit codes, and errors that say what to do.
 * Runs the real program ($MESH_PROGRAM). */
#include <gio/gio.h>
#include <stdbool.h>
#include <string.h>

typedef struct {
    const char *name, *arguments; /* by blanks */
    const char *input;            /* NULL: empty */
    int         want;
    const char *out, *err; /* contained; NULL: anything */
} RunCase;

static const RunCase cases[] = {
    { "no-command", "", NULL, 2, NULL, "Usage: mesh COMMAND" },
    { "help", "help", NULL, 0, "networks", NULL },
    { "version", "version", NULL, 0, "mesh ", NULL },
    { "unknown-command", "frobnicate", NULL, 2, NULL, "unknown command \"frobnicate\"" },
    { "unknown-option", "status --frob", NULL, 2, NULL, "--frob" },
    { "command-help", "join --help", NULL, 0, "--link-file", NULL },
    { "too-many", "up a b", NULL, 2, NULL, "too many arguments" },
    { "ping-nobody", "ping", NULL, 2, NULL, "name a peer" },
    { "ping-both", "ping a -4 -6", NULL, 2, NULL, "exclude each other" },
    { "ping-count", "ping a -c 0", NULL, 2, NULL, "-c: 1 to" },
    { "join-port", "join --port 70000 -", "mesh://h/x\n", 2, NULL, "--port" },
    { "join-empty", "join -", NULL, 2, NULL, "holds no link" },
    { "join-no-file", "join --link-file /nonexistent", NULL, 2, NULL, "/nonexistent" },
    { "log-lines", "log -n 9999", NULL, 2, NULL, "--lines: 0 to" },
    { "no-bus", "status", NULL, 4, NULL, "no system bus" },
    { "no-bus-json", "networks --json", NULL, 4, NULL, "no system bus" },
};

static void test_run(gconstpointer data)
{
    const RunCase *c = data;
    const char    *program = g_getenv("MESH_PROGRAM");
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                  G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_auto(GStrv) words = g_strsplit(c->arguments, " ", -1);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GSubprocess) process = NULL;
    g_autofree char *out = NULL, *err = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(program);
    g_ptr_array_add(argv, (char *)program);
    for (char **word = words; *word != NULL; word++)
        if (**word != '\0')
            g_ptr_array_add(argv, *word);
    g_ptr_array_add(argv, NULL);
    g_subprocess_launcher_setenv(launcher, "LC_ALL", "C.UTF-8", true);
    g_subprocess_launcher_setenv(launcher, "DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent",
                                 true);
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, &error);
    g_assert_no_error(error);
    g_subprocess_communicate_utf8(process, c->input != NULL ? c->input : "", NULL, &out, &err,
                                  &error);
    g_assert_no_error(error);
    if (!g_subprocess_get_if_exited(process) || g_subprocess_get_exit_status(process) != c->want)
        g_error("exit %d instead of %d: %s%s", g_subprocess_get_status(process), c->want, out, err);
    if (c->out != NULL)
        g_assert_nonnull(strstr(out, c->out));
    if (c->err != NULL && strstr(err, c->err) == NULL)
        g_error("\"%s\" does not say \"%s\"", err, c->err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/arguments/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_run);
    }
    return g_test_run();
}
