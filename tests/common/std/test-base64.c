/* tests/common/std/test-base64.c: RFC 4648's vectors, and one text for one value. */
#include "common/std/base64.h"

#include "common/std/key.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

typedef int (*Decode)(const char *text, uint8_t *out, size_t out_size, size_t *out_len);
typedef int (*Encode)(MeshSpan bytes, char *out_text, size_t out_size);

typedef struct {
    const char *name;
    Encode      encode;
    Decode      decode;
    const char *bytes;
    const char *text;
} PairCase;

static const PairCase pairs[] = {
    { "std-empty", mesh_base64_encode, mesh_base64_decode, "", "" },
    { "std-1", mesh_base64_encode, mesh_base64_decode, "f", "Zg==" },
    { "std-2", mesh_base64_encode, mesh_base64_decode, "fo", "Zm8=" },
    { "std-3", mesh_base64_encode, mesh_base64_decode, "foo", "Zm9v" },
    { "std-6", mesh_base64_encode, mesh_base64_decode, "foobar", "Zm9vYmFy" },
    { "std-alphabet", mesh_base64_encode, mesh_base64_decode, "\xfb\xff\xfe", "+//+" },
    { "url-1", mesh_base64url_encode, mesh_base64url_decode, "f", "Zg" },
    { "url-2", mesh_base64url_encode, mesh_base64url_decode, "fo", "Zm8" },
    { "url-5", mesh_base64url_encode, mesh_base64url_decode, "fooba", "Zm9vYmE" },
    { "url-alphabet", mesh_base64url_encode, mesh_base64url_decode, "\xfb\xff\xfe", "-__-" },
    { "hex", mesh_hex_encode, mesh_hex_decode, "\x01\xab\xff", "01abff" },
};

static void test_pair(gconstpointer data)
{
    const PairCase *c = data;
    size_t          bytes_len = strlen(c->bytes), len = 0;
    uint8_t         bytes[16];
    char            text[32];

    g_assert_cmpint(c->encode(MESH_SPAN(c->bytes, bytes_len), text, sizeof(text)), ==, 0);
    g_assert_cmpstr(text, ==, c->text);
    g_assert_cmpint(c->encode(MESH_SPAN(c->bytes, bytes_len), text, strlen(c->text)), ==, -ENOSPC);
    g_assert_cmpint(c->decode(c->text, bytes, sizeof(bytes), &len), ==, 0);
    g_assert_cmpmem(bytes, len, c->bytes, bytes_len);
    g_assert_cmpint(c->decode(c->text, bytes, bytes_len, NULL), ==, 0);
    g_assert_cmpint(c->decode(c->text, bytes, bytes_len + 1, NULL), ==, -EINVAL);
    if (bytes_len > 0)
        g_assert_cmpint(c->decode(c->text, bytes, bytes_len - 1, &len), ==, -ENOSPC);
}

typedef struct {
    const char *name;
    Decode      decode;
    const char *text;
} BadCase;

static const BadCase bad[] = {
    { "std-no-padding", mesh_base64_decode, "Zg" },
    { "std-short-padding", mesh_base64_decode, "Zg=" },
    { "std-long-padding", mesh_base64_decode, "Zg===" },
    { "std-only-padding", mesh_base64_decode, "====" },
    { "std-trailing-bits", mesh_base64_decode, "Zh==" },
    { "std-url-alphabet", mesh_base64_decode, "-__-" },
    { "std-space", mesh_base64_decode, "Zm 9v" },
    { "std-newline", mesh_base64_decode, "Zm9v\n" },
    { "std-one-digit", mesh_base64_decode, "Z" },
    { "url-padding", mesh_base64url_decode, "Zg==" },
    { "url-trailing-bits", mesh_base64url_decode, "Zh" },
    { "url-std-alphabet", mesh_base64url_decode, "+//+" },
    { "std-not-ascii", mesh_base64_decode, "\xff\xff\xff\xff" },
    { "url-not-ascii", mesh_base64url_decode, "\xff\xff\xff\xff" },
    { "hex-not-ascii", mesh_hex_decode, "\xff\xff" },
    { "hex-odd", mesh_hex_decode, "abc" },
    { "hex-letter", mesh_hex_decode, "0g" },
    { "hex-colon", mesh_hex_decode, "01:ab:" },
};

static void test_bad(gconstpointer data)
{
    const BadCase *c = data;
    uint8_t        bytes[16];
    size_t         len = 42;

    g_assert_cmpint(c->decode(c->text, bytes, sizeof(bytes), &len), ==, -EINVAL);
    g_assert_cmpuint(len, ==, 42);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *path = g_strdup_printf("/base64/pair/%s", pairs[i].name);
        g_test_add_data_func(path, &pairs[i], test_pair);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/base64/refused/%s", bad[i].name);
        g_test_add_data_func(path, &bad[i], test_bad);
    }
    return g_test_run();
}
