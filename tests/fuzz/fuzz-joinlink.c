/* tests/fuzz/fuzz-joinlink.c: join links: one link, one meaning, and no secret in an error. */
#include "common/proto/joinlink.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

static bool equal(const MeshJoinlink *a, const MeshJoinlink *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port &&
           mesh_network_equal_id(&a->network, &b->network) &&
           mesh_key_equal(&a->server, &b->server) && a->webpki == b->webpki &&
           a->has_secret == b->has_secret && memcmp(a->secret, b->secret, sizeof a->secret) == 0;
}

/* No run of 16 characters behind "k=" may be told; our own texts have no word of that length. */
static void check_silence(const char *text, const char *message)
{
    const char *secret = strstr(text, "k=");
    char        part[17] = "";

    for (secret = secret != NULL ? secret + 2 : ""; strlen(secret) >= 16; secret++) {
        memcpy(part, secret, 16);
        assert(strpbrk(part, " :=,") != NULL || strstr(message, part) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char        *text = fuzz_dup_text(data, len), *back, *authority;
    MeshJoinlink link = { .port = 7 }, again = { 0 };
    g_autoptr(GError) error = NULL;

    if (!mesh_joinlink_parse(text, &link, &error)) {
        assert(link.port == 7 && error->code == MESH_ERROR_BAD_LINK);
        check_silence(text, error->message);
        fuzz_refused(&error);
        free(text);
        return 0;
    }
    assert(strlen(text) <= MESH_JOINLINK_MAX && link.port != 0 && link.host[0] != '\0');
    assert(strpbrk(link.host, "/?#@&= []%\\") == NULL);
    back = mesh_joinlink_format(&link);
    assert(mesh_joinlink_parse(back, &again, NULL) && equal(&link, &again));
    authority = mesh_joinlink_dup_authority(&link);
    assert(strpbrk(authority, "/?#@&= %\\") == NULL);
    g_free(authority);
    mesh_joinlink_wipe(&link);
    for (size_t i = 0; i < sizeof link.secret; i++)
        assert(link.secret[i] == 0);
    mesh_joinlink_free_text(back);
    free(text);
    return 0;
}
