/* tests/fuzz/fuzz-relayanswer.c: the head that a relay, or any proxy, answers with. A status has
 * three digits, a value no line break and no white space around it, a date is one.
 *
 * Input: the head. */
#include "daemon/path/relayanswer.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <ctype.h>

#define MAX_BYTES 4096

static void try_field(const char *head, const char *name)
{
    char  *value = path_relayanswer_dup_field(head, name);
    size_t len = value != NULL ? strlen(value) : 0;

    assert(value == NULL || strpbrk(value, "\r\n") == NULL);
    assert(len == 0 || (value[0] != ' ' && value[len - 1] != ' '));
    free(value); /* GLib's allocator is the C library's */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t n = len < MAX_BYTES ? len : MAX_BYTES;
    char  *head = malloc(n + 1); /* its own end: reading over it is seen */
    int    status;

    assert(head != NULL);
    memcpy(head, data, n);
    head[n] = '\0';
    status = path_relayanswer_status(head);
    assert(status == 0 || (status >= 0 && status <= 999 && isdigit((unsigned char)head[9])));
    try_field(head, "Date");
    try_field(head, "Sec-WebSocket-Accept");
    assert(path_relayanswer_date(head) >= -62135596800); /* the year 1 */
    free(head);
    return 0;
}
