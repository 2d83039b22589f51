/* Tests of common/glib/jsonout.c: exact texts, and what it writes passes the strict check. */
#include "common/glib/json.h"
#include "common/glib/jsonout.h"

#include <string.h>

static void test_all(void)
{
    MeshJsonOut      out;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    size_t len = 0;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "text", "a\"b\\c/\n\t\x01\x7f ü");
    mesh_jsonout_text(&out, "left-out", NULL);
    mesh_jsonout_int(&out, "int", 9007199254740991);
    mesh_jsonout_open(&out, "list", '[');
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_open(&out, "more", '[');
    mesh_jsonout_int(&out, NULL, -1);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_close(&out, '}');
    mesh_jsonout_bool(&out, NULL, true);
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_b64u(&out, "b64u", "\xff\xff\xfe", 3);
    mesh_jsonout_raw(&out, "raw", "{\"a\":1}");
    mesh_jsonout_text_len(&out, "part", "abcdef", 3);
    mesh_jsonout_close(&out, '}');
    text = mesh_jsonout_finish(&out, &len);
    g_assert_cmpstr(text, ==,
                    "{\"text\":\"a\\\"b\\\\c/\\n\\t\\u0001\x7f ü\",\"int\":9007199254740991,"
                    "\"list\":[],\"more\":[-1,{},true],\"b64u\":\"___-\",\"raw\":{\"a\":1},"
                    "\"part\":\"abc\"}");
    g_assert_cmpuint(len, ==, strlen(text));
    mesh_json_check(text, len, &error);
    g_assert_no_error(error);
}

static void test_dropped(void)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_int(&out, NULL, 1);
    mesh_jsonout_done(&out);
    g_assert_null(out.text);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/jsonout/all", test_all);
    g_test_add_func("/jsonout/dropped", test_dropped);
    return g_test_run();
}
