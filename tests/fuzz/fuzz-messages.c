/* tests/fuzz/fuzz-messages.c: the bodies of requests and answers, join links, and signed objects
 * whose signer is the attacker. The first byte chooses the decoder. */
#include "common/proto/acl.h"
#include "common/proto/joinlink.h"
#include "common/proto/member.h"
#include "common/proto/record.h"
#include "common/proto/register.h"
#include "common/proto/session.h"
#include "common/proto/tip.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const MeshNetworkId net = { { 1, 2, 3, 4, 5, 6, 7, 8 } };

static void try_link(const char *text)
{
    g_autoptr(GError) error = NULL;
    MeshJoinlink link, again;
    char        *back;

    if (!mesh_joinlink_parse(text, &link, &error)) {
        assert(error != NULL);
        return;
    }
    back = mesh_joinlink_format(&link);
    assert(mesh_joinlink_parse(back, &again, &error));
    assert(strcmp(link.host, again.host) == 0 && link.port == again.port);
    assert(mesh_key_equal(&link.server, &again.server));
    mesh_joinlink_free_text(back);
}

static void try_requests(const char *text, size_t len)
{
    g_autoptr(GError) register_error = NULL, report_error = NULL;
    MeshRegister registration = { 0 };
    MeshReport   report = { 0 };

    if (mesh_register_decode(text, len, &registration, &register_error))
        mesh_register_clear(&registration);
    else
        assert(register_error != NULL);
    if (mesh_session_decode_report(text, len, &report, &report_error))
        mesh_session_clear_report(&report);
    else
        assert(report_error != NULL);
}

static void try_answers(const char *text, size_t len)
{
    g_autoptr(GError) register_error = NULL, report_error = NULL, server_error = NULL, error = NULL;
    MeshRegisterAnswer answer = { 0 };
    MeshReportAnswer   report = { 0 };
    MeshServerInfo     server = { 0 };
    MeshSessionHints   hints = { 0 };

    if (mesh_register_decode_answer(text, len, &answer, &register_error))
        mesh_register_clear_answer(&answer);
    else
        assert(register_error != NULL);
    if (!mesh_session_decode_report_answer(text, len, &report, &report_error))
        assert(report_error != NULL);
    if (!mesh_session_decode_server(text, len, &server, &server_error))
        assert(server_error != NULL);
    mesh_session_decode_error(403, text, len, len % 2 == 0 ? &hints : NULL, &error);
    assert(error != NULL);
}

/* A body of any content under a good signature: what a malicious member or server can make. */
static void try_signed(MeshSignedType type, const char *body)
{
    g_autoptr(GError) error = NULL, open_error = NULL;
    g_autoptr(MeshSigned) object = NULL;
    g_autoptr(MeshMember) member = NULL;
    g_autoptr(MeshAcl) acl = NULL;
    MeshSignSecret secret;
    MeshKey        signer;
    MeshRecordK    k;
    MeshRecordE    e;
    MeshTip        tip;
    bool           good = false;

    mesh_sign_make_pair((const uint8_t[MESH_SIGN_SEED_BYTES]){ 7 }, &secret, &signer);
    object = mesh_signed_make(type, &net, body, &secret, &error);
    if (object == NULL)
        return;
    if (type == MESH_SIGNED_K)
        good = mesh_record_open_k(object, &net, &signer, &k, &open_error);
    else if (type == MESH_SIGNED_E)
        good = mesh_record_open_e(object, &net, &signer, &e, &open_error);
    else if (type == MESH_SIGNED_TIP)
        good = mesh_tip_open(object, &net, &signer, &tip, &open_error);
    else if (type == MESH_SIGNED_M)
        good = (member = mesh_member_open(object, &net, &signer, &open_error)) != NULL;
    else
        good = (acl = mesh_acl_open(object, &net, &signer, &open_error)) != NULL;
    assert(good == (open_error == NULL));
}

void fuzz_one(const uint8_t *data, size_t len)
{
    char *text;

    if (len == 0)
        return;
    text = fuzz_dup_text(data + 1, len - 1);
    switch (data[0]) {
    case 'L':
        try_link(text);
        break;
    case 'Q':
        try_requests(text, len - 1);
        break;
    case 'A':
        try_answers(text, len - 1);
        break;
    default:                                                   /* "0" to "4" in the seeds */
        try_signed((MeshSignedType)((data[0] + 2) % 5), text); /* "0" is 48, so K comes first */
    }
    free(text);
}
