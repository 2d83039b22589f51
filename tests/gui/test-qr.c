/* QR codes are made by libqrencode, another implementation. */
#include "common/glib/error.h"
#include "gui/qr.h"

#include <glib/gstdio.h>
#include <qrencode.h>
#include <string.h>
#include <unistd.h>

#define LINK \
    "mesh://vpn.example.org:8443/7?s=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&k=c2VjcmV0"

enum { MODULE = 4, QUIET = 4 };

/* Draws the code of a text, black on white, with its top left corner at (left, top). */
static void draw_code(GdkPixbuf *pixbuf, const char *text, unsigned left, unsigned top)
{
    QRcode  *code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    guint8  *pixels = gdk_pixbuf_get_pixels(pixbuf);
    unsigned stride = (unsigned)gdk_pixbuf_get_rowstride(pixbuf);
    unsigned step = (unsigned)gdk_pixbuf_get_n_channels(pixbuf);
    unsigned side;

    g_assert_nonnull(code);
    side = (unsigned)code->width * MODULE;
    g_assert_cmpint((int)(left + side), <=, gdk_pixbuf_get_width(pixbuf));
    g_assert_cmpint((int)(top + side), <=, gdk_pixbuf_get_height(pixbuf));
    for (unsigned y = 0; y < side; y++) {
        for (unsigned x = 0; x < side; x++) {
            if (code->data[y / MODULE * (unsigned)code->width + x / MODULE] & 1)
                memset(pixels + (top + y) * stride + (left + x) * step, 0, 3);
        }
    }
    QRcode_free(code);
}

static GdkPixbuf *make_white(int width, int height, bool alpha)
{
    GdkPixbuf *pixbuf = gdk_pixbuf_new(GDK_COLORSPACE_RGB, alpha, 8, width, height);

    gdk_pixbuf_fill(pixbuf, 0xffffffff);
    return pixbuf;
}

typedef struct {
    const char *name;
    const char *codes[2]; /* from the left */
    const char *want;     /* NULL: none */
    int         width, height;
    bool        transparent;
} PictureCase;

static const PictureCase pictures[] = {
    { "a-link", { LINK }, LINK, 300, 300, false },
    { "a-link-in-a-large-photo", { LINK }, LINK, 2600, 1900, false },
    { "on-nothing-at-all", { LINK }, LINK, 300, 300, true },
    { "the-link-among-two", { "https://example.org/", LINK }, LINK, 640, 300, false },
    { "not-a-link", { "https://example.org/" }, NULL, 300, 300, false },
    { "capital-letters", { "MESH://VPN/1" }, "MESH://VPN/1", 300, 300, false },
    { "no-code", { NULL }, NULL, 300, 300, false },
    { "one-pixel", { NULL }, NULL, 1, 1, false },
};

static GdkPixbuf *draw_case(const PictureCase *c)
{
    GdkPixbuf *pixbuf = make_white(c->width, c->height, c->transparent);
    guint8    *pixels = gdk_pixbuf_get_pixels(pixbuf);

    for (unsigned i = 0; i < G_N_ELEMENTS(c->codes) && c->codes[i] != NULL; i++)
        draw_code(pixbuf, c->codes[i], 20 + i * 300, 20);
    for (size_t i = 0; c->transparent && i < gdk_pixbuf_get_byte_length(pixbuf); i += 4) {
        if (pixels[i] != 0) /* what is not ink is not there: black that cannot be seen */
            memset(pixels + i, 0, 4);
    }
    return pixbuf;
}

static void on_done(GObject *source, GAsyncResult *result, gpointer user_data)
{
    (void)source;
    *(GAsyncResult **)user_data = g_object_ref(result);
}

static char *wait_for(GAsyncResult **result, GError **error)
{
    char *link;

    while (*result == NULL)
        g_main_context_iteration(NULL, TRUE);
    link = gui_qr_read_finish(*result, error);
    g_clear_object(result);
    return link;
}

static char *read_file(const char *path, GError **error)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    GAsyncResult *result = NULL;

    gui_qr_read_file_async(file, NULL, on_done, &result);
    return wait_for(&result, error);
}

/* By the road of a file, and by that of the clipboard. */
static void test_picture(gconstpointer data)
{
    const PictureCase *c = data;
    g_autoptr(GdkPixbuf) pixbuf = draw_case(c);
    g_autoptr(GdkTexture) texture = gdk_texture_new_for_pixbuf(pixbuf);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "mesh-qr-XXXXXX", NULL);
    GAsyncResult    *result = NULL;
    int              fd = g_mkstemp(path);
    char            *link;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(gdk_pixbuf_save(pixbuf, path, "png", &error, NULL));
    link = read_file(path, &error);
    g_assert_cmpstr(link, ==, c->want);
    g_assert_true((error != NULL) == (c->want == NULL));
    g_assert_true(c->want != NULL || g_error_matches(error, MESH_ERROR, MESH_ERROR_BAD_LINK));
    gui_qr_free_text(link);
    g_clear_error(&error);
    gui_qr_read_texture_async(texture, NULL, on_done, &result);
    link = wait_for(&result, &error);
    g_assert_cmpstr(link, ==, c->want);
    gui_qr_free_text(link);
    g_unlink(path);
}

typedef struct {
    const char *name;
    const char *bytes; /* NULL: a picture too large to be looked at */
    size_t      length;
} FileCase;

static const FileCase files[] = {
    { "empty", "", 0 },
    { "text", "mesh://vpn.example.org/1?k=c2VjcmV0", 35 },
    { "cut-off", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0", 20 },
    { "too-large", NULL, 0 },
};

static void test_file(gconstpointer data)
{
    const FileCase *c = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "mesh-qr-XXXXXX", NULL);
    int              fd = g_mkstemp(path);
    char            *link;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    if (c->bytes == NULL) {
        g_autoptr(GdkPixbuf) pixbuf = make_white(GUI_QR_SIDE_MAX + 1, 1, false);

        g_assert_true(gdk_pixbuf_save(pixbuf, path, "png", &error, NULL));
    } else {
        g_assert_true(g_file_set_contents(path, c->bytes, (gssize)c->length, &error));
    }
    link = read_file(path, &error);
    g_assert_null(link);
    g_assert_nonnull(error);
    if (c->bytes == NULL)
        g_assert_error(error, MESH_ERROR, MESH_ERROR_TOO_LARGE);
    g_assert_null(strstr(error->message, "c2VjcmV0"));
    g_unlink(path);
}

static void test_missing_file(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(read_file("/nonexistent/picture.png", &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(pictures); i++) {
        g_autofree char *path = g_strdup_printf("/qr/picture/%s", pictures[i].name);

        g_test_add_data_func(path, &pictures[i], test_picture);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_strdup_printf("/qr/file/%s", files[i].name);

        g_test_add_data_func(path, &files[i], test_file);
    }
    g_test_add_func("/qr/file/missing", test_missing_file);
    return g_test_run();
}
