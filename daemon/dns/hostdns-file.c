#include "daemon/dns/hostdns-file.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/dns/hostdns-record.h"
#include "daemon/dns/resolvconf.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

enum { PLAIN_MODE = 0644 }; /* where there was no file */

struct DnsHostdnsFile {
    char                 *path, *record_path;
    DnsHostdnsRecord     *record; /* what was before; NULL: the file is not ours */
    GFileMonitor         *monitor;
    DnsHostdnsFileChanged changed;
    void                 *user_data;
};

/* What the file would be without us, seen from what it is @now. NULL: just as it is. */
static DnsHostdnsRecord *make_stripped(const DnsHostdnsRecord *now)
{
    g_autofree char  *text = NULL;
    DnsHostdnsRecord *stripped;

    if (now->kind != DNS_HOSTDNS_RECORD_FILE)
        return NULL;
    text = dns_resolvconf_strip(now->content);
    if (text == NULL)
        return NULL;
    stripped = g_new0(DnsHostdnsRecord, 1);
    stripped->kind = DNS_HOSTDNS_RECORD_FILE;
    stripped->len = strlen(text);
    stripped->content = g_steal_pointer(&text);
    stripped->mode = now->mode;
    stripped->uid = now->uid;
    stripped->gid = now->gid;
    return stripped;
}

/* Owned: what a program reads there without us. NULL: it can, and we may not. */
static char *dup_text(DnsHostdnsFile *self, const DnsHostdnsRecord *base, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(self->path);
    g_autofree char *target = NULL;
    g_autoptr(GError) read_error = NULL;
    char *text = NULL;

    if (base->kind != DNS_HOSTDNS_RECORD_LINK)
        return g_strdup(base->content);
    target = g_canonicalize_filename(base->content, dir);
    if (g_file_get_contents(target, &text, NULL, &read_error))
        return text;
    if (g_error_matches(read_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return g_strdup(""); /* a link that leads nowhere is an empty file to everybody */
    g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s", read_error->message);
    return NULL;
}

/* Takes out of @self, or makes from @now, what was before us. Owned. */
static DnsHostdnsRecord *take_base(DnsHostdnsFile *self, DnsHostdnsRecord *now, bool *out_ours)
{
    DnsHostdnsRecord *stripped;

    *out_ours = self->record != NULL && dns_hostdns_record_is_ours(self->record, now);
    if (*out_ours) {
        dns_hostdns_record_free(now);
        return g_steal_pointer(&self->record);
    }
    g_clear_pointer(&self->record, dns_hostdns_record_free);
    stripped = make_stripped(now);
    if (stripped == NULL)
        return now;
    dns_hostdns_record_free(now);
    return stripped;
}

static bool drop_record(DnsHostdnsFile *self, GError **error)
{
    g_clear_pointer(&self->record, dns_hostdns_record_free);
    if (unlink(self->record_path) == 0 || errno == ENOENT)
        return true;
    mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "cannot remove %s", self->record_path);
    return false;
}

/* @text: as dup_text() says. */
static DnsHostdnsRecord *make_ours(const DnsHostdnsRecord *base, const char *text,
                                   const MeshAddr *servers, size_t n_servers)
{
    DnsHostdnsRecord *ours = g_new0(DnsHostdnsRecord, 1);

    ours->kind = DNS_HOSTDNS_RECORD_FILE;
    ours->content = dns_resolvconf_make(text, servers, n_servers);
    ours->len = strlen(ours->content);
    ours->mode = base->kind == DNS_HOSTDNS_RECORD_FILE ? base->mode : PLAIN_MODE;
    ours->uid = base->kind == DNS_HOSTDNS_RECORD_FILE ? base->uid : geteuid();
    ours->gid = base->kind == DNS_HOSTDNS_RECORD_FILE ? base->gid : getegid();
    return ours;
}

/* The new sum; that of what is in place now, if it is ours, stays valid until the new is there. */
static void note_written(DnsHostdnsRecord *base, const DnsHostdnsRecord *ours)
{
    char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, ours->content, -1);

    if (g_strcmp0(base->written[0], sum) == 0) {
        g_free(sum);
        return;
    }
    g_free(base->written[1]);
    base->written[1] = base->written[0];
    base->written[0] = sum;
}

bool dns_hostdns_file_apply(DnsHostdnsFile *self, const MeshAddr *servers, size_t n_servers,
                            GError **error)
{
    DnsHostdnsRecord *now = dns_hostdns_record_look(self->path, error);
    g_autoptr(DnsHostdnsRecord) ours = NULL;
    g_autofree char *there = NULL, *text = NULL;
    bool             in_place = false;

    if (now == NULL)
        return false;
    there = g_strdup(now->kind == DNS_HOSTDNS_RECORD_FILE ? now->content : NULL);
    self->record = take_base(self, now, &in_place);
    text = dup_text(self, self->record, error);
    if (text != NULL) {
        ours = make_ours(self->record, text, servers, n_servers);
        if (in_place && g_strcmp0(ours->content, there) == 0)
            return true;
        note_written(self->record, ours);
        if (dns_hostdns_record_save(self->record, self->record_path, error) &&
            dns_hostdns_record_put(ours, self->path, error))
            return true;
    }
    if (!in_place)
        (void)drop_record(self, NULL);
    return false;
}

/* The file is not as we left it: only our block, if it is still there, is taken away. */
static bool leave_foreign(DnsHostdnsFile *self, const DnsHostdnsRecord *now, GError **error)
{
    g_autoptr(DnsHostdnsRecord) stripped = make_stripped(now);

    if (stripped == NULL)
        return true;
    mesh_log_notice("%s was changed by somebody: taking only our lines out of it", self->path);
    return dns_hostdns_record_put(stripped, self->path, error);
}

bool dns_hostdns_file_may_write(const DnsHostdnsFile *self)
{
    g_autofree char *dir = g_path_get_dirname(self->path);

    return access(dir, W_OK) == 0;
}

bool dns_hostdns_file_undo(DnsHostdnsFile *self, GError **error)
{
    g_autoptr(DnsHostdnsRecord) now = NULL;
    bool undone;

    if (self->record == NULL && !dns_hostdns_file_may_write(self))
        return true; /* what is there is of somebody who may */
    now = dns_hostdns_record_look(self->path, error);
    if (now == NULL)
        return false;
    if (self->record != NULL && dns_hostdns_record_is_ours(self->record, now))
        undone = dns_hostdns_record_put(self->record, self->path, error);
    else
        undone = leave_foreign(self, now, error);
    return undone && drop_record(self, error);
}

bool dns_hostdns_file_is_resolved(DnsHostdnsFile *self)
{
    g_autoptr(DnsHostdnsRecord) now = dns_hostdns_record_look(self->path, NULL);
    const DnsHostdnsRecord *base = now;
    g_autofree char        *text = NULL;

    if (now == NULL)
        return false;
    if (self->record != NULL && dns_hostdns_record_is_ours(self->record, now))
        base = self->record;
    text = dup_text(self, base, NULL);
    return dns_resolvconf_is_resolved(text != NULL ? text : "",
                                      base->kind == DNS_HOSTDNS_RECORD_LINK ? base->content : NULL);
}

/* Ours is news to nobody; what was there already when we looked last neither. */
static void on_event(GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event,
                     gpointer user_data)
{
    DnsHostdnsFile *self = user_data;
    g_autoptr(DnsHostdnsRecord) now = NULL;

    (void)monitor, (void)file, (void)other;
    if (event == G_FILE_MONITOR_EVENT_ATTRIBUTE_CHANGED)
        return;
    now = dns_hostdns_record_look(self->path, NULL);
    if (now == NULL || self->record == NULL || !dns_hostdns_record_is_ours(self->record, now))
        self->changed(self->user_data);
}

static void watch(DnsHostdnsFile *self)
{
    g_autoptr(GFile) file = g_file_new_for_path(self->path);
    g_autoptr(GError) error = NULL;

    self->monitor = g_file_monitor_file(file, G_FILE_MONITOR_WATCH_MOVES, NULL, &error);
    if (self->monitor == NULL)
        mesh_log_warning("changes of %s will not be noticed: %s", self->path, error->message);
    else
        g_signal_connect(self->monitor, "changed", G_CALLBACK(on_event), self);
}

DnsHostdnsFile *dns_hostdns_file_open(const char *path, const char *record_path,
                                      DnsHostdnsFileChanged changed, void *user_data)
{
    DnsHostdnsFile *self = g_new0(DnsHostdnsFile, 1);
    g_autoptr(GError) error = NULL;

    self->path = g_strdup(path);
    self->record_path = g_strdup(record_path);
    self->changed = changed;
    self->user_data = user_data;
    self->record = dns_hostdns_record_load(record_path, &error);
    if (error != NULL)
        mesh_log_warning("%s", error->message);
    return self;
}

DnsHostdnsFile *dns_hostdns_file_new(const char *path, const char *record_path,
                                     DnsHostdnsFileChanged changed, void *user_data)
{
    DnsHostdnsFile *self = dns_hostdns_file_open(path, record_path, changed, user_data);
    g_autoptr(GError) error = NULL;

    if (self->record != NULL)
        mesh_log_notice("putting %s back as it was before an earlier run", path);
    if (!dns_hostdns_file_undo(self, &error))
        mesh_log_error("%s", error->message);
    watch(self);
    return self;
}

void dns_hostdns_file_free(DnsHostdnsFile *self)
{
    if (self == NULL)
        return;
    if (self->monitor != NULL) {
        g_signal_handlers_disconnect_by_data(self->monitor, self);
        g_file_monitor_cancel(self->monitor);
        g_object_unref(self->monitor);
    }
    dns_hostdns_record_free(self->record);
    g_free(self->path);
    g_free(self->record_path);
    g_free(self);
}
