/* tests/common/std/test-writer.c: the writer writes in order and never past its buffer. */
#include "common/std/writer.h"

#include <errno.h>
#include <glib.h>

static void test_orders(void)
{
    static const uint8_t want[] = { 1, 2, 3, 5, 4, 6, 7, 8, 9, 13, 12, 11, 10, 0, 0, 'o', 'k' };
    uint8_t              buffer[sizeof(want)];
    MeshWriter           w = mesh_writer_make(buffer, sizeof(buffer));
    size_t               len = 0;

    mesh_writer_u8(&w, 1);
    mesh_writer_u16be(&w, 0x0203);
    mesh_writer_u16le(&w, 0x0405);
    mesh_writer_u32be(&w, 0x06070809);
    mesh_writer_u32le(&w, 0x0a0b0c0d);
    mesh_writer_zeros(&w, 2);
    mesh_writer_bytes(&w, "ok", 2);
    g_assert_cmpint(mesh_writer_finish(&w, &len), ==, 0);
    g_assert_cmpmem(buffer, len, want, sizeof(want));
}

static void test_long(void)
{
    static const uint8_t want[] = { 1, 2, 3, 4, 5, 6, 7, 8, 8, 7, 6, 5, 4, 3, 2, 1 };
    uint8_t              buffer[sizeof(want)];
    MeshWriter           w = mesh_writer_make(buffer, sizeof(buffer));

    mesh_writer_u64be(&w, 0x0102030405060708);
    mesh_writer_u64le(&w, 0x0102030405060708);
    g_assert_cmpmem(buffer, mesh_writer_length(&w), want, sizeof(want));
}

static void test_overflow(void)
{
    uint8_t    buffer[4] = { 0, 0, 0, 0xaa };
    MeshWriter w = mesh_writer_make(buffer, 3);
    size_t     len = 42;

    mesh_writer_u16be(&w, 0x0102);
    mesh_writer_u16be(&w, 0x0304); /* does not fit */
    mesh_writer_u8(&w, 5);         /* would, but the message is broken already */
    g_assert_cmpint(mesh_writer_finish(&w, &len), ==, -ENOSPC);
    g_assert_cmpuint(len, ==, 42);
    g_assert_cmpuint(mesh_writer_length(&w), ==, 2);
    g_assert_cmphex(buffer[2], ==, 0);
    g_assert_cmphex(buffer[3], ==, 0xaa);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/writer/byte-orders", test_orders);
    g_test_add_func("/writer/64-bit", test_long);
    g_test_add_func("/writer/overflow-sticks", test_overflow);
    return g_test_run();
}
