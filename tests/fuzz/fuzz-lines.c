/* tests/fuzz/fuzz-lines.c: the stream of the map cut into lines: how the bytes arrive must change
 * nothing, and no line is longer than it may be.
 *
 * Input: how many bytes come at a time, then the bytes. */
#include "daemon/control/lines.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

#define MAX_LINE 48

/* Each line with its length in front, so that two lists of lines compare as bytes. */
static bool note_line(const char *text, size_t len, void *user_data)
{
    GString *list = user_data;

    assert(len <= MAX_LINE && memchr(text, '\n', len) == NULL);
    g_string_append_printf(list, "%zu:", len);
    g_string_append_len(list, text, (gssize)len);
    return len != 4 || memcmp(text, "stop", 4) != 0;
}

static GString *cut(const uint8_t *data, size_t len, size_t step, bool *out_ok)
{
    GString     *list = g_string_new(NULL);
    ControlLines lines;

    control_lines_init(&lines, MAX_LINE);
    *out_ok = true;
    for (size_t at = 0; at < len && *out_ok; at += step) {
        size_t   part = step < len - at ? step : len - at;
        uint8_t *copy = g_memdup2(data + at, part); /* of its length: one byte more is seen */

        *out_ok = control_lines_feed(&lines, (const char *)copy, part, note_line, list);
        g_free(copy);
    }
    control_lines_done(&lines);
    return list;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bool      whole_ok, parts_ok;
    FuzzInput in = fuzz_make_input(data, len);
    size_t    step = fuzz_take_u8(&in) % 16 + 1;
    GString  *whole = cut(in.at, in.left, in.left + 1, &whole_ok);
    GString  *parts = cut(in.at, in.left, step, &parts_ok);

    assert(whole_ok == parts_ok && g_string_equal(whole, parts));
    g_string_free(whole, TRUE);
    g_string_free(parts, TRUE);
    return 0;
}
