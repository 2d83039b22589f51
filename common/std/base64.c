/* common/std/base64.c: see base64.h. libsodium's codecs, made strict about length and shape. */
#include "common/std/base64.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

static int encode(MeshSpan bytes, int variant, char *out_text, size_t out_size)
{
    if (out_size < sodium_base64_encoded_len(bytes.len, variant))
        return -ENOSPC;
    sodium_bin2base64(out_text, out_size, bytes.data, bytes.len, variant);
    return 0;
}

int mesh_base64_encode(MeshSpan bytes, char *out_text, size_t out_size)
{
    return encode(bytes, sodium_base64_VARIANT_ORIGINAL, out_text, out_size);
}

int mesh_base64url_encode(MeshSpan bytes, char *out_text, size_t out_size)
{
    return encode(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING, out_text, out_size);
}

int mesh_hex_encode(MeshSpan bytes, char *out_text, size_t out_size)
{
    if (bytes.len >= SIZE_MAX / 2 || out_size < MESH_HEX_SIZE(bytes.len))
        return -ENOSPC;
    sodium_bin2hex(out_text, out_size, bytes.data, bytes.len);
    return 0;
}

/* Applies what base64.h says of lengths. @fits: how many bytes a text of this length stands for. */
static int judge_length(size_t fits, size_t out_size, size_t *out_len)
{
    if (out_len == NULL)
        return fits == out_size ? 0 : -EINVAL;
    return fits <= out_size ? 0 : -ENOSPC;
}

/* libsodium 1.0.18 takes some bytes above 0x7f for digits of base64. */
static bool is_ascii(const char *text)
{
    unsigned char all = 0;

    for (; *text != '\0'; text++)
        all |= (unsigned char)*text;
    return all < 0x80;
}

static int decode(const char *text, int variant, MeshSpan out, size_t *out_len)
{
    size_t      text_len = strlen(text), digits = text_len, len = 0;
    const char *end = NULL;
    int         rc;

    while (variant == sodium_base64_VARIANT_ORIGINAL && digits > 0 && text[digits - 1] == '=')
        digits--;
    if (text_len - digits > 2 || !is_ascii(text))
        return -EINVAL;
    rc = judge_length(digits / 4 * 3 + digits % 4 * 3 / 4, out.len, out_len);
    if (rc < 0)
        return rc;
    if (sodium_base642bin((uint8_t *)out.data, out.len, text, text_len, NULL, &len, &end,
                          variant) != 0)
        return -EINVAL;
    if (end != text + text_len)
        return -EINVAL;
    if (out_len != NULL)
        *out_len = len;
    return out_len != NULL || len == out.len ? 0 : -EINVAL;
}

int mesh_base64_decode(const char *text, uint8_t *out, size_t out_size, size_t *out_len)
{
    return decode(text, sodium_base64_VARIANT_ORIGINAL, MESH_SPAN(out, out_size), out_len);
}

int mesh_base64url_decode(const char *text, uint8_t *out, size_t out_size, size_t *out_len)
{
    return decode(text, sodium_base64_VARIANT_URLSAFE_NO_PADDING, MESH_SPAN(out, out_size),
                  out_len);
}

int mesh_hex_decode(const char *text, uint8_t *out, size_t out_size, size_t *out_len)
{
    size_t      text_len = strlen(text), len = 0;
    const char *end = NULL;
    int         rc;

    if (text_len % 2 != 0)
        return -EINVAL;
    rc = judge_length(text_len / 2, out_size, out_len);
    if (rc < 0)
        return rc;
    if (sodium_hex2bin(out, out_size, text, text_len, NULL, &len, &end) != 0 ||
        end != text + text_len)
        return -EINVAL;
    if (out_len != NULL)
        *out_len = len;
    return 0;
}
