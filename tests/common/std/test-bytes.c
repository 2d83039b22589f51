/* tests/common/std/test-bytes.c: the reader reads what is there and never runs over. */
#include "common/std/bytes.h"

#include <glib.h>

static const uint8_t data[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void test_orders(void)
{
    MeshReader r;
    uint8_t    v8 = 0;
    uint16_t   v16 = 0;
    uint32_t   v32 = 0;
    uint64_t   v64 = 0;

    r = mesh_bytes_make_reader(data, sizeof(data));
    g_assert_true(mesh_bytes_read_u8(&r, &v8));
    g_assert_cmpuint(v8, ==, 1);
    g_assert_true(mesh_bytes_read_u16be(&r, &v16));
    g_assert_cmphex(v16, ==, 0x0203);
    g_assert_true(mesh_bytes_read_u32be(&r, &v32));
    g_assert_cmphex(v32, ==, 0x04050607);
    g_assert_cmpuint(mesh_bytes_left(&r), ==, 1);

    r = mesh_bytes_make_reader(data, sizeof(data));
    g_assert_true(mesh_bytes_read_u16le(&r, &v16));
    g_assert_cmphex(v16, ==, 0x0201);
    g_assert_true(mesh_bytes_read_u32le(&r, &v32));
    g_assert_cmphex(v32, ==, 0x06050403);

    r = mesh_bytes_make_reader(data, sizeof(data));
    g_assert_true(mesh_bytes_read_u64be(&r, &v64));
    g_assert_cmphex(v64, ==, 0x0102030405060708);
    r = mesh_bytes_make_reader(data, sizeof(data));
    g_assert_true(mesh_bytes_read_u64le(&r, &v64));
    g_assert_cmphex(v64, ==, 0x0807060504030201);
}

static void test_runs_out(void)
{
    MeshReader r = mesh_bytes_make_reader(data, 7), part = { 0 };
    uint8_t    copy[8] = { 0 };
    uint64_t   v64 = 42;

    g_assert_false(mesh_bytes_read_u64be(&r, &v64));
    g_assert_cmpuint(v64, ==, 42);
    g_assert_false(mesh_bytes_read_copy(&r, copy, 8));
    g_assert_false(mesh_bytes_skip(&r, 8));
    g_assert_false(mesh_bytes_skip(&r, SIZE_MAX));
    g_assert_false(mesh_bytes_take(&r, 8, &part));
    g_assert_cmpuint(mesh_bytes_left(&r), ==, 7); /* a failed read moves nothing */
    g_assert_true(mesh_bytes_skip(&r, 7));
    g_assert_false(mesh_bytes_read_u8(&r, copy));
}

static void test_take(void)
{
    MeshReader r = mesh_bytes_make_reader(data, sizeof(data)), part;
    uint8_t    copy[3] = { 0 }, v8;

    g_assert_true(mesh_bytes_take(&r, 3, &part));
    g_assert_cmpuint(mesh_bytes_left(&part), ==, 3);
    g_assert_cmpuint(mesh_bytes_left(&r), ==, 5);
    g_assert_true(mesh_bytes_read_copy(&part, copy, 3));
    g_assert_cmpmem(copy, 3, data, 3);
    g_assert_false(mesh_bytes_read_u8(&part, &v8)); /* a part ends where it was cut */
    g_assert_true(mesh_bytes_read_u8(&r, &v8));
    g_assert_cmpuint(v8, ==, 4);
}

static void test_empty(void)
{
    MeshReader r = mesh_bytes_make_reader(NULL, 0), part;

    g_assert_cmpuint(mesh_bytes_left(&r), ==, 0);
    g_assert_true(mesh_bytes_read_copy(&r, NULL, 0));
    g_assert_true(mesh_bytes_take(&r, 0, &part));
    g_assert_false(mesh_bytes_skip(&r, 1));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bytes/byte-orders", test_orders);
    g_test_add_func("/bytes/runs-out", test_runs_out);
    g_test_add_func("/bytes/take", test_take);
    g_test_add_func("/bytes/empty", test_empty);
    return g_test_run();
}
