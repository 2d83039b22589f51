#include "daemon/dns/hostdns-record.h"

#include "common/glib/disk.h"
#include "common/glib/error.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP     "resolv.conf"
#define TEMP_NAME ".resolv.conf.meshd"

enum { MAX_BYTES = 65536 };

static const char *const kinds[] = {
    [DNS_HOSTDNS_RECORD_MISSING] = "missing",
    [DNS_HOSTDNS_RECORD_FILE] = "file",
    [DNS_HOSTDNS_RECORD_LINK] = "link",
};

void dns_hostdns_record_free(DnsHostdnsRecord *self)
{
    if (self == NULL)
        return;
    g_free(self->content);
    for (size_t i = 0; i < G_N_ELEMENTS(self->written); i++)
        g_free(self->written[i]);
    g_free(self);
}

static bool fail_errno(GError **error, const char *what, const char *path)
{
    mesh_error_set_errno(error, MESH_ERROR_HOST, errno, "cannot %s %s", what, path);
    return false;
}

/* ---- what is there ---- */

static bool look_link(DnsHostdnsRecord *self, const char *path, GError **error)
{
    self->content = g_file_read_link(path, NULL);
    if (self->content == NULL)
        return fail_errno(error, "read link", path);
    self->len = strlen(self->content);
    self->kind = DNS_HOSTDNS_RECORD_LINK;
    return true;
}

static bool look_file(DnsHostdnsRecord *self, const char *path, const struct stat *st,
                      GError **error)
{
    g_autoptr(GError) read_error = NULL;

    if (!S_ISREG(st->st_mode) || st->st_size > MAX_BYTES) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s is no file, or too large", path);
        return false;
    }
    if (!g_file_get_contents(path, &self->content, &self->len, &read_error)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s", read_error->message);
        return false;
    }
    if (strlen(self->content) != self->len) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s is no text: it holds a NUL", path);
        return false;
    }
    self->kind = DNS_HOSTDNS_RECORD_FILE;
    self->mode = st->st_mode & 07777;
    self->uid = st->st_uid;
    self->gid = st->st_gid;
    self->mtime_s = st->st_mtim.tv_sec;
    self->mtime_ns = st->st_mtim.tv_nsec;
    return true;
}

DnsHostdnsRecord *dns_hostdns_record_look(const char *path, GError **error)
{
    g_autoptr(DnsHostdnsRecord) self = g_new0(DnsHostdnsRecord, 1);
    struct stat st;
    bool        looked;

    if (lstat(path, &st) < 0) {
        self->content = g_strdup("");
        looked = errno == ENOENT || fail_errno(error, "look at", path);
    } else if (S_ISLNK(st.st_mode)) {
        looked = look_link(self, path, error);
    } else {
        looked = look_file(self, path, &st, error);
    }
    return looked ? g_steal_pointer(&self) : NULL;
}

bool dns_hostdns_record_is_ours(const DnsHostdnsRecord *self, const DnsHostdnsRecord *now)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, now->content, -1);

    if (now->kind != DNS_HOSTDNS_RECORD_FILE)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(self->written); i++)
        if (g_strcmp0(self->written[i], sum) == 0)
            return true;
    return false;
}

/* ---- the record's own file ---- */

static bool read_kind(DnsHostdnsRecord *self, GKeyFile *file)
{
    g_autofree char *kind = g_key_file_get_string(file, GROUP, "kind", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_strcmp0(kind, kinds[i]) == 0) {
            self->kind = (DnsHostdnsRecordKind)i;
            return true;
        }
    }
    return false;
}

static bool read_record(DnsHostdnsRecord *self, GKeyFile *file)
{
    g_autofree char *content = g_key_file_get_string(file, GROUP, "content", NULL);
    guchar          *bytes = content != NULL ? g_base64_decode(content, &self->len) : NULL;

    if (bytes == NULL)
        return false;
    self->content = g_strndup((const char *)bytes, self->len);
    g_free(bytes);
    self->mode = (mode_t)g_key_file_get_integer(file, GROUP, "mode", NULL) & 07777;
    self->uid = (uid_t)g_key_file_get_int64(file, GROUP, "uid", NULL);
    self->gid = (gid_t)g_key_file_get_int64(file, GROUP, "gid", NULL);
    self->mtime_s = g_key_file_get_int64(file, GROUP, "mtime", NULL);
    self->mtime_ns = g_key_file_get_int64(file, GROUP, "mtime-ns", NULL);
    self->written[0] = g_key_file_get_string(file, GROUP, "written", NULL);
    self->written[1] = g_key_file_get_string(file, GROUP, "written-before", NULL);
    return strlen(self->content) == self->len && self->written[0] != NULL && read_kind(self, file);
}

DnsHostdnsRecord *dns_hostdns_record_load(const char *path, GError **error)
{
    g_autoptr(DnsHostdnsRecord) self = g_new0(DnsHostdnsRecord, 1);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) load_error = NULL;

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &load_error)) {
        if (!g_error_matches(load_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s: %s", path, load_error->message);
        return NULL;
    }
    if (read_record(self, file))
        return g_steal_pointer(&self);
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s is damaged", path);
    return NULL;
}

bool dns_hostdns_record_save(const DnsHostdnsRecord *self, const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) write_error = NULL;
    g_autofree char *content = g_base64_encode((const guchar *)self->content, self->len);
    g_autofree char *text = NULL;
    gsize            len = 0;

    g_key_file_set_string(file, GROUP, "kind", kinds[self->kind]);
    g_key_file_set_string(file, GROUP, "content", content);
    g_key_file_set_integer(file, GROUP, "mode", (int)self->mode);
    g_key_file_set_int64(file, GROUP, "uid", self->uid);
    g_key_file_set_int64(file, GROUP, "gid", self->gid);
    g_key_file_set_int64(file, GROUP, "mtime", self->mtime_s);
    g_key_file_set_int64(file, GROUP, "mtime-ns", self->mtime_ns);
    g_key_file_set_string(file, GROUP, "written", self->written[0]);
    if (self->written[1] != NULL)
        g_key_file_set_string(file, GROUP, "written-before", self->written[1]);
    text = g_key_file_to_data(file, &len, NULL);
    if (g_file_set_contents_full(path, text, (gssize)len,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                 &write_error))
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s", write_error->message);
    return false;
}

/* ---- putting it in place ---- */

static bool make_file(const DnsHostdnsRecord *self, const char *temp, GError **error)
{
    const struct timespec times[] = {
        { .tv_nsec = UTIME_OMIT },
        { .tv_sec = self->mtime_s, .tv_nsec = self->mtime_ns },
    };
    int  fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool made;

    if (fd < 0)
        return fail_errno(error, "make", temp);
    /* the owner may not be ours to give: who may replace the file decides */
    made = (fchown(fd, self->uid, self->gid) == 0 || errno == EPERM) &&
           fchmod(fd, self->mode) == 0 && mesh_disk_write_all(fd, self->content, self->len) &&
           (self->mtime_s == 0 || futimens(fd, times) == 0) && fsync(fd) == 0;
    if (!made)
        fail_errno(error, "write", temp);
    if (close(fd) < 0 && made)
        made = fail_errno(error, "write", temp);
    return made;
}

bool dns_hostdns_record_put(const DnsHostdnsRecord *self, const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *temp = g_build_filename(dir, TEMP_NAME, NULL);
    bool             made;

    if (self->kind == DNS_HOSTDNS_RECORD_MISSING) {
        if (unlink(path) < 0 && errno != ENOENT)
            return fail_errno(error, "remove", path);
        return mesh_disk_flush_dir(dir, MESH_ERROR_HOST, error);
    }
    (void)unlink(temp); /* of a killed run */
    if (self->kind == DNS_HOSTDNS_RECORD_LINK)
        made = symlink(self->content, temp) == 0 || fail_errno(error, "make", temp);
    else
        made = make_file(self, temp, error);
    if (made && rename(temp, path) < 0)
        made = fail_errno(error, "replace", path);
    if (!made)
        (void)unlink(temp);
    return made && mesh_disk_flush_dir(dir, MESH_ERROR_HOST, error);
}
