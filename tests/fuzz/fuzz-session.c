/* tests/fuzz/fuzz-session.c: bodies of register, report, errors and server information, at the end
 * that reads them: what is accepted encodes to a text that reads back to the same text.
 *
 * The first byte of the input picks the message, the rest is its body. */
#include "common/proto/register.h"
#include "common/proto/session.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

static const MeshNetworkId net = { { 1 } };

/* Decodes @text; owned text as encoded again, or NULL and an error. */
typedef char *(*Recode)(const char *text, size_t len, GError **error);

static char *recode_register(const char *text, size_t len, GError **error)
{
    MeshRegister message = { 0 };
    g_autoptr(GError) why = NULL;
    char *again;

    if (!mesh_register_decode(text, len, &message, error))
        return NULL;
    assert(message.k != NULL && g_utf8_validate(message.name, -1, NULL));
    if (message.has_join)
        fuzz_outcome(mesh_register_verify_join(&message, &net, &why), &why);
    again = mesh_register_encode(&message, &len);
    mesh_register_clear(&message);
    return again;
}

static char *recode_register_answer(const char *text, size_t len, GError **error)
{
    MeshRegisterAnswer answer = { 0 };
    char              *again;

    if (!mesh_register_decode_answer(text, len, &answer, error))
        return NULL;
    assert(!answer.active || answer.m != NULL);
    again = mesh_register_encode_answer(&answer, &len);
    mesh_register_clear_answer(&answer);
    return again;
}

static char *recode_report(const char *text, size_t len, GError **error)
{
    MeshReport report = { 0 };
    char      *again;

    if (!mesh_session_decode_report(text, len, &report, error))
        return NULL;
    assert(report.e != NULL && report.n_health <= MESH_SESSION_MAX_HEALTH);
    for (size_t i = 0; i < report.n_health; i++)
        assert(g_utf8_validate(report.health[i], -1, NULL));
    again = mesh_session_encode_report(&report, &len);
    mesh_session_clear_report(&report);
    return again;
}

static char *recode_report_answer(const char *text, size_t len, GError **error)
{
    MeshReportAnswer answer = { 0 };

    if (!mesh_session_decode_report_answer(text, len, &answer, error))
        return NULL;
    return mesh_session_encode_report_answer(&answer, &len);
}

static char *recode_server(const char *text, size_t len, GError **error)
{
    MeshServerInfo info = { 0 };

    if (!mesh_session_decode_server(text, len, &info, error))
        return NULL;
    assert(g_utf8_validate(info.name, -1, NULL) && g_utf8_validate(info.version, -1, NULL));
    return mesh_session_encode_server(&info, &len);
}

/* An error's body is never refused: it always becomes some error; a known code stays itself. */
static char *recode_error(const char *text, size_t len, GError **error)
{
    static const unsigned statuses[] = {
        400, 401, 403, 404, 409, 413, 421, 429, 500, 503, 418, 599
    };
    MeshSessionHints hints = { 0 }, again = { 0 };
    g_autoptr(GError) first = NULL, second = NULL;
    unsigned status = statuses[len % G_N_ELEMENTS(statuses)];
    char    *made;

    (void)error;
    mesh_session_decode_error(status, text, len, &hints, &first);
    assert(first != NULL && first->domain == MESH_ERROR);
    assert(g_utf8_validate(first->message, -1, NULL));
    if (mesh_error_get_info(first->code)->status == 0)
        return g_strdup("");
    made = mesh_session_encode_error(first->code, first->message, &hints, &len);
    mesh_session_decode_error(status, made, len, &again, &second);
    assert(second != NULL && second->code == first->code);
    g_free(made);
    return g_strdup("");
}

static const struct {
    char   pick;
    Recode recode;
} kinds[] = {
    { 'R', recode_register },      { 'r', recode_register_answer }, { 'E', recode_report },
    { 'e', recode_report_answer }, { 's', recode_server },          { 'x', recode_error },
};

static void check(Recode recode, const char *text, size_t len)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *first = recode(text, len, &error), *second = NULL;

    if (!fuzz_outcome(first != NULL, &error) || first[0] == '\0')
        return;
    second = recode(first, strlen(first), &error);
    assert(second != NULL && strcmp(first, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    for (size_t i = 0; len > 0 && i < G_N_ELEMENTS(kinds); i++) {
        if (data[0] == (uint8_t)kinds[i].pick)
            check(kinds[i].recode, (const char *)data + 1, len - 1);
    }
    return 0;
}
