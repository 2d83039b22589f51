/* daemon/journal.c: see journal.h. The file: "mesh-log 1 CHECK\n", then for each addition
 * "LENGTH CHECKSUM\n", its bytes, "\n". */
#include "daemon/journal.h"

#include "common/glib/disk.h"
#include "common/glib/error.h"
#include "common/std/base64.h"
#include "common/std/hash.h"
#include "daemon/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "mesh-log 1 "

enum {
    LEAST_ROOM = 64 * 1024, /* of a journal, however short its document is */
    SHARE = 4,              /* of a long one: so much less than the document */
    MAX_FILE = 64 * 1024 * 1024,
};

typedef struct {
    char  *check; /* of the document */
    size_t room;  /* bytes that the journal may have */
    size_t len;   /* that it has and are whole; 0: no file, or none that counts */
    size_t n;     /* additions in them */
    size_t promised;
} Journal;

struct MeshdJournals {
    GMutex      mutex;
    GHashTable *journals; /* path → owned Journal */
};

static void free_journal(gpointer data)
{
    Journal *journal = data;

    g_free(journal->check);
    g_free(journal);
}

MeshdJournals *meshd_journals_new(void)
{
    MeshdJournals *self = g_new0(MeshdJournals, 1);

    g_mutex_init(&self->mutex);
    self->journals = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_journal);
    return self;
}

void meshd_journals_free(MeshdJournals *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->journals);
    g_mutex_clear(&self->mutex);
    g_free(self);
}

/* @open: additions may follow. */
static void put(MeshdJournals *self, const MeshdJournalBase *base, size_t len, size_t n, bool open)
{
    Journal *journal = g_new0(Journal, 1);

    journal->check = g_strdup(base->check);
    journal->room = open ? MAX(base->bytes / SHARE, (size_t)LEAST_ROOM) : 0;
    journal->len = len;
    journal->n = n;
    g_mutex_lock(&self->mutex);
    g_hash_table_replace(self->journals, g_strdup(base->path), journal);
    g_mutex_unlock(&self->mutex);
}

static bool fail_write(GError **error, const char *path)
{
    mesh_error_set_errno(error, mesh_disk_get_code(MESH_ERROR_STATE, errno), errno,
                         "cannot write %s", path);
    return false;
}

/* ---- the file ---- */

/* "LENGTH CHECKSUM\n" of the addition number @n. */
static char *format_line(const char *check, size_t n, const char *data, size_t len)
{
    uint8_t          digest[MESH_HASH_BYTES];
    char             hex[MESH_HEX_SIZE(MESH_HASH_BYTES)];
    g_autofree char *place = g_strdup_printf("%s %zu %zu\n", check, n, len);
    MeshSpan         spans[] = { MESH_SPAN(place, strlen(place)), MESH_SPAN(data, len) };

    mesh_hash_blake2s(spans, G_N_ELEMENTS(spans), digest);
    if (mesh_hex_encode(MESH_SPAN(digest, sizeof digest), hex, sizeof hex) < 0)
        hex[0] = '\0'; /* cannot be: the buffer is made for it */
    return g_strdup_printf("%zu %s\n", len, hex);
}

static char *format_head(const char *check)
{
    return g_strdup_printf(MAGIC "%s\n", check);
}

/* The addition number @n at the start of @text, @len bytes. Returns its length in the file; 0: it
 * is not whole. */
static size_t read_record(const char *check, size_t n, const char *text, size_t len,
                          GPtrArray *records)
{
    g_autofree char *line = NULL;
    size_t           data_len = 0, line_len;

    for (size_t i = 0; i < len && g_ascii_isdigit(text[i]) && data_len <= len; i++)
        data_len = 10 * data_len + (size_t)(text[i] - '0');
    if (data_len > len)
        return 0;
    line_len = (size_t)snprintf(NULL, 0, "%zu ", data_len) + 2 * MESH_HASH_BYTES + 1;
    if (line_len + data_len + 1 > len || text[line_len + data_len] != '\n')
        return 0;
    line = format_line(check, n, text + line_len, data_len);
    if (strlen(line) != line_len || memcmp(line, text, line_len) != 0)
        return 0;
    g_ptr_array_add(records, g_bytes_new(text + line_len, data_len));
    return line_len + data_len + 1;
}

/* How much of a journal there is, and goes on from the document; 0: nothing does. */
typedef struct {
    size_t len, whole;
    bool   odd; /* its first line is damaged; the additions tell whose they are, if there are any */
} Extent;

static bool is_head(const char *text, size_t len)
{
    const size_t at = strlen(MAGIC);

    if (len < at + MESHD_DOCUMENT_CHECK_SIZE || memcmp(text, MAGIC, at) != 0)
        return false;
    for (size_t i = 0; i < MESHD_DOCUMENT_CHECK_SIZE - 1; i++)
        if (!g_ascii_isxdigit(text[at + i]))
            return false;
    return text[at + MESHD_DOCUMENT_CHECK_SIZE - 1] == '\n';
}

/* How much of @text is whole and of the document: the head and the additions, which are added to
 * @records. */
static void read_log(const char *check, const char *text, GPtrArray *records, Extent *extent)
{
    g_autofree char *head = format_head(check);
    size_t           at = strlen(head), n = 0, taken;
    bool             headed = extent->len >= at && memcmp(text, head, at) == 0;

    while (at < extent->len &&
           (taken = read_record(check, n, text + at, extent->len - at, records)) > 0) {
        at += taken;
        n++;
    }
    extent->whole = headed || n > 0 ? at : 0;
    extent->odd = n > 0 ? !headed : extent->len > 0 && !is_head(text, extent->len);
}

/* No file is one in which there is nothing. Returns: false: it is there and cannot be read, so
 * nobody knows. */
static bool load_log(const char *path, const char *check, GPtrArray *records, Extent *out,
                     GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) why = NULL;
    struct stat info;

    *out = (Extent){ .len = 0 };
    if (lstat(path, &info) < 0) {
        if (errno == ENOENT)
            return true;
        mesh_error_set_errno(error, MESH_ERROR_UNREAD, errno, "cannot read %s", path);
        return false;
    }
    if (!S_ISREG(info.st_mode) || info.st_size > MAX_FILE) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "cannot read %s: it is no journal", path);
        return false;
    }
    if (!g_file_get_contents(path, &text, &out->len, &why)) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_UNREAD, why->message);
        return false;
    }
    read_log(check, text, records, out);
    return true;
}

/* How many additions of the @whole bytes we know to be on disk. What is behind them is an addition
 * that the disk refused after it had taken the bytes: it waits to be written again. */
static bool is_known(MeshdJournals *self, const MeshdJournalBase *base, size_t whole, size_t *out_n)
{
    const Journal *journal;
    bool           known;

    g_mutex_lock(&self->mutex);
    journal = g_hash_table_lookup(self->journals, base->path);
    known = journal != NULL && journal->room > 0 && strcmp(journal->check, base->check) == 0 &&
            journal->len <= whole;
    if (known)
        *out_n = journal->n;
    g_mutex_unlock(&self->mutex);
    return known;
}

/* Whether the journal at @path goes on from the document with @check. What cannot be read may. */
static bool is_of(const char *path, const char *check)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    Extent extent;

    return !load_log(path, check, records, &extent, NULL) || extent.whole > 0;
}

/* The journal beside the document becomes that of the generation before, if it goes on from that:
 * not where the document was missing or put back, and a longer-lived generation before has its own
 * there. What goes wrong leaves a journal that names another document. Returns: it did. */
static bool move_log(const MeshdJournalBase *base, const char *log)
{
    g_autofree char *prev = g_strconcat(base->path, MESHD_DOCUMENT_PREV, NULL);
    g_autofree char *prev_log = g_strconcat(prev, MESHD_JOURNAL_SUFFIX, NULL);
    char             check[MESHD_DOCUMENT_CHECK_SIZE];

    return meshd_document_peek(prev, check) && strcmp(check, base->check) != 0 &&
           is_of(log, check) && rename(log, prev_log) == 0;
}

void meshd_journals_begin(MeshdJournals *self, const MeshdJournalBase *base, bool damaged)
{
    g_autofree char *log = g_strconcat(base->path, MESHD_JOURNAL_SUFFIX, NULL);

    if (damaged || !move_log(base, log))
        (void)unlink(log);
    put(self, base, 0, 0, true);
}

/* Owned; NULL: all is whole, or of another generation. */
static char *describe(const char *path, const Extent *extent)
{
    if (extent->odd && extent->whole == 0)
        return g_strdup_printf("%s is damaged from its first line on: it is left out", path);
    if (extent->whole > 0 && extent->whole < extent->len)
        return g_strdup_printf("%s is not whole behind byte %zu of %zu: what follows is left out",
                               path, extent->whole, extent->len);
    if (extent->odd)
        return g_strdup_printf("%s is damaged in its first line: the rest is whole and used", path);
    return NULL;
}

/* What was found of the two journals that may be there. */
typedef struct {
    size_t at; /* which; 0: the document's own */
    Extent extent;
    char  *trouble; /* owned; NULL: none */
} Found;

/* The one that goes on from the document. False: see load_log(). */
static bool find_log(const MeshdJournalBase *base, GPtrArray *records, Found *found, GError **error)
{
    static const char *const suffixes[] = { MESHD_JOURNAL_SUFFIX,
                                            MESHD_DOCUMENT_PREV MESHD_JOURNAL_SUFFIX };

    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *path = g_strconcat(base->path, suffixes[i], NULL);

        if (!load_log(path, base->check, records, &found->extent, error))
            return false;
        if (found->trouble == NULL)
            found->trouble = describe(path, &found->extent);
        found->at = i;
        if (found->extent.whole > 0)
            return true;
        if (i == 0 && found->extent.len > 0) /* the power went before it was moved */
            (void)move_log(base, path);
    }
    return true;
}

bool meshd_journals_read(MeshdJournals *self, const MeshdJournalBase *base, GPtrArray *records,
                         char **out_trouble, GError **error)
{
    guint  before = records->len;
    size_t n;
    Found  found = { .at = 0 };
    bool   own, goes_on;

    *out_trouble = NULL;
    if (!find_log(base, records, &found, error)) {
        g_free(found.trouble);
        return false;
    }
    own = found.at == 0 && found.extent.whole > 0;
    goes_on = own && !found.extent.odd;
    if (own && is_known(self, base, found.extent.whole, &n)) {
        g_ptr_array_set_size(records, (gint)(before + n));
        g_free(found.trouble);
        return true;
    }
    /* nothing is added behind the journal of the generation before, nor behind a damaged line */
    put(self, base, goes_on ? found.extent.whole : 0, goes_on ? records->len - before : 0,
        goes_on || found.extent.whole == 0);
    *out_trouble = found.trouble;
    return true;
}

/* ---- additions ---- */

bool meshd_journals_reserve(MeshdJournals *self, const char *path, size_t n_bytes)
{
    Journal *journal;
    bool     has_room;

    g_mutex_lock(&self->mutex);
    journal = g_hash_table_lookup(self->journals, path);
    has_room = journal != NULL && journal->len + journal->promised + n_bytes <= journal->room;
    if (has_room)
        journal->promised += n_bytes;
    g_mutex_unlock(&self->mutex);
    return has_room;
}

static bool write_all(int fd, const GString *text, size_t at)
{
    size_t done = 0;

    while (done < text->len) {
        ssize_t n = pwrite(fd, text->str + done, text->len - done, (off_t)(at + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* Over whatever stands behind the first @at bytes. */
static bool write_at(const char *path, size_t at, const GString *text, GError **error)
{
    int  fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool written;

    if (fd < 0)
        return fail_write(error, path);
    written = ftruncate(fd, (off_t)at) == 0 && write_all(fd, text, at) && fdatasync(fd) == 0;
    if (!written)
        fail_write(error, path);
    if (close(fd) < 0 && written)
        written = fail_write(error, path);
    return written;
}

/* A copy, owned; NULL: nothing is known of it. */
static Journal *dup_journal(MeshdJournals *self, const char *path)
{
    const Journal *journal;
    Journal       *copy = NULL;

    g_mutex_lock(&self->mutex);
    journal = g_hash_table_lookup(self->journals, path);
    if (journal != NULL) {
        copy = g_memdup2(journal, sizeof *journal);
        copy->check = g_strdup(journal->check);
    }
    g_mutex_unlock(&self->mutex);
    return copy;
}

static void note_appended(MeshdJournals *self, const char *path, const Journal *now, size_t n_bytes)
{
    Journal *journal;

    g_mutex_lock(&self->mutex);
    journal = g_hash_table_lookup(self->journals, path);
    if (journal != NULL && strcmp(journal->check, now->check) == 0) {
        journal->len = now->len;
        journal->n = now->n;
        journal->promised -= MIN(journal->promised, n_bytes);
    }
    g_mutex_unlock(&self->mutex);
}

bool meshd_journals_append(MeshdJournals *self, const char *path, GPtrArray *records,
                           GError **error)
{
    g_autofree char *log = g_strconcat(path, MESHD_JOURNAL_SUFFIX, NULL);
    g_autofree char *dir = g_path_get_dirname(path);
    g_autoptr(GString) text = g_string_new(NULL);
    Journal *journal = dup_journal(self, path);
    size_t   at = journal != NULL ? journal->len : 0, n_bytes = 0;
    bool     written;

    if (journal == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_NOT_FOUND, "%s is not known in this run", path);
        return false;
    }
    if (at == 0) {
        g_autofree char *head = format_head(journal->check);

        g_string_append(text, head);
    }
    for (guint i = 0; i < records->len; i++) {
        gsize            len = 0;
        const char      *data = g_bytes_get_data(records->pdata[i], &len);
        g_autofree char *line = format_line(journal->check, journal->n + i, data, len);

        g_string_append(text, line);
        g_string_append_len(text, data, (gssize)len);
        g_string_append_c(text, '\n');
        n_bytes += len;
    }
    written = write_at(log, at, text, error) &&
              (at > 0 || mesh_disk_flush_dir(dir, MESH_ERROR_STATE, error));
    journal->len += text->len;
    journal->n += records->len;
    if (written)
        note_appended(self, path, journal, n_bytes);
    free_journal(journal);
    return written;
}

void meshd_journals_close(MeshdJournals *self)
{
    GHashTableIter iter;
    gpointer       journal;

    g_mutex_lock(&self->mutex);
    g_hash_table_iter_init(&iter, self->journals);
    while (g_hash_table_iter_next(&iter, NULL, &journal))
        ((Journal *)journal)->room = 0;
    g_mutex_unlock(&self->mutex);
}
