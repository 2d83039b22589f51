/* tests/fuzz/fuzz-uapi.c: bytes on the userspace socket. What a set request leaves behind, get
 * tells, and set takes again and leaves the same. */
#include "common/std/key.h"
#include "daemon/uapi/reply.h"
#include "daemon/uapi/request.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int get_nobody(void *data, const MeshKey *peer, WirePeerInfo *out_info)
{
    (void)data;
    (void)peer;
    (void)out_info;
    return -ENOENT;
}

/* Takes the lines of @text (destroyed) into @state, if all of them are good. */
static int set(UapiState *state, char *text)
{
    UapiDraft draft;
    char     *rest = text, *line;
    int       rc = uapi_request_begin(&draft, state);

    assert(rc == 0);
    while (rc == 0 && (line = strsep(&rest, "\n")) != NULL && *line != '\0')
        rc = uapi_request_take(&draft, line);
    if (rc == 0) {
        UapiState old = *state;

        uapi_request_finish(&draft);
        *state = draft.next;
        draft.next = (UapiState){ .config = NULL };
        uapi_state_done(&old);
    }
    uapi_request_end(&draft);
    return rc;
}

static char *get(const UapiState *state)
{
    UapiLive live = { .get_peer = get_nobody, .listen_port = state->listen_port };
    UapiText text = { .text = NULL };
    char    *copy;

    uapi_reply_write_state(&text, state, &live);
    assert(text.error == 0);
    copy = fuzz_dup_text((const uint8_t *)(text.len == 0 ? "" : text.text), text.len);
    assert(strlen(copy) == text.len);
    uapi_text_done(&text);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char     *request = fuzz_dup_text(data, len), *first, *spent, *second;
    UapiState state, again;

    assert(mesh_key_init() == 0);
    assert(uapi_state_init(&state) == 0 && uapi_state_init(&again) == 0);
    if (set(&state, request) == 0) {
        first = get(&state);
        spent = fuzz_dup_text((const uint8_t *)first, strlen(first));
        assert(set(&again, spent) == 0);
        second = get(&again);
        assert(strcmp(first, second) == 0);
        free(first);
        free(spent);
        free(second);
    }
    uapi_state_done(&state);
    uapi_state_done(&again);
    free(request);
    return 0;
}
