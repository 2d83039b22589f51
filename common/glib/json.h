/* common/glib/json.h: JSON from outside, read strictly: a whole document is checked first, then an
 * object is read by a table of its fields.
 *
 * Any thread; values. mesh_json_parse() refuses what RFC 8259 refuses (json-glib alone would take
 * comments and more), depth over MESH_JSON_MAX_DEPTH, a key twice in one object (after unescaping;
 * json-glib would keep the last), invalid UTF-8, \u0000 and lone surrogates, integers of more than
 * 16 digits. Errors are MESH_ERROR_BAD_JSON and name line:column or the path of the field, such as
 * "peers[3].i: missing". */
#pragma once

#include "common/std/attr.h"

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESH_JSON_MAX_DEPTH 32
#define MESH_JSON_MAX_INT   ((INT64_C(1) << 53) - 1)

typedef enum {
    MESH_JSON_BOOL,  /* → bool */
    MESH_JSON_INT,   /* → uint64_t; min ≤ value ≤ max (max 0: 2^53-1) */
    MESH_JSON_TEXT,  /* → const char * borrowed from the object; min ≤ bytes ≤ max (0: any) */
    MESH_JSON_LABEL, /* → const char * borrowed; a name: one lower-case DNS label */
    MESH_JSON_BYTES, /* → uint8_t[max]; b64u of exactly max bytes */
    MESH_JSON_KEY,   /* → MeshKey; b64u, 43 characters */
    MESH_JSON_ADDR,  /* → MeshAddr; max: AF_INET or AF_INET6 only, 0: either */
    MESH_JSON_PREFIX,   /* → MeshPrefix; host bits zero; max as for ADDR */
    MESH_JSON_ENDPOINT, /* → MeshEndpoint; no zone */
    MESH_JSON_OBJECT,   /* → JsonObject * borrowed */
    MESH_JSON_ARRAY,    /* → JsonArray * borrowed; min ≤ elements ≤ max (0: any) */
} MeshJsonType;

/* One field of an object. A field that is absent or null leaves its place in the output alone, so
 * fill in defaults before reading. Unknown keys of the object are ignored. */
typedef struct {
    const char  *name;
    MeshJsonType type;
    bool         required;
    size_t       offset;   /* into the output */
    size_t       seen;     /* offset of a bool that becomes true if present; 0: none */
    uint64_t     min, max; /* see MeshJsonType */
} MeshJsonField;

/* Checks and parses one JSON object of @len bytes (at most @max_bytes; need not end in NUL).
 * Returns: an owned object (json_object_unref, g_autoptr(JsonObject)), or NULL and @error. */
JsonObject *mesh_json_parse(const char *text, size_t len, size_t max_bytes, GError **error);

/* The check alone, any JSON value: what the parser is fed after. */
bool mesh_json_check(const char *text, size_t len, GError **error);

/* The rows of one kind of object. */
typedef struct {
    const MeshJsonField *fields;
    size_t               n_fields;
} MeshJsonTable;

/* Reads @object by the rows of @table into @out. @path: of the object, for error texts; "" at the
 * top. Nothing is written unless the whole object is as the table says. */
bool mesh_json_read_table(JsonObject *object, const MeshJsonTable *table, void *out,
                          const char *path, GError **error);

/* The same with the rows given as an array. */
#define mesh_json_read(object, fields_, n_fields_, out, path, error)                              \
    mesh_json_read_table((object),                                                                \
                         &(MeshJsonTable){ .fields = (fields_), .n_fields = (n_fields_) }, (out), \
                         (path), (error))

/* Element @index of @array as an object or as text, borrowed; NULL and @error naming
 * "<path>[index]" if it is none. */
JsonObject *mesh_json_get_object(JsonArray *array, unsigned index, const char *path,
                                 GError **error);
const char *mesh_json_get_text(JsonArray *array, unsigned index, const char *path, GError **error);

/* … as an integer from 1; 0: it is none. */
uint64_t mesh_json_get_int(JsonArray *array, unsigned index, const char *path, GError **error);
