/* daemon/control/lines.h: cuts a stream of bytes into lines of bounded length. Inside of
 * daemon/control; plain value, no I/O. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    GString *part; /* a line that has no end yet; NULL: unused */
    size_t   max;  /* bytes of a line without its newline */
} ControlLines;

void control_lines_init(ControlLines *self, size_t max);
void control_lines_done(ControlLines *self);

/* @len bytes for @line(), each call a whole line without its newline (a CR before it is cut off
 * too); not NUL-terminated, borrowed. It returns false to stop: the rest is dropped.
 * False: a line is too long, or @line said so. */
typedef bool (*ControlLineFunc)(const char *text, size_t len, void *user_data);
bool control_lines_feed(ControlLines *self, const char *bytes, size_t len, ControlLineFunc line,
                        void *user_data);
