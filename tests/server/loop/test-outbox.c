#include "server/loop/outbox.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static unsigned released;

static void count_release(void *owner)
{
    g_assert_true(owner == &released);
    released++;
}

static LoopItem make(const char *text, uint64_t tag)
{
    return (LoopItem){
        .data = text, .len = strlen(text), .release = count_release, .owner = &released, .tag = tag
    };
}

static void push(LoopOutbox *box, const char *text, uint64_t tag)
{
    LoopItem item = make(text, tag);

    g_assert_cmpint(loop_outbox_push(box, &item), ==, 0);
}

/* What is still to be written, offered in steps of @step bytes. */
static char *read_all(LoopOutbox *box, size_t step)
{
    GString *all = g_string_new(NULL);
    uint8_t  part[64];

    for (MeshSpan span; (span = loop_outbox_offer(box, part, step)).len > 0;) {
        g_string_append_len(all, span.data, (gssize)span.len);
        loop_outbox_take(box, span.len);
    }
    g_assert_true(loop_outbox_is_empty(box));
    g_assert_cmpuint(box->counted, ==, 0);
    return g_string_free(all, FALSE);
}

static void test_steps(void)
{
    for (size_t step = 1; step < 20; step++) {
        LoopOutbox       box = { 0 };
        LoopItem         item = make("hello", 0);
        g_autofree char *all = NULL;

        released = 0;
        memcpy(item.before, "5\r\n", item.before_len = 3);
        memcpy(item.after, "\r\n", item.after_len = 2);
        g_assert_cmpint(loop_outbox_push(&box, &item), ==, 0);
        push(&box, "more", 0);
        all = read_all(&box, step);
        g_assert_cmpstr(all, ==, "5\r\nhello\r\nmore");
        g_assert_cmpuint(released, ==, 2);
    }
}

static void test_copied(void)
{
    LoopOutbox       box = { 0 };
    char             text[] = "copied";
    LoopItem         item = { .data = text, .len = 6 };
    g_autofree char *all = NULL;

    g_assert_cmpint(loop_outbox_push(&box, &item), ==, 0);
    memset(text, 'x', 6);
    all = read_all(&box, 64);
    g_assert_cmpstr(all, ==, "copied");
}

static void test_replace(void)
{
    LoopOutbox       box = { 0 };
    uint8_t          part[3];
    g_autofree char *all = NULL;

    push(&box, "AAAA", 1);
    push(&box, "BBBB", 2);
    push(&box, "CCCC", 3);
    g_assert_cmpuint(loop_outbox_gather(&box, part, sizeof(part)), ==, 3);
    released = 0;
    push(&box, "bbb", 2);
    g_assert_cmpuint(released, ==, 1);
    push(&box, "aa", 1); /* its bytes are under way: it comes behind */
    push(&box, "c", 3);
    push(&box, "dd", 4);
    all = read_all(&box, 64);
    g_assert_cmpstr(all, ==, "AAAAbbbaacdd"); /* none before what was pushed before it */
}

/* Of what was offered nothing may vanish, even when nothing of it was taken yet. */
static void test_drop(void)
{
    for (size_t offered = 0; offered <= 12; offered++) {
        LoopOutbox       box = { 0 };
        uint8_t          part[64];
        g_autofree char *all = NULL;
        const char      *want = offered == 0   ? "!"
                                : offered <= 4 ? "AAAA!"
                                : offered <= 8 ? "AAAABBBB!"
                                               : "AAAABBBBCCCC!";

        push(&box, "AAAA", 0);
        push(&box, "BBBB", 0);
        push(&box, "CCCC", 0);
        g_assert_cmpuint(loop_outbox_gather(&box, part, offered), ==, offered);
        loop_outbox_drop_queued(&box);
        push(&box, "!", 0);
        all = read_all(&box, 64);
        g_assert_cmpstr(all, ==, want);
    }
}

/* A response's head waits until its client reads: it must not go with the lines behind it. */
static void test_drop_keeps_uncounted(void)
{
    LoopOutbox       box = { 0 };
    LoopItem         head = make("HEAD", 0), line = make("line", 0), end = make("!", 0);
    g_autofree char *all = NULL;

    head.uncounted = end.uncounted = true;
    g_assert_cmpint(loop_outbox_push(&box, &head), ==, 0);
    g_assert_cmpint(loop_outbox_push(&box, &line), ==, 0);
    g_assert_cmpint(loop_outbox_push(&box, &head), ==, 0);
    g_assert_cmpint(loop_outbox_push(&box, &line), ==, 0);
    loop_outbox_drop_queued(&box);
    g_assert_cmpuint(box.counted, ==, 0);
    g_assert_cmpint(loop_outbox_push(&box, &end), ==, 0);
    all = read_all(&box, 64);
    g_assert_cmpstr(all, ==, "HEADHEAD!");
}

static void test_bound(void)
{
    LoopOutbox       box = { 0 };
    g_autofree char *big = g_strnfill(LOOP_OUTBOX_BYTES + 1, 'x');
    LoopItem         item = make(big, 0);
    LoopItem         small = make("y", 0);
    unsigned         n = 0;

    released = 0;
    g_assert_cmpint(loop_outbox_push(&box, &item), ==, 0); /* alone it may be larger */
    g_assert_cmpint(loop_outbox_push(&box, &small), ==, -ENOBUFS);
    g_assert_cmpuint(released, ==, 1); /* taken on failure too */
    small.uncounted = true;
    g_assert_cmpint(loop_outbox_push(&box, &small), ==, 0);
    loop_outbox_clear(&box);
    g_assert_cmpuint(released, ==, 3);
    for (LoopItem one = make("0123456789abcdef", 0); loop_outbox_push(&box, &one) == 0;)
        n++;
    g_assert_cmpuint(n, ==, LOOP_OUTBOX_BYTES / 16);
    loop_outbox_clear(&box);
    g_assert_true(loop_outbox_is_empty(&box));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loop/outbox/in-steps", test_steps);
    g_test_add_func("/loop/outbox/copies-what-it-cannot-hold", test_copied);
    g_test_add_func("/loop/outbox/newer-replaces-waiting", test_replace);
    g_test_add_func("/loop/outbox/drop-keeps-what-was-offered", test_drop);
    g_test_add_func("/loop/outbox/drop-keeps-what-was-offered-keeps-uncounted",
                    test_drop_keeps_uncounted);
    g_test_add_func("/loop/outbox/bound", test_bound);
    return g_test_run();
}
