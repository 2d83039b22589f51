/* gui/qr.h: reads a QR code that holds a join link out of a picture, with zbar.
 *
 * The link is a secret: nothing here logs it, and gui_qr_free_text() wipes it. Pictures are
 * bounded: GUI_QR_FILE_MAX bytes, GUI_QR_SIDE_MAX pixels a side; larger ones than
 * GUI_QR_SCAN_SIDE are made smaller before they are read. */
#pragma once

#include <gdk/gdk.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GUI_QR_FILE_MAX = 24 << 20,
    GUI_QR_SIDE_MAX = 12000,
    GUI_QR_SCAN_SIDE = 2000,
};

/* 8 bits a pixel, rows without padding; borrowed. */
typedef struct {
    const uint8_t *pixels;
    unsigned       width, height;
} GuiQrGray;

/** gui_qr_read: the join link in a gray picture. Any thread; takes up to some tenths of a second.
 * Returns: owned, for gui_qr_free_text(); NULL with MESH_ERROR_BAD_LINK that says whether there is
 * no QR code at all, or one with something else, without showing what. */
char *gui_qr_read(const GuiQrGray *gray, GError **error);
void  gui_qr_free_text(char *link); /* NULL is fine */

/** gui_qr_read_file_async, gui_qr_read_texture_async: the same for a picture in a file, or one from
 * the clipboard. Main loop; the work is done on a thread of GTask, and cancellable.
 * gui_qr_read_finish(): as gui_qr_read(); errors of GIO and gdk-pixbuf beside. */
void  gui_qr_read_file_async(GFile *file, GCancellable *cancel, GAsyncReadyCallback done,
                             gpointer user_data);
void  gui_qr_read_texture_async(GdkTexture *texture, GCancellable *cancel, GAsyncReadyCallback done,
                                gpointer user_data);
char *gui_qr_read_finish(GAsyncResult *result, GError **error);
