/* daemon/wire/aead-ipsecmb.c: ChaCha20-Poly1305 by Intel's ipsec-mb; x86-64 with AVX2 or better.
 *
 * Half of EVP's time a packet, which is mostly its parameters. Its job interface, one job at a
 * time: a job of this cipher is done when it is submitted. A manager is scratch of one thread, made
 * at the thread's first run and freed at its end. */
#include "daemon/wire/aead-nonce.h"
#include "daemon/wire/aead-tag.h"
#include "daemon/wire/aead.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/std/key.h"

typedef struct {
    _Alignas(64) uint8_t key[WIRE_AEAD_KEY_BYTES]; /* the library wants it aligned */
} Context;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t  managers;
static bool           is_usable;

static void free_manager(void *manager)
{
    free_mb_mgr(manager);
}

static IMB_MGR *new_manager(void)
{
    IMB_MGR *manager = alloc_mb_mgr(0);

    if (manager != NULL)
        init_mb_mgr_auto(manager, NULL);
    return manager;
}

static void look_at_cpu(void)
{
    const uint64_t needs = IMB_FEATURE_AVX2 | IMB_FEATURE_AESNI;
    IMB_MGR       *manager = new_manager();

    is_usable = manager != NULL && imb_get_errno(manager) == 0 &&
                (manager->features & needs) == needs &&
                pthread_key_create(&managers, free_manager) == 0;
    if (manager != NULL)
        free_mb_mgr(manager);
}

int wire_aead_ipsecmb_init(void)
{
    pthread_once(&once, look_at_cpu);
    return is_usable ? 0 : -ENOTSUP;
}

/* Once a run. Without memory for it a thread can neither seal nor tell anybody. */
static IMB_MGR *get_manager(void)
{
    IMB_MGR *manager = pthread_getspecific(managers);

    if (manager != NULL)
        return manager;
    manager = new_manager();
    if (manager == NULL || pthread_setspecific(managers, manager) != 0)
        abort();
    return manager;
}

static void *context_new(const uint8_t key[WIRE_AEAD_KEY_BYTES], bool seal)
{
    Context *self = aligned_alloc(_Alignof(Context), sizeof(*self));

    (void)seal;
    if (self != NULL)
        memcpy(self->key, key, sizeof(self->key));
    return self;
}

static void context_free(void *context)
{
    if (context == NULL)
        return;
    mesh_key_wipe(context, sizeof(Context));
    free(context);
}

/* @tag is written: computed over what is, or becomes, the ciphertext. */
static void run_job(IMB_MGR *manager, const Context *self, const WireSeg *seg, bool seal,
                    uint8_t tag[WIRE_AEAD_TAG_BYTES])
{
    uint8_t  nonce[WIRE_AEAD_NONCE_BYTES];
    IMB_JOB *job = IMB_GET_NEXT_JOB(manager);

    wire_aead_nonce_le(seg->counter, nonce);
    *job = (IMB_JOB){
        .cipher_mode = IMB_CIPHER_CHACHA20_POLY1305,
        .hash_alg = IMB_AUTH_CHACHA20_POLY1305,
        .cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
        .chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER,
        .enc_keys = self->key,
        .dec_keys = self->key,
        .key_len_in_bytes = WIRE_AEAD_KEY_BYTES,
        .src = seg->in,
        .dst = seg->out,
        .msg_len_to_cipher_in_bytes = seg->len,
        .msg_len_to_hash_in_bytes = seg->len,
        .iv = nonce,
        .iv_len_in_bytes = WIRE_AEAD_NONCE_BYTES,
        .auth_tag_output = tag,
        .auth_tag_output_len_in_bytes = WIRE_AEAD_TAG_BYTES,
    };
    job = IMB_SUBMIT_JOB_NOCHECK(manager);
    if (job == NULL || job->status != IMB_STATUS_COMPLETED)
        abort(); /* only a broken build: the cipher is never queued */
}

static void seal_batch(void *context, uint64_t first_counter, WireSeg *segs, size_t n_segs)
{
    IMB_MGR *manager = get_manager();

    for (size_t i = 0; i < n_segs; i++) {
        segs[i].counter = first_counter + i;
        run_job(manager, context, &segs[i], true, segs[i].out + segs[i].len);
    }
}

static size_t open_batch(void *context, WireSeg *segs, size_t n_segs)
{
    IMB_MGR *manager = get_manager();
    size_t   n_right = 0;

    for (size_t i = 0; i < n_segs; i++) {
        uint8_t tag[WIRE_AEAD_TAG_BYTES];

        run_job(manager, context, &segs[i], false, tag);
        segs[i].tag_ok = wire_aead_tag_is(tag, segs[i].in + segs[i].len);
        n_right += segs[i].tag_ok;
    }
    return n_right;
}

const WireAead wire_aead_ipsecmb = {
    .name = "ipsec-mb",
    .is_shared = true,
    .context_new = context_new,
    .context_free = context_free,
    .seal_batch = seal_batch,
    .open_batch = open_batch,
};
