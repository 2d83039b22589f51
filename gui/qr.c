#include "gui/qr.h"

#include "common/glib/error.h"

#include <glib/gi18n.h>
#include <sodium.h>
#include <string.h>
#include <zbar.h>

enum { READ_BYTES = 1 << 16 };

static const char LINK_BEGIN[] = "mesh://";

G_DEFINE_AUTOPTR_CLEANUP_FUNC(zbar_image_t, zbar_image_destroy)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(zbar_image_scanner_t, zbar_image_scanner_destroy)

void gui_qr_free_text(char *link)
{
    if (link == NULL)
        return;
    sodium_memzero(link, strlen(link));
    g_free(link);
}

/* The first code that is a link. zbar says how many it found; it owns the texts. */
static char *pick_link(zbar_image_t *image, GError **error)
{
    const zbar_symbol_t *symbol = zbar_image_first_symbol(image);
    bool                 any = symbol != NULL;

    for (; symbol != NULL; symbol = zbar_symbol_next(symbol)) {
        const char *data = zbar_symbol_get_data(symbol);
        unsigned    length = zbar_symbol_get_data_length(symbol);

        if (length >= strlen(LINK_BEGIN) && memchr(data, 0, length) == NULL &&
            g_ascii_strncasecmp(data, LINK_BEGIN, strlen(LINK_BEGIN)) == 0)
            return g_strndup(data, length);
    }
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_LINK,
                        any ? _("The QR code in this picture is not a join link.")
                            : _("There is no QR code in this picture that can be read."));
    return NULL;
}

char *gui_qr_read(const GuiQrGray *gray, GError **error)
{
    g_autoptr(zbar_image_scanner_t) scanner = zbar_image_scanner_create();
    g_autoptr(zbar_image_t) image = zbar_image_create();

    zbar_image_scanner_set_config(scanner, ZBAR_NONE, ZBAR_CFG_ENABLE, 0);
    zbar_image_scanner_set_config(scanner, ZBAR_QRCODE, ZBAR_CFG_ENABLE, 1);
    zbar_image_set_format(image, zbar_fourcc('Y', '8', '0', '0'));
    zbar_image_set_size(image, gray->width, gray->height);
    zbar_image_set_data(image, gray->pixels, (unsigned long)gray->width * gray->height, NULL);
    if (zbar_scan_image(scanner, image) < 0) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_LINK,
                            _("The picture cannot be searched for a QR code."));
        return NULL;
    }
    return pick_link(image, error);
}

/* Luminance on white, as a screen would show it: a code may stand on a transparent ground. */
static uint8_t get_gray(const uint8_t *pixel, bool alpha)
{
    unsigned light = (pixel[0] * 77u + pixel[1] * 150u + pixel[2] * 29u) >> 8;

    if (!alpha)
        return (uint8_t)light;
    return (uint8_t)((light * pixel[3] + 255u * (255u - pixel[3])) / 255u);
}

static char *read_pixbuf(GdkPixbuf *pixbuf, GError **error)
{
    unsigned            width = (unsigned)gdk_pixbuf_get_width(pixbuf);
    unsigned            height = (unsigned)gdk_pixbuf_get_height(pixbuf);
    size_t              stride = (size_t)gdk_pixbuf_get_rowstride(pixbuf);
    size_t              step = (size_t)gdk_pixbuf_get_n_channels(pixbuf);
    const uint8_t      *from = gdk_pixbuf_read_pixels(pixbuf);
    g_autofree uint8_t *gray = g_malloc((size_t)width * height);
    GuiQrGray           picture = { gray, width, height };

    for (unsigned y = 0; y < height; y++) {
        for (unsigned x = 0; x < width; x++)
            gray[(size_t)y * width + x] = get_gray(from + y * stride + x * step, step == 4);
    }
    return gui_qr_read(&picture, error);
}

/* Runs in the thread's own call of gdk_pixbuf_loader_write(). */
static void on_size_known(GdkPixbufLoader *loader, int width, int height, gpointer user_data)
{
    bool  *too_large = user_data;
    double shrink;

    if (width > GUI_QR_SIDE_MAX || height > GUI_QR_SIDE_MAX) {
        *too_large = true;
        gdk_pixbuf_loader_set_size(loader, 1, 1);
        return;
    }
    shrink = MAX(width, height) / (double)GUI_QR_SCAN_SIDE;
    if (shrink > 1)
        gdk_pixbuf_loader_set_size(loader, MAX((int)(width / shrink), 1),
                                   MAX((int)(height / shrink), 1));
}

static bool set_too_large(GError **error)
{
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_TOO_LARGE,
                        _("The picture is too large to be searched for a QR code."));
    return false;
}

/* Feeds the loader; stops at the first sign that the picture is too large. */
static bool load_stream(GdkPixbufLoader *loader, GInputStream *in, const bool *too_large,
                        GTask *task, GError **error)
{
    size_t              total = 0;
    gssize              got;
    g_autofree uint8_t *block = g_malloc(READ_BYTES);

    while (!*too_large && (got = g_input_stream_read(in, block, READ_BYTES,
                                                     g_task_get_cancellable(task), error)) != 0) {
        total += (size_t)MAX(got, 0);
        if (total > GUI_QR_FILE_MAX)
            return set_too_large(error);
        if (got < 0 || !gdk_pixbuf_loader_write(loader, block, (size_t)got, error))
            return false;
    }
    return true;
}

static GdkPixbuf *load_file(GTask *task, GFile *file, GError **error)
{
    g_autoptr(GdkPixbufLoader) loader = gdk_pixbuf_loader_new();
    g_autoptr(GFileInputStream) in = g_file_read(file, g_task_get_cancellable(task), error);
    GdkPixbuf *pixbuf = NULL;
    bool       too_large = false, loaded;

    g_signal_connect(loader, "size-prepared", G_CALLBACK(on_size_known), &too_large);
    loaded = in != NULL && load_stream(loader, G_INPUT_STREAM(in), &too_large, task, error);
    loaded = gdk_pixbuf_loader_close(loader, loaded ? error : NULL) && loaded;
    if (too_large) { /* a short file is looked at when it is closed */
        g_clear_error(error);
        set_too_large(error);
        return NULL;
    }
    if (loaded && (pixbuf = gdk_pixbuf_loader_get_pixbuf(loader)) == NULL)
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_LINK,
                            _("The file is not a picture."));
    return pixbuf == NULL ? NULL : g_object_ref(pixbuf);
}

static void free_link(gpointer link)
{
    gui_qr_free_text(link);
}

static void finish_with(GTask *task, GdkPixbuf *pixbuf)
{
    g_autoptr(GError) error = NULL;
    char *link = read_pixbuf(pixbuf, &error);

    if (link == NULL)
        g_task_return_error(task, g_steal_pointer(&error));
    else
        g_task_return_pointer(task, link, free_link);
}

static void file_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancel)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GdkPixbuf) pixbuf = load_file(task, data, &error);

    (void)source, (void)cancel;
    if (pixbuf == NULL)
        g_task_return_error(task, g_steal_pointer(&error));
    else
        finish_with(task, pixbuf);
}

void gui_qr_read_file_async(GFile *file, GCancellable *cancel, GAsyncReadyCallback done,
                            gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancel, done, user_data);

    g_task_set_source_tag(task, gui_qr_read_file_async);
    g_task_set_return_on_cancel(task, TRUE);
    g_task_set_task_data(task, g_object_ref(file), g_object_unref);
    g_task_run_in_thread(task, file_in_thread);
}

static void pixbuf_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancel)
{
    GdkPixbuf *whole = data;
    int        width = gdk_pixbuf_get_width(whole), height = gdk_pixbuf_get_height(whole);
    double     shrink = MAX(width, height) / (double)GUI_QR_SCAN_SIDE;
    g_autoptr(GdkPixbuf) small = NULL;

    (void)source, (void)cancel;
    if (shrink > 1)
        small = gdk_pixbuf_scale_simple(whole, MAX((int)(width / shrink), 1),
                                        MAX((int)(height / shrink), 1), GDK_INTERP_BILINEAR);
    finish_with(task, small == NULL ? whole : small);
}

void gui_qr_read_texture_async(GdkTexture *texture, GCancellable *cancel, GAsyncReadyCallback done,
                               gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancel, done, user_data);
    GdkPixbuf *pixbuf;

    g_task_set_source_tag(task, gui_qr_read_texture_async);
    g_task_set_return_on_cancel(task, TRUE);
    if (gdk_texture_get_width(texture) > GUI_QR_SIDE_MAX ||
        gdk_texture_get_height(texture) > GUI_QR_SIDE_MAX) {
        g_autoptr(GError) error = NULL;

        set_too_large(&error);
        g_task_return_error(task, g_steal_pointer(&error));
        return;
    }
    pixbuf = gdk_pixbuf_get_from_texture(texture);
    g_task_set_task_data(task, pixbuf, g_object_unref);
    g_task_run_in_thread(task, pixbuf_in_thread);
}

char *gui_qr_read_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
