/* tests/fuzz/fuzz-text.c: addresses, prefixes, endpoints, base64, hex: what is accepted has one
 * text. */
#include "common/std/base64.h"
#include "common/std/endpoint.h"
#include "common/std/ip.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check_ip(const char *text)
{
    char         back[MESH_ENDPOINT_TEXT_SIZE];
    MeshAddr     addr, addr2;
    MeshPrefix   prefix, prefix2;
    MeshEndpoint endpoint, endpoint2;

    if (mesh_ip_parse_addr(text, &addr) == 0) {
        assert(mesh_ip_parse_addr(mesh_ip_format_addr(&addr, back), &addr2) == 0);
        assert(mesh_ip_equal_addr(&addr, &addr2));
    }
    if (mesh_ip_parse_prefix(text, &prefix) == 0) {
        assert(mesh_ip_parse_prefix(mesh_ip_format_prefix(&prefix, back), &prefix2) == 0);
        assert(mesh_ip_equal_prefix(&prefix, &prefix2));
        assert(mesh_ip_contains(&prefix, &prefix.addr));
    }
    if (mesh_endpoint_parse(text, &endpoint) == 0) {
        assert(mesh_endpoint_parse(mesh_endpoint_format(&endpoint, back), &endpoint2) == 0);
        assert(mesh_endpoint_equal(&endpoint, &endpoint2));
    }
}

static void check_codecs(const char *text)
{
    static uint8_t bytes[70000];
    static char    back[140001];
    size_t         len;

    if (mesh_base64_decode(text, bytes, sizeof(bytes), &len) == 0) {
        assert(mesh_base64_encode(MESH_SPAN(bytes, len), back, sizeof(back)) == 0);
        assert(strcmp(text, back) == 0);
    }
    if (mesh_base64url_decode(text, bytes, sizeof(bytes), &len) == 0) {
        assert(mesh_base64url_encode(MESH_SPAN(bytes, len), back, sizeof(back)) == 0);
        assert(strcmp(text, back) == 0);
    }
    if (mesh_hex_decode(text, bytes, sizeof(bytes), &len) == 0)
        assert(strlen(text) == 2 * len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = fuzz_dup_text(data, len);

    check_ip(text);
    check_codecs(text);
    free(text);
    return 0;
}
