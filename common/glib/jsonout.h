/* common/glib/jsonout.h: writes JSON text, compact, keys in the order of the calls.
 *
 * Any thread. A MeshJsonOut is a plain value over one growing text. @name NULL: an element of an
 * array, or the outermost value. Texts must be UTF-8; what JSON forbids in them is escaped. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    GString *text;
    bool     comma; /* something stands before on this level */
} MeshJsonOut;

void  mesh_jsonout_init(MeshJsonOut *self); /* allocates; ended by one of the two below */
char *mesh_jsonout_finish(MeshJsonOut *self, size_t *out_len); /* owned; @out_len may be NULL */
void  mesh_jsonout_done(MeshJsonOut *self);                    /* drops it */

void mesh_jsonout_open(MeshJsonOut *self, const char *name, char bracket); /* '{' or '[' */
void mesh_jsonout_close(MeshJsonOut *self, char bracket);                  /* '}' or ']' */

void mesh_jsonout_text(MeshJsonOut *self, const char *name, const char *value); /* NULL: left out */
void mesh_jsonout_text_len(MeshJsonOut *self, const char *name, const char *value, size_t len);
void mesh_jsonout_int(MeshJsonOut *self, const char *name, int64_t value);
void mesh_jsonout_bool(MeshJsonOut *self, const char *name, bool value);
void mesh_jsonout_b64u(MeshJsonOut *self, const char *name, const void *bytes, size_t len);
void mesh_jsonout_raw(MeshJsonOut *self, const char *name, const char *json); /* made elsewhere */
