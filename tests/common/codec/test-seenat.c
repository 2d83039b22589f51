/* tests/common/codec/test-seenat.c: addresses as seen, in 18 bytes and back. */
#include "common/codec/seenat.h"
#include "common/std/endpoint.h"

#include <glib.h>

static void test_round(gconstpointer data)
{
    uint8_t      bytes[MESH_SEENAT_BYTES];
    char         text[MESH_ENDPOINT_TEXT_SIZE];
    MeshWriter   w = mesh_writer_make(bytes, sizeof bytes);
    MeshReader   r = mesh_bytes_make_reader(bytes, sizeof bytes);
    MeshEndpoint endpoint = { .port = 0 }, back = { .port = 9 };

    g_assert_true(data == NULL || mesh_endpoint_parse(data, &endpoint) == 0);
    mesh_seenat_write(&w, &endpoint);
    g_assert_cmpuint(mesh_writer_length(&w), ==, sizeof bytes);
    g_assert_true(mesh_seenat_read(&r, &back));
    g_assert_cmpuint(mesh_bytes_left(&r), ==, 0);
    g_assert_cmpstr(mesh_endpoint_format(&back, text), ==, data != NULL ? data : "-");
    g_assert_cmpuint(back.port, ==, endpoint.port);
}

static void test_layout(void)
{
    static const uint8_t want[MESH_SEENAT_BYTES] = { 0x0d, 0x96, 0, 0,    0,    0,   0, 0, 0,
                                                     0,    0,    0, 0xff, 0xff, 192, 0, 2, 7 };
    uint8_t              bytes[MESH_SEENAT_BYTES];
    MeshWriter           w = mesh_writer_make(bytes, sizeof bytes);
    MeshEndpoint         endpoint = mesh_endpoint_make4(0xC0000207, 3478);

    mesh_seenat_write(&w, &endpoint);
    g_assert_cmpmem(bytes, sizeof bytes, want, sizeof want);
}

static void test_short(void)
{
    uint8_t      bytes[MESH_SEENAT_BYTES - 1] = { 0 };
    MeshReader   r = mesh_bytes_make_reader(bytes, sizeof bytes);
    MeshEndpoint endpoint = { .port = 7 };

    g_assert_false(mesh_seenat_read(&r, &endpoint));
    g_assert_cmpuint(endpoint.port, ==, 7);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/seenat/v4", "192.0.2.7:3478", test_round);
    g_test_add_data_func("/seenat/v6", "[2001:db8::1]:65535", test_round);
    g_test_add_data_func("/seenat/none", NULL, test_round);
    g_test_add_func("/seenat/layout", test_layout);
    g_test_add_func("/seenat/short", test_short);
    return g_test_run();
}
