/* server/core/answer.c: makes and sends answers. Any thread. */
#include "server/core/answer.h"

#include "common/glib/log.h"
#include "server/core/netmap.h"

CoreAnswer *core_answer_new(unsigned status)
{
    CoreAnswer *answer = g_new0(CoreAnswer, 1);

    answer->status = status;
    return answer;
}

void core_answer_free(CoreAnswer *answer)
{
    if (answer == NULL)
        return;
    g_free(answer->message);
    g_clear_pointer(&answer->body, g_bytes_unref);
    g_clear_pointer(&answer->lines, g_array_unref);
    g_clear_pointer(&answer->result, g_ptr_array_unref);
    g_free(answer);
}

void core_answer_send(CoreReturn to, CoreAnswer *answer)
{
    answer->ticket = to.ticket;
    if (to.deliver != NULL)
        to.deliver(to.mailbox, answer);
    else
        core_answer_free(answer);
}

/* Which of the protocol's codes tells @error. */
static MeshErrorCode wire_code(const GError *error)
{
    if (error->domain != MESH_ERROR)
        return MESH_ERROR_INTERNAL;
    switch (error->code) {
    case MESH_ERROR_BAD_JSON:
    case MESH_ERROR_INVALID_ARGUMENT:
    case MESH_ERROR_UNVERIFIED:
        return MESH_ERROR_BAD_REQUEST;
    default:
        return mesh_error_get_info(error->code)->status != 0 ? (MeshErrorCode)error->code
                                                             : MESH_ERROR_INTERNAL;
    }
}

void core_answer_send_error(CoreReturn to, GError *error)
{
    const MeshErrorInfo *info = mesh_error_get_info((int)wire_code(error));
    CoreAnswer          *answer = core_answer_new(info->status);

    answer->code = info->wire;
    if (info->code == MESH_ERROR_INTERNAL) { /* details stay here */
        mesh_log_error("core: %s", error->message);
        answer->message = g_strdup(info->text);
    } else {
        answer->message = g_strdup(error->message);
    }
    if (info->code == MESH_ERROR_BUSY)
        answer->retry_in_s = CORE_ANSWER_RETRY_S;
    g_error_free(error);
    core_answer_send(to, answer);
}

void core_answer_refuse(CoreReturn to, MeshErrorCode code, const char *text)
{
    core_answer_send_error(to, g_error_new_literal(MESH_ERROR, (gint)code, text));
}

void core_answer_send_limit(CoreReturn to, const char *text, unsigned retry_in_s)
{
    CoreAnswer *answer = core_answer_new(429);

    answer->code = mesh_error_get_info(MESH_ERROR_BUSY)->wire;
    answer->message = g_strdup(text);
    answer->retry_in_s = retry_in_s;
    core_answer_send(to, answer);
}

void core_answer_send_body(CoreReturn to, unsigned status, char *text, size_t len)
{
    CoreAnswer *answer = core_answer_new(status);

    answer->body = g_bytes_new_take(text, len);
    core_answer_send(to, answer);
}

void core_answer_send_line(CoreReturn to, CoreLineKind kind, uint32_t index, GBytes *bytes)
{
    CoreAnswer *answer = core_answer_new(200);

    answer->lines = core_netmap_new_lines();
    core_netmap_add(answer->lines, kind, index, bytes);
    g_bytes_unref(bytes);
    core_answer_send(to, answer);
}
