/* common/std/attr.h: compiler attributes and the two small macros that all folders use. */
#pragma once

#include <stddef.h>

/* The caller has to look at the result: a swallowed error is a compiler warning. */
#define MESH_CHECKED __attribute__((warn_unused_result))

/* printf-like: @fmt is the index of the format, @first that of its first argument, both from 1. */
#define MESH_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

#define MESH_N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* A run of bytes owned by somebody else. Several of them are hashed as if they were one. */
typedef struct {
    const void *data; /* borrowed; NULL only when len is 0 */
    size_t      len;  /* bytes */
} MeshSpan;

#define MESH_SPAN(data_, len_) ((MeshSpan){ .data = (data_), .len = (len_) })

/* Span over a string without its NUL; @text is evaluated twice. */
#define MESH_SPAN_TEXT(text) ((MeshSpan){ .data = (text), .len = __builtin_strlen(text) })
