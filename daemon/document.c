/* daemon/document.c: see document.h. */
#include "daemon/document.h"

#include "common/glib/disk.h"
#include "common/glib/error.h"
#include "common/std/base64.h"
#include "common/std/hash.h"
#include "common/std/key.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "mesh-state 1 LENGTH CHECKSUM\n", then the document. */
#define MAGIC      "mesh-state 1 "
#define HEADER_MAX 128

static bool fail_errno(GError **error, const char *what, const char *path)
{
    mesh_error_set_errno(error, mesh_disk_get_code(MESH_ERROR_STATE, errno), errno, "%s %s", what,
                         path);
    return false;
}

static void wipe(gpointer data)
{
    char *text = data;

    mesh_key_wipe(text + sizeof(size_t), *(size_t *)(void *)text);
    g_free(text);
}

/* A block of @len bytes that remembers its length in front, so that it can be wiped as a whole. */
static char *make_block(size_t len)
{
    char *block = g_malloc(sizeof(size_t) + len);

    memcpy(block, &len, sizeof len);
    return block;
}

static GBytes *make_wiped(const char *from, size_t len)
{
    char *block = make_block(len);

    memcpy(block + sizeof len, from, len);
    return g_bytes_new_with_free_func(block + sizeof len, len, wipe, block);
}

GBytes *meshd_document_wrap_secret(char *text, size_t len)
{
    GBytes *bytes = make_wiped(text, len);

    mesh_key_wipe(text, len);
    g_free(text);
    return bytes;
}

/* ---- save ---- */

G_STATIC_ASSERT(MESHD_DOCUMENT_CHECK_SIZE == MESH_HEX_SIZE(MESH_HASH_BYTES));

static void format_check(const char *data, size_t len, char out_hex[MESHD_DOCUMENT_CHECK_SIZE])
{
    uint8_t  digest[MESH_HASH_BYTES];
    MeshSpan span = MESH_SPAN(data, len);

    mesh_hash_blake2s(&span, 1, digest);
    if (mesh_hex_encode(MESH_SPAN(digest, sizeof digest), out_hex, MESHD_DOCUMENT_CHECK_SIZE) < 0)
        out_hex[0] = '\0'; /* cannot be: the buffer is made for it */
}

void meshd_document_check(GBytes *bytes, char out_check[MESHD_DOCUMENT_CHECK_SIZE])
{
    gsize       len = 0;
    const char *data = g_bytes_get_data(bytes, &len);

    format_check(data, len, out_check);
}

static void format_header(const char *data, size_t len, char out_header[HEADER_MAX])
{
    char hex[MESHD_DOCUMENT_CHECK_SIZE];

    format_check(data, len, hex);
    snprintf(out_header, HEADER_MAX, MAGIC "%zu %s\n", len, hex);
}

static bool write_temp(const char *path, GBytes *bytes, GError **error)
{
    char        header[HEADER_MAX];
    gsize       len = 0;
    const char *data = g_bytes_get_data(bytes, &len);
    int         fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool        written;

    if (fd < 0)
        return fail_errno(error, "cannot write", path);
    format_header(data, len, header);
    written = mesh_disk_write_all(fd, header, strlen(header)) &&
              mesh_disk_write_all(fd, data, len) && fsync(fd) == 0;
    if (!written)
        fail_errno(error, "cannot write", path);
    if (close(fd) < 0 && written)
        written = fail_errno(error, "cannot write", path);
    return written;
}

/* A second name for the file, put in the place of the older one in one step: of the two generations
 * at least one is there at every moment, whatever became of the other. */
static bool keep(const char *path, const char *prev, GError **error)
{
    g_autofree char *temp = g_strconcat(prev, MESHD_DOCUMENT_TEMP, NULL);

    if (unlink(temp) < 0 && errno != ENOENT)
        return fail_errno(error, "cannot remove", temp);
    if (link(path, temp) < 0)
        return errno == ENOENT || fail_errno(error, "cannot keep", path);
    if (rename(temp, prev) == 0)
        return true;
    fail_errno(error, "cannot replace", prev);
    (void)unlink(temp);
    return false;
}

/* What is damaged must not push the whole generation before it out; a person may read more from it
 * than we can. */
static bool set_aside(const char *path, GError **error)
{
    g_autofree char *aside = g_strconcat(path, MESHD_DOCUMENT_DAMAGED, NULL);

    return rename(path, aside) == 0 || errno == ENOENT || fail_errno(error, "cannot keep", path);
}

bool meshd_document_save(const char *path, GBytes *bytes, bool damaged, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *temp = g_strconcat(path, MESHD_DOCUMENT_TEMP, NULL);
    g_autofree char *prev = g_strconcat(path, MESHD_DOCUMENT_PREV, NULL);
    bool             saved;

    saved = write_temp(temp, bytes, error) &&
            (damaged ? set_aside(path, error) : keep(path, prev, error));
    if (saved && rename(temp, path) < 0)
        saved = fail_errno(error, "cannot replace", path);
    saved = saved && mesh_disk_flush_dir(dir, MESH_ERROR_STATE, error);
    if (!saved)
        (void)unlink(temp);
    return saved;
}

void meshd_document_double(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *prev = g_strconcat(path, MESHD_DOCUMENT_PREV, NULL);
    g_autofree char *temp = g_strconcat(prev, MESHD_DOCUMENT_TEMP, NULL);
    g_autoptr(GBytes) bytes = NULL;

    if (access(prev, F_OK) == 0)
        return;
    bytes = meshd_document_load(path, NULL);
    if (bytes == NULL)
        return;
    if (!write_temp(temp, bytes, NULL) || rename(temp, prev) < 0 ||
        !mesh_disk_flush_dir(dir, MESH_ERROR_STATE, NULL))
        (void)unlink(temp);
}

/* ---- load ---- */

static int read_all(int fd, char *to, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, to, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? -EIO : -errno; /* 0: it became shorter meanwhile */
        to += n;
        len -= (size_t)n;
    }
    return 0;
}

/* All of a file in a block that is wiped when freed; a large map is there once only. Owned; NULL:
 * @out_rc says why. */
static GBytes *read_file(const char *path, int *out_rc)
{
    int         fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    GBytes     *bytes = NULL;
    char       *block;

    *out_rc = fd < 0 || fstat(fd, &info) < 0 ? -errno : 0;
    if (*out_rc == 0 && (!S_ISREG(info.st_mode) || info.st_size > MESHD_DOCUMENT_MAX_BYTES))
        *out_rc = -EFBIG;
    if (*out_rc == 0) {
        block = make_block((size_t)info.st_size);
        *out_rc = read_all(fd, block + sizeof(size_t), (size_t)info.st_size);
        bytes =
            g_bytes_new_with_free_func(block + sizeof(size_t), (size_t)info.st_size, wipe, block);
    }
    if (fd >= 0)
        (void)close(fd);
    if (*out_rc < 0)
        g_clear_pointer(&bytes, g_bytes_unref);
    return bytes;
}

bool meshd_document_peek(const char *path, char out_check[MESHD_DOCUMENT_CHECK_SIZE])
{
    int         fd = open(path, O_RDONLY | O_CLOEXEC);
    char        text[HEADER_MAX];
    ssize_t     len = fd >= 0 ? read(fd, text, sizeof text) : -1;
    const char *end = len > 0 ? memchr(text, '\n', (size_t)len) : NULL;
    bool        ours = end != NULL && end - text > MESHD_DOCUMENT_CHECK_SIZE &&
                memcmp(text, MAGIC, strlen(MAGIC)) == 0;

    if (fd >= 0)
        (void)close(fd);
    if (!ours)
        return false;
    memcpy(out_check, end - (MESHD_DOCUMENT_CHECK_SIZE - 1), MESHD_DOCUMENT_CHECK_SIZE - 1);
    out_check[MESHD_DOCUMENT_CHECK_SIZE - 1] = '\0';
    return true;
}

/* Returns: the document inside @file, or NULL: torn, changed or not ours. */
static GBytes *check_document(GBytes *file)
{
    gsize       len = 0;
    const char *text = g_bytes_get_data(file, &len);
    const char *end = len > 0 ? memchr(text, '\n', MIN(len, (size_t)HEADER_MAX)) : NULL;
    char        header[HEADER_MAX];
    size_t      header_len;

    if (end == NULL)
        return NULL;
    header_len = (size_t)(end - text) + 1;
    format_header(text + header_len, len - header_len, header);
    if (strlen(header) != header_len || memcmp(header, text, header_len) != 0)
        return NULL;
    return g_bytes_new_from_bytes(file, header_len, len - header_len);
}

GBytes *meshd_document_load(const char *path, GError **error)
{
    int rc;
    g_autoptr(GBytes) file = read_file(path, &rc);
    GBytes *bytes;

    if (file == NULL && rc != -EFBIG) {
        mesh_error_set_errno(error, rc == -ENOENT ? MESH_ERROR_NOT_FOUND : MESH_ERROR_UNREAD, rc,
                             "cannot read %s", path);
        return NULL;
    }
    bytes = file != NULL ? check_document(file) : NULL;
    if (bytes == NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s is damaged (checksum)", path);
    return bytes;
}
