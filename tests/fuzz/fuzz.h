/* tests/fuzz/fuzz.h: what every fuzz target shares. One target, one program.
 *
 * A target defines LLVMFuzzerTestOneInput(), so it links with libFuzzer (./run fuzz), with another
 * engine of that interface, or with driver.c, which replays its corpus as a plain test. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Feeds bytes from outside to a decoder. It must come back whatever they are; what it accepts must
 * hold the decoder's promises, which the target asserts. @data is not NUL-terminated. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The input as a program: small values are taken off its front. Past its end all are zero. */
typedef struct {
    const uint8_t *at;
    size_t         left;
} FuzzInput;

static inline FuzzInput fuzz_make_input(const uint8_t *data, size_t len)
{
    return (FuzzInput){ .at = data, .left = len };
}

/* Copies up to @len bytes to @out, zeros after the end. Returns how many were left. */
static inline size_t fuzz_take_bytes(FuzzInput *in, void *out, size_t len)
{
    size_t n = len < in->left ? len : in->left;

    memset(out, 0, len);
    if (n > 0)
        memcpy(out, in->at, n);
    in->at += n;
    in->left -= n;
    return n;
}

static inline uint8_t fuzz_take_u8(FuzzInput *in)
{
    uint8_t value;

    fuzz_take_bytes(in, &value, 1);
    return value;
}

/* Little-endian, as a person writes seeds with printf. */
static inline uint16_t fuzz_take_u16(FuzzInput *in)
{
    uint8_t b[2];

    fuzz_take_bytes(in, b, sizeof b);
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint64_t fuzz_take_u64(FuzzInput *in)
{
    uint64_t value = 0;
    uint8_t  b[8];

    fuzz_take_bytes(in, b, sizeof b);
    for (int i = 7; i >= 0; i--)
        value = value << 8 | b[i];
    return value;
}

/* The bytes up to @separator, or the rest, as a string (cut at its first NUL); free() it. */
static inline char *fuzz_take_text(FuzzInput *in, char separator)
{
    const uint8_t *end = in->left > 0 ? memchr(in->at, separator, in->left) : NULL;
    size_t         n = end != NULL ? (size_t)(end - in->at) : in->left;
    char          *text = malloc(n + 1);

    if (text == NULL)
        abort();
    fuzz_take_bytes(in, text, n);
    text[n] = '\0';
    if (end != NULL) {
        in->at++;
        in->left--;
    }
    return text;
}

/* @data as a string: cut at its first NUL; free() it. */
static inline char *fuzz_dup_text(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);

    if (text == NULL)
        abort();
    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
    return text;
}
