/* Draws what stands on standard input as a QR code: a PNG on standard output. For test-join.py. */
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <qrencode.h>
#include <stdio.h>
#include <string.h>

enum { MODULE = 6, QUIET = 4, TEXT_MAX = 1000 };

static GdkPixbuf *draw(const char *text)
{
    QRcode    *code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    GdkPixbuf *pixbuf;
    int        side;

    if (code == NULL)
        return NULL;
    side = (code->width + 2 * QUIET) * MODULE;
    pixbuf = gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, side, side);
    gdk_pixbuf_fill(pixbuf, 0xffffffff);
    for (int i = 0; i < code->width * code->width; i++) {
        g_autoptr(GdkPixbuf) module =
            gdk_pixbuf_new_subpixbuf(pixbuf, (i % code->width + QUIET) * MODULE,
                                     (i / code->width + QUIET) * MODULE, MODULE, MODULE);

        if (code->data[i] & 1)
            gdk_pixbuf_fill(module, 0x000000ff);
    }
    QRcode_free(code);
    return pixbuf;
}

int main(void)
{
    char   text[TEXT_MAX + 1] = { 0 };
    size_t length = fread(text, 1, TEXT_MAX, stdin);
    g_autoptr(GdkPixbuf) pixbuf = draw(text);
    g_autofree char *png = NULL;

    if (length == 0 || pixbuf == NULL ||
        !gdk_pixbuf_save_to_buffer(pixbuf, &png, &length, "png", NULL, NULL))
        return 1;
    return fwrite(png, 1, length, stdout) == length ? 0 : 1;
}
