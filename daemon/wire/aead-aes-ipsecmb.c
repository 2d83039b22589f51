/* daemon/wire/aead-aes-ipsecmb.c: AES-256-GCM by Intel's ipsec-mb; x86-64 with AES-NI and
 * PCLMULQDQ, best with VAES.
 *
 * The direct interface: one call a packet, done when it returns; the key's schedule and powers of
 * H are made once. The manager names functions and holds nothing, so one serves all threads. */
#include "daemon/wire/aead-nonce.h"
#include "daemon/wire/aead-tag.h"
#include "daemon/wire/aead.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "common/std/key.h"

static IMB_MGR       *manager; /* for the life of the process; NULL: not for this machine */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void look_at_cpu(void)
{
    const uint64_t needs = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
    IMB_MGR       *made = wire_suite_is_fit(WIRE_SUITE_AESGCM1) ? alloc_mb_mgr(0) : NULL;

    if (made == NULL)
        return;
    init_mb_mgr_auto(made, NULL);
    if (imb_get_errno(made) == 0 && (made->features & needs) == needs)
        manager = made;
    else
        free_mb_mgr(made);
}

int wire_aead_aes_ipsecmb_init(void)
{
    pthread_once(&once, look_at_cpu);
    return manager != NULL ? 0 : -ENOTSUP;
}

static void *context_new(const uint8_t key[WIRE_AEAD_KEY_BYTES], bool seal)
{
    struct gcm_key_data *self = aligned_alloc(64, (sizeof(*self) + 63) / 64 * 64);

    (void)seal;
    if (self != NULL)
        IMB_AES256_GCM_PRE(manager, key, self);
    return self;
}

static void context_free(void *context)
{
    if (context == NULL)
        return;
    mesh_key_wipe(context, sizeof(struct gcm_key_data));
    free(context);
}

static void seal_batch(void *context, uint64_t first_counter, WireSeg *segs, size_t n_segs)
{
    struct gcm_context_data state; /* of one packet: no key, but key stream */

    for (size_t i = 0; i < n_segs; i++) {
        WireSeg *seg = &segs[i];
        uint8_t  nonce[WIRE_AEAD_NONCE_BYTES];

        seg->counter = first_counter + i;
        wire_aead_nonce_be(seg->counter, nonce);
        IMB_AES256_GCM_ENC(manager, context, &state, seg->out, seg->in, seg->len, nonce, NULL, 0,
                           seg->out + seg->len, WIRE_AEAD_TAG_BYTES);
    }
    sodium_memzero(&state, sizeof(state));
}

static size_t open_batch(void *context, WireSeg *segs, size_t n_segs)
{
    struct gcm_context_data state;
    uint8_t                 nonce[WIRE_AEAD_NONCE_BYTES], tag[WIRE_AEAD_TAG_BYTES];
    size_t                  n_right = 0;

    for (size_t i = 0; i < n_segs; i++) {
        WireSeg *seg = &segs[i];

        wire_aead_nonce_be(seg->counter, nonce);
        IMB_AES256_GCM_DEC(manager, context, &state, seg->out, seg->in, seg->len, nonce, NULL, 0,
                           tag, sizeof(tag));
        seg->tag_ok = wire_aead_tag_is(tag, seg->in + seg->len);
        n_right += seg->tag_ok;
    }
    sodium_memzero(&state, sizeof(state));
    sodium_memzero(tag, sizeof(tag)); /* of a forger's text: his to find out by trying, else */
    return n_right;
}

const WireAead wire_aead_aes_ipsecmb = {
    .name = "ipsec-mb",
    .suite = WIRE_SUITE_AESGCM1,
    .is_shared = true,
    .context_new = context_new,
    .context_free = context_free,
    .seal_batch = seal_batch,
    .open_batch = open_batch,
};
