/* The userspace WireGuard socket when each allocation or read fails once: a set request is done
 * whole and answered errno=0, or not at all; an answer is never half of one. */
#include "common/std/key.h"
#include "daemon/uapi/client.h"
#include "tests/faults/shortage.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

static int get_nobody(void *data, const MeshKey *peer, WirePeerInfo *out_info)
{
    (void)data;
    (void)peer;
    (void)out_info;
    return -ENOENT;
}

static void answer_get(void *data, UapiText *out)
{
    UapiState *state = data;
    UapiLive   live = { .get_peer = get_nobody, .listen_port = state->listen_port };

    uapi_reply_write_state(out, state, &live);
}

static int apply_set(void *data, UapiDraft *draft)
{
    UapiState *state = data, old = *state;

    *state = draft->next;
    draft->next = (UapiState){ .config = NULL };
    uapi_state_done(&old);
    return 0;
}

static char *describe(UapiState *state)
{
    UapiText text = { .text = NULL };
    char    *copy;

    answer_get(state, &text);
    g_assert_cmpint(text.error, ==, 0);
    copy = g_strndup(text.text, text.len);
    uapi_text_done(&text);
    return copy;
}

/* A set request with enough in it to make every table grow. */
static char *make_request(void)
{
    GString *text = g_string_new("set=1\nlisten_port=51820\nprivate_key=" KEY "0\n");

    for (unsigned i = 0; i < 20; i++) {
        g_string_append_printf(text, "public_key=" KEY "%x\n", i % 16);
        g_string_append_printf(text, "endpoint=192.0.2.1:%u\n", i + 1);
        for (unsigned j = 0; j < 4; j++)
            g_string_append_printf(text, "allowed_ip=10.%u.%u.0/24\n", i, j);
    }
    g_string_append(text, "\n");
    return g_string_free(text, FALSE);
}

/* Sends a request and lets the client's side work; returns what came back; NULL: it hung up. */
static char *ask(const UapiHandler *handler, const char *request)
{
    UapiClient    client = { .fd = -1 };
    GString      *answer = g_string_new(NULL);
    char          part[65536];
    struct pollfd ready;
    ssize_t       n;
    int           fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_cmpint(send(fds[0], request, strlen(request), 0), ==, (int)strlen(request));
    g_assert_cmpint(shutdown(fds[0], SHUT_WR), ==, 0);
    g_assert_cmpint(fcntl(fds[1], F_SETFL, O_NONBLOCK), ==, 0);
    uapi_client_open(&client, fds[1], handler);
    ready.fd = fds[1];
    shortage_begin();
    while (client.fd >= 0) { /* until it has answered and seen the end */
        ready.events = uapi_client_events(&client);
        uapi_client_handle(&client, ready.events);
    }
    shortage_end();
    while ((n = recv(fds[0], part, sizeof(part), 0)) > 0)
        g_string_append_len(answer, part, n);
    close(fds[0]);
    return g_string_free(answer, answer->len == 0);
}

static void use_set(void)
{
    g_autofree char *request = make_request(), *before = NULL, *after = NULL, *answer = NULL;
    UapiState        state;
    UapiHandler      handler = { &state, answer_get, apply_set, &state };

    g_assert_cmpint(uapi_state_init(&state), ==, 0);
    before = describe(&state);
    answer = ask(&handler, request);
    after = describe(&state);
    if (answer == NULL || strcmp(answer, "errno=0\n\n") != 0)
        g_assert_true(shortage_happened());
    if (answer != NULL && strcmp(answer, "errno=0\n\n") != 0) {
        g_assert_true(g_str_has_prefix(answer, "errno=") && g_str_has_suffix(answer, "\n\n"));
        g_assert_cmpstr(after, ==, before);
    }
    if (answer != NULL && strcmp(answer, "errno=0\n\n") == 0)
        g_assert_cmpstr(after, !=, before);
    g_free(answer);
    answer = ask(&handler, request); /* again: what is there is named once more */
    g_free(after);
    after = describe(&state);
    if (g_strcmp0(answer, "errno=0\n\n") == 0)
        g_assert_nonnull(strstr(after, "allowed_ip=10.19.3.0/24"));
    uapi_state_done(&state);
}

static void use_get(void)
{
    g_autofree char *request = make_request(), *told = NULL, *answer = NULL, *set = NULL;
    g_autofree char *want = NULL;
    UapiState        state;
    UapiHandler      handler = { &state, answer_get, apply_set, &state };
    UapiDraft        draft;
    char            *rest = request, *line;

    g_assert_cmpint(uapi_state_init(&state), ==, 0);
    g_assert_cmpint(uapi_request_begin(&draft, &state), ==, 0);
    strsep(&rest, "\n");
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0')
        g_assert_cmpint(uapi_request_take(&draft, line), ==, 0);
    uapi_request_finish(&draft);
    apply_set(&state, &draft);
    uapi_request_end(&draft);
    told = describe(&state);
    want = g_strconcat(told, "errno=0\n\n", NULL);
    answer = ask(&handler, "get=1\n\n");
    if (answer != NULL)
        g_assert_cmpstr(answer, ==, want); /* all of it or nothing */
    else
        g_assert_true(shortage_happened());
    uapi_state_done(&state);
}

static const ShortageRow rows[] = {
    { "uapi/set/memory", { SHORTAGE_MEMORY, ENOMEM, false }, use_set, 100 },
    { "uapi/set/memory-for-good", { SHORTAGE_MEMORY, ENOMEM, true }, use_set, 100 },
    { "uapi/set/reads-interrupted", { SHORTAGE_READS, EINTR, false }, use_set, 2 },
    { "uapi/set/reset", { SHORTAGE_READS, ECONNRESET, true }, use_set, 2 },
    { "uapi/get/memory", { SHORTAGE_MEMORY, ENOMEM, false }, use_get, 1 },
    { "uapi/get/reset", { SHORTAGE_READS, ECONNRESET, false }, use_get, 1 },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    shortage_add_rows(rows, G_N_ELEMENTS(rows));
    return g_test_run();
}
