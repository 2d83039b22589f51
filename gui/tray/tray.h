/* gui/tray/tray.h: the icon and its menu, as some library shows them. Rows in, clicks out.
 *
 * Main thread. The menu's shape is fixed when it is made: rows that are not needed are hidden, so
 * that a menu that is open is never rebuilt. Only what differs from what is shown is told to the
 * panel. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef enum { TRAY_ROW_ACTION, TRAY_ROW_CHECK, TRAY_ROW_SEPARATOR, TRAY_ROW_SUBMENU } TrayRowKind;

/* Where a row stands: in the order of the table, in the menu itself (-1) or in a row of kind
 * SUBMENU. */
typedef struct {
    TrayRowKind kind;
    int         parent;
} TrayPlace;

/* What a row shows. The strings belong to whoever has the row. */
typedef struct {
    char *label;
    bool  is_shown;
    bool  is_enabled;
    bool  is_checked; /* CHECK only */
} TrayRow;

typedef struct {
    void (*clicked)(unsigned row, gpointer user_data); /* a check keeps what tray_set_row() said */
    void (*closed)(gpointer user_data);                /* the menu was open and is not any more */
} TrayEvents;

typedef struct Tray Tray;

/** tray_new: connects to the screen. tray_show() asks the panel for a place.
 * @places: @n_places rows; static
 * @events: static
 *
 * Takes a place again by itself when the panel starts anew.
 * Returns: owned; NULL with @error: there is no screen. */
Tray *tray_new(const TrayPlace *places, unsigned n_places, const TrayEvents *events,
               gpointer user_data, GError **error);
void  tray_free(Tray *self); /* NULL is fine */

/* @icon: a name in the icon theme; @text: the same for people, title and accessible description. */
void tray_set_icon(Tray *self, const char *icon, const char *text);
void tray_set_row(Tray *self, unsigned row, const TrayRow *content);
/* The row that a middle click on the icon clicks. It must be shown. */
void tray_set_middle(Tray *self, unsigned row);
/* Whether somebody looks at the menu now: what a row stands for must then stay. */
bool tray_is_open(Tray *self);
void tray_copy(Tray *self, const char *text); /* to the clipboard */
/* Shows the icon; before this the panel does not know of it. */
void tray_show(Tray *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tray, tray_free)
