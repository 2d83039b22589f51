#include "daemon/offer.h"

#include "common/glib/log.h"
#include "daemon/inside.h"
#include "daemon/wire/engines.h"

static bool is_wanted(const MeshdProfile *profile)
{
    return profile->aes && wire_engines_can(WIRE_SUITE_AESGCM1);
}

MeshdProfile *meshd_offer_new_profile(const MeshJoinlink *link)
{
    MeshdProfile *profile = meshd_profile_new(link);

    profile->k_aes = is_wanted(profile); /* nobody has seen K number 1 of these keys */
    return profile;
}

void meshd_offer_settle(MeshdEngine *self)
{
    MeshdProfile *profile = self->profile;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;

    if (profile->stage == MESHD_PROFILE_DAMAGED || profile->k_aes == is_wanted(profile))
        return;
    profile->k_aes = !profile->k_aes;
    profile->k_seq++;
    bytes = meshd_profile_encode(profile);
    if (!meshd_state_save(self->host->state, &profile->server.network, "profile", bytes, &error)) {
        profile->k_aes = !profile->k_aes;
        profile->k_seq--;
        mesh_log_error("network %s: our record stays as it is: %s", profile->network,
                       error->message);
        return;
    }
    mesh_log_info("network %s: our record number %" G_GUINT64_FORMAT " %s AES-256-GCM",
                  profile->network, profile->k_seq, profile->k_aes ? "offers" : "does not offer");
    self->k_epoch = 0;
    meshd_report_renew(self->report);
    meshd_lan_forget_k(self);
}

bool meshd_offer_is_made(const MeshdProfile *profile)
{
    return profile->k_aes && wire_engines_can(WIRE_SUITE_AESGCM1);
}

/* The first K of all went to the server with the registration. */
MeshSigned *meshd_offer_take_news(MeshdEngine *self)
{
    LockVerified *map = meshd_parts_get_map(self->parts);
    MeshdProfile *profile = self->profile;
    MeshRecordK   k = meshd_profile_make_k(profile);
    uint64_t      epoch;
    MeshSigned   *object;
    g_autoptr(GError) error = NULL;

    if (map == NULL || profile->k_seq == 1)
        return NULL;
    epoch = lock_verified_get_head(map)->epoch;
    if (self->k_epoch == epoch)
        return NULL;
    object = mesh_record_sign_k(&k, &profile->server.network, profile->secret, &error);
    if (object == NULL) {
        mesh_log_error("network %s: %s", profile->network, error->message);
        return NULL;
    }
    self->k_epoch = epoch;
    meshd_report_renew(self->report);
    return object;
}
