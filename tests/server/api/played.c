#include "tests/server/api/played.h"

#include "common/std/endpoint.h"
#include "common/std/sign.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

struct Played {
    Api  *api;
    Loop *loop;
};

/* Not a GAsyncQueue: ThreadSanitizer does not know GLib's locks. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  came = PTHREAD_COND_INITIALIZER;
static GQueue          calls = G_QUEUE_INIT; /* of PlayedCall, under lock */
static CoreIdentity    identity;

static const uint8_t seed[LOOP_SEED_BYTES] = { 7 };

/* --- what server/core offers --- */

const CoreIdentity *core_get_identity(const Core *self)
{
    (void)self;
    return &identity;
}

void core_answer_free(CoreAnswer *answer)
{
    if (answer == NULL)
        return;
    for (guint i = 0; answer->lines != NULL && i < answer->lines->len; i++)
        g_bytes_unref(g_array_index(answer->lines, CoreLine, i).bytes);
    g_clear_pointer(&answer->lines, g_array_unref);
    g_clear_pointer(&answer->body, g_bytes_unref);
    g_free(answer->message);
    g_free(answer);
}

static void push(PlayedCall *call)
{
    pthread_mutex_lock(&lock);
    g_queue_push_tail(&calls, call);
    pthread_cond_signal(&came);
    pthread_mutex_unlock(&lock);
}

static PlayedCall *note(PlayedKind kind, const CoreCaller *caller, GBytes *body, CoreReturn to)
{
    PlayedCall *call = g_new0(PlayedCall, 1);

    call->kind = kind;
    call->caller = *caller;
    call->to = to;
    if (body != NULL)
        call->body = g_strndup(g_bytes_get_data(body, NULL), g_bytes_get_size(body));
    return call;
}

void core_register(Core *self, const CoreCaller *caller, GBytes *body, unsigned wait_s,
                   CoreReturn to)
{
    PlayedCall *call = note(PLAYED_REGISTER, caller, body, to);

    (void)self;
    call->wait_s = wait_s;
    push(call);
}

void core_open_map(Core *self, const CoreCaller *caller, const CoreMapArgs *args, CoreReturn to)
{
    PlayedCall *call = note(PLAYED_MAP, caller, NULL, to);

    (void)self;
    call->args = *args;
    push(call);
}

void core_close_map(Core *self, uint64_t stream)
{
    PlayedCall *call = g_new0(PlayedCall, 1);

    (void)self;
    call->kind = PLAYED_CLOSE;
    call->stream = stream;
    push(call);
}

void core_report(Core *self, const CoreCaller *caller, GBytes *body, CoreReturn to)
{
    (void)self;
    push(note(PLAYED_REPORT, caller, body, to));
}

void core_ask(Core *self, CoreQuestion what, const CoreCaller *caller, CoreReturn to)
{
    (void)self;
    push(note(what == CORE_ASK_LEAVE ? PLAYED_LEAVE : PLAYED_RELAYS, caller, NULL, to));
}

/* --- the test's side --- */

Played *played_new(unsigned shards, unsigned header_ms)
{
    Played   *self = g_new0(Played, 1);
    ApiConfig api_config = {
        .core = (Core *)self, .header_ms = header_ms, .body_ms = header_ms, .idle_ms = header_ms
    };
    LoopConfig config = { .n_listen = 1,
                          .shards = shards,
                          .max_connections = 100,
                          .accept_rate = 1000,
                          .accept_burst = 1000,
                          .handshake_ms = 10000,
                          .events = api_router_get_events() };
    char       why[LOOP_WHY_SIZE] = "";

    (void)signal(SIGPIPE, SIG_IGN);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    mesh_sign_make_pair(seed, NULL, &identity.key);
    mesh_reqsign_fingerprint(&identity.key, identity.fingerprint);
    self->api = api_router_new(&api_config);
    config.listen[0] = mesh_endpoint_make4(INADDR_LOOPBACK, 0);
    config.user_data = self->api;
    if (loop_start(&config, seed, &self->loop, why) < 0)
        g_error("%s", why);
    return self;
}

void played_free(Played *self)
{
    loop_stop(self->loop, 2000);
    api_router_detach(self->api);
    loop_free(self->loop);
    api_router_free(self->api);
    g_queue_clear_full(&calls, (GDestroyNotify)played_call_free);
    g_free(self);
}

unsigned played_get_port(const Played *self)
{
    return loop_get_port(self->loop, 0);
}

const char *played_get_fingerprint(void)
{
    return identity.fingerprint;
}

PlayedCall *played_wait(Played *self)
{
    struct timespec until;
    PlayedCall     *call;

    (void)self;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10; /* only ends a hang */
    pthread_mutex_lock(&lock);
    while (g_queue_is_empty(&calls))
        g_assert_cmpint(pthread_cond_timedwait(&came, &lock, &until), ==, 0);
    call = g_queue_pop_head(&calls);
    pthread_mutex_unlock(&lock);
    return call;
}

void played_call_free(PlayedCall *call)
{
    g_free(call->body);
    g_free(call);
}

static CoreAnswer *new_answer(const PlayedCall *call, unsigned status)
{
    CoreAnswer *answer = g_new0(CoreAnswer, 1);

    answer->ticket = call->to.ticket;
    answer->status = status;
    return answer;
}

void played_answer_body(const PlayedCall *call, unsigned status, const char *body)
{
    CoreAnswer *answer = new_answer(call, status);

    answer->body = g_bytes_new(body, strlen(body));
    call->to.deliver(call->to.mailbox, answer);
}

void played_answer_error(const PlayedCall *call, unsigned status, const char *code,
                         unsigned retry_in_s)
{
    CoreAnswer *answer = new_answer(call, status);

    answer->code = code;
    answer->message = g_strdup("as the test says");
    answer->retry_in_s = retry_in_s;
    call->to.deliver(call->to.mailbox, answer);
}

void played_answer_lines(const PlayedCall *call, uint64_t stream, const char *const *lines)
{
    static const char kinds[] = "hsdepx"; /* in the order of CoreLineKind */
    CoreAnswer       *answer = new_answer(call, 200);

    answer->stream = stream;
    answer->hb_s = 60;
    answer->lines = g_array_new(FALSE, FALSE, sizeof(CoreLine));
    for (size_t i = 0; lines[i] != NULL; i++) {
        CoreLine line = {
            .bytes = g_bytes_new(lines[i] + 2, strlen(lines[i] + 2)),
            .kind = (CoreLineKind)(strchr(kinds, lines[i][0]) - kinds),
            .index = (uint32_t)(lines[i][2] - '0'),
        };

        g_array_append_val(answer->lines, line);
    }
    call->to.deliver(call->to.mailbox, answer);
}
