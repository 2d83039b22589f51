/* Tests of daemon/dns/hostdns-file.c and hostdns-record.c: resolv.conf in a directory of our own:
 * exactly as before after every way to end. */
#include "common/glib/log.h"
#include "daemon/dns/hostdns-file.h"
#include "daemon/dns/hostdns-record.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEFORE "# by hand\nnameserver 192.0.2.1\noptions rotate\n"

typedef struct {
    char           *dir, *path, *record;
    DnsHostdnsFile *file;
    MeshAddr        servers[2];
    unsigned        n_changes;
} Fixture;

static void on_changed(void *user_data)
{
    Fixture *f = user_data;

    f->n_changes++;
}

static void start(Fixture *f)
{
    f->file = dns_hostdns_file_new(f->path, f->record, on_changed, f);
}

/* As a killed process: nothing is undone. */
static void restart(Fixture *f)
{
    dns_hostdns_file_free(f->file);
    start(f);
}

static void put(Fixture *f, const char *text)
{
    g_assert_true(g_file_set_contents(f->path, text, -1, NULL));
}

static char *get(Fixture *f)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(f->path, &text, NULL, NULL));
    return text;
}

static void assert_text(Fixture *f, const char *expected)
{
    g_autofree char *text = get(f);

    g_assert_cmpstr(text, ==, expected);
}

static void apply(Fixture *f, size_t n)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    g_assert_true(dns_hostdns_file_apply(f->file, f->servers, n, &error));
    g_assert_no_error(error);
    text = get(f);
    g_assert_nonnull(strstr(text, "nameserver 10.71.0.5\n"));
    g_assert_cmpint(strstr(text, "nameserver 10.72.0.5\n") != NULL, ==, n > 1);
}

static void undo(Fixture *f)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(dns_hostdns_file_undo(f->file, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(f->record, G_FILE_TEST_EXISTS));
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->dir = g_dir_make_tmp("mesh-resolv-XXXXXX", NULL);
    f->path = g_build_filename(f->dir, "resolv.conf", NULL);
    f->record = g_build_filename(f->dir, "record", NULL);
    g_assert_cmpint(mesh_ip_parse_addr("10.71.0.5", &f->servers[0]), ==, 0);
    g_assert_cmpint(mesh_ip_parse_addr("10.72.0.5", &f->servers[1]), ==, 0);
    put(f, BEFORE);
    start(f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_autoptr(GDir) dir = g_dir_open(f->dir, 0, NULL);
    const char *name;

    (void)data;
    dns_hostdns_file_free(f->file);
    (void)unlink(f->record);
    (void)unlink(f->path);
    while ((name = g_dir_read_name(dir)) != NULL)
        g_assert_cmpstr(name, ==, "nothing should be left"); /* no temporary file */
    g_assert_cmpint(rmdir(f->dir), ==, 0);
    g_free(f->dir);
    g_free(f->path);
    g_free(f->record);
}

static void test_exact(Fixture *f, gconstpointer data)
{
    const struct timespec times[] = { { .tv_sec = 1 }, { .tv_sec = 1500000000, .tv_nsec = 77 } };
    struct stat           before, after;

    (void)data;
    g_assert_cmpint(chmod(f->path, 0640), ==, 0);
    g_assert_cmpint(utimensat(AT_FDCWD, f->path, times, 0), ==, 0);
    g_assert_cmpint(stat(f->path, &before), ==, 0);
    apply(f, 1);
    g_assert_cmpint(stat(f->path, &after), ==, 0);
    g_assert_cmpint(after.st_mode, ==, before.st_mode);
    apply(f, 2);
    apply(f, 2);
    apply(f, 1);
    undo(f);
    assert_text(f, BEFORE);
    g_assert_cmpint(stat(f->path, &after), ==, 0);
    g_assert_cmpint(after.st_mode, ==, before.st_mode);
    g_assert_cmpint(after.st_mtim.tv_sec, ==, before.st_mtim.tv_sec);
    g_assert_cmpint(after.st_mtim.tv_nsec, ==, before.st_mtim.tv_nsec);
    undo(f);
    assert_text(f, BEFORE);
}

static void test_killed(Fixture *f, gconstpointer data)
{
    (void)data;
    apply(f, 2);
    restart(f);
    assert_text(f, BEFORE);
    g_assert_false(g_file_test(f->record, G_FILE_TEST_EXISTS));
}

/* Killed between the record and the rename: the file is not ours yet, or still the one before. */
static void test_killed_in_between(Fixture *f, gconstpointer data)
{
    g_autofree char *one = NULL, *record_two = NULL;

    (void)data;
    apply(f, 1);
    one = get(f);
    apply(f, 2);
    g_assert_true(g_file_get_contents(f->record, &record_two, NULL, NULL));
    put(f, one); /* the record is of the second, the file of the first */
    restart(f);
    assert_text(f, BEFORE);
    g_assert_true(g_file_set_contents(f->record, record_two, -1, NULL));
    restart(f); /* the record is there, the file was never touched */
    assert_text(f, BEFORE);
    g_assert_false(g_file_test(f->record, G_FILE_TEST_EXISTS));
}

static void test_record_lost(Fixture *f, gconstpointer data)
{
    (void)data;
    apply(f, 1);
    g_assert_cmpint(unlink(f->record), ==, 0);
    restart(f);
    assert_text(f, BEFORE);
}

static void test_record_damaged(Fixture *f, gconstpointer data)
{
    static const char *const texts[] = { "", "junk", "[resolv.conf]\nkind=file\n",
                                         "[resolv.conf]\nkind=what\ncontent=YQ==\nwritten=x\n" };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        apply(f, 1);
        g_assert_true(g_file_set_contents(f->record, texts[i], -1, NULL));
        restart(f);
        assert_text(f, BEFORE);
    }
}

static void test_foreign(Fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL;

    (void)data;
    apply(f, 1);
    put(f, "nameserver 198.51.100.1\n"); /* a DHCP client */
    apply(f, 1);
    text = get(f);
    g_assert_nonnull(strstr(text, "198.51.100.1"));
    g_assert_null(strstr(text, "192.0.2.1"));
    undo(f);
    assert_text(f, "nameserver 198.51.100.1\n");
    apply(f, 1);
    put(f, "nameserver 198.51.100.2\n");
    undo(f);
    assert_text(f, "nameserver 198.51.100.2\n");
    apply(f, 1);
    put(f, "nameserver 198.51.100.3\n");
    restart(f);
    assert_text(f, "nameserver 198.51.100.3\n");
}

static void test_edited(Fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL, *longer = NULL;

    (void)data;
    apply(f, 1);
    text = get(f);
    longer = g_strconcat(text, "search corp.example\n", NULL);
    put(f, longer);
    undo(f);
    assert_text(f, BEFORE "search corp.example\n");
}

static void test_link(Fixture *f, gconstpointer data)
{
    g_autofree char *real = g_build_filename(f->dir, "real", NULL);
    g_autofree char *text = NULL, *target = NULL;

    (void)data;
    g_assert_cmpint(rename(f->path, real), ==, 0);
    g_assert_cmpint(symlink("real", f->path), ==, 0);
    apply(f, 1);
    text = get(f);
    g_assert_nonnull(strstr(text, "nameserver 192.0.2.1\n"));
    restart(f);
    target = g_file_read_link(f->path, NULL);
    g_assert_cmpstr(target, ==, "real");
    assert_text(f, BEFORE);
    g_assert_cmpint(unlink(real), ==, 0);
    apply(f, 1); /* it leads nowhere now */
    undo(f);
    g_free(target);
    target = g_file_read_link(f->path, NULL);
    g_assert_cmpstr(target, ==, "real");
}

static void test_missing(Fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_cmpint(unlink(f->path), ==, 0);
    apply(f, 1);
    undo(f);
    g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
}

static void test_cannot(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_cmpint(unlink(f->path), ==, 0);
    g_assert_cmpint(g_mkdir(f->path, 0700), ==, 0);
    g_assert_false(dns_hostdns_file_apply(f->file, f->servers, 1, &error));
    g_assert_nonnull(strstr(error->message, f->path));
    g_assert_false(g_file_test(f->record, G_FILE_TEST_EXISTS));
    g_assert_cmpint(rmdir(f->path), ==, 0);
}

static void test_tells_of_others(Fixture *f, gconstpointer data)
{
    (void)data;
    apply(f, 1);
    put(f, "nameserver 198.51.100.1\n");
    while (f->n_changes == 0)
        g_main_context_iteration(NULL, true);
    apply(f, 1);
}

static void test_is_resolved(Fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_false(dns_hostdns_file_is_resolved(f->file));
    put(f, "nameserver 127.0.0.53\n");
    g_assert_true(dns_hostdns_file_is_resolved(f->file));
    apply(f, 1);
    g_assert_true(dns_hostdns_file_is_resolved(f->file)); /* without us it would be */
    undo(f);
}

#define ADD(name_, function_) \
    g_test_add("/dns/hostdns-file/" name_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test-dns-hostdns-file", MESH_LOG_ERROR);
    ADD("exact", test_exact);
    ADD("killed", test_killed);
    ADD("killed-in-between", test_killed_in_between);
    ADD("record-lost", test_record_lost);
    ADD("record-damaged", test_record_damaged);
    ADD("foreign", test_foreign);
    ADD("edited", test_edited);
    ADD("link", test_link);
    ADD("missing", test_missing);
    ADD("cannot", test_cannot);
    ADD("tells-of-others", test_tells_of_others);
    ADD("is-resolved", test_is_resolved);
    return g_test_run();
}
