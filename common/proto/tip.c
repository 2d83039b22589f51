/* common/proto/tip.c: see tip.h. */
#include "common/proto/tip.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/signedparts.h"

MeshSigned *mesh_tip_sign(const MeshTip *tip, const MeshNetworkId *net,
                          const MeshSignSecret *server, GError **error)
{
    uint8_t     nonce[MESH_REQSIGN_NONCE_BYTES];
    MeshJsonOut out;

    mesh_signed_begin(MESH_SIGNED_TIP, net, &out);
    mesh_jsonout_int(&out, "epoch", (int64_t)tip->epoch);
    mesh_jsonout_int(&out, "ver", (int64_t)tip->ver);
    mesh_jsonout_int(&out, "pver", (int64_t)tip->pver);
    mesh_jsonout_int(&out, "time", tip->time);
    if (tip->has_nonce) {
        mesh_reqsign_pack_nonce(&tip->nonce, nonce);
        mesh_jsonout_b64u(&out, "nonce", nonce, sizeof(nonce));
    }
    return mesh_signed_finish(MESH_SIGNED_TIP, net, &out, server, error);
}

typedef struct {
    uint64_t epoch, ver, pver, time;
    bool     has_nonce;
    uint8_t  nonce[MESH_REQSIGN_NONCE_BYTES];
} Raw;

static const MeshJsonField fields[] = {
    { "epoch", MESH_JSON_INT, true, offsetof(Raw, epoch), .min = 1 },
    { "ver", MESH_JSON_INT, true, offsetof(Raw, ver) },
    { "pver", MESH_JSON_INT, true, offsetof(Raw, pver) },
    { "time", MESH_JSON_INT, true, offsetof(Raw, time) },
    { "nonce", MESH_JSON_BYTES, false, offsetof(Raw, nonce), .seen = offsetof(Raw, has_nonce),
      .max = MESH_REQSIGN_NONCE_BYTES },
};

bool mesh_tip_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                   MeshTip *out_tip, GError **error)
{
    g_autoptr(JsonObject) body = mesh_signed_open(object, MESH_SIGNED_TIP, net, server, error);
    Raw raw = { 0 };

    if (body == NULL || !mesh_json_read(body, fields, G_N_ELEMENTS(fields), &raw, "tip", error))
        return false;
    *out_tip = (MeshTip){
        .epoch = raw.epoch,
        .ver = raw.ver,
        .pver = raw.pver,
        .time = (int64_t)raw.time,
        .has_nonce = raw.has_nonce,
    };
    if (raw.has_nonce)
        out_tip->nonce = mesh_reqsign_unpack_nonce(raw.nonce);
    return true;
}
