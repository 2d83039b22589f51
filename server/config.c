#include "server/config.h"

#include "common/glib/error.h"
#include "common/std/base64.h"
#include "common/std/endpoint.h"

#include <stdio.h>
#include <string.h>

typedef enum {
    KEY_TEXT,   /* char *: not empty */
    KEY_PATH,   /* char *: absolute */
    KEY_BOOL,   /* bool */
    KEY_NUMBER, /* unsigned: min … max */
    KEY_PORT,   /* uint16_t: 1 … 65535 */
    KEY_LISTEN, /* the list of addresses */
    KEY_LEVEL,  /* MeshLogLevel */
    KEY_TRUST,  /* the list of keys */
} KeyType;

typedef struct {
    const char *group, *name;
    KeyType     type;
    size_t      offset;
    const char *fallback; /* NULL: none */
    unsigned    min, max; /* KEY_NUMBER */
} Key;

#define IN_CONFIG(member) offsetof(ServerConfig, member)

static const Key keys[] = {
    { "server", "listen", KEY_LISTEN, 0, "[::]:443" },
    { "server", "public_host", KEY_TEXT, IN_CONFIG(public_host) },
    { "server", "public_port", KEY_PORT, IN_CONFIG(public_port), "443" },
    { "server", "state_dir", KEY_PATH, IN_CONFIG(state_dir), "/var/lib/mesh-server" },
    { "server", "admin_socket", KEY_PATH, IN_CONFIG(admin_socket), "/run/mesh-server/admin.sock" },
    { "server", "behind_proxy", KEY_BOOL, IN_CONFIG(behind_proxy), "false" },
    { "server", "log", KEY_LEVEL, IN_CONFIG(log_level), "info" },
    { "relay", "enabled", KEY_BOOL, IN_CONFIG(relay), "true" },
    { "relay", "udp", KEY_PORT, IN_CONFIG(relay_udp), "3478" },
    { "relay", "alt", KEY_NUMBER, IN_CONFIG(relay_alt), "3479", 0, 65535 },
    { "relay", "host", KEY_TEXT, IN_CONFIG(relay_host) },
    { "relay", "rate", KEY_NUMBER, IN_CONFIG(relay_rate), "20", 1, 100000 },
    { "relay", "burst", KEY_NUMBER, IN_CONFIG(relay_burst), "4000", 1, 1000000 },
    { "relay", "sessions", KEY_NUMBER, IN_CONFIG(relay_sessions), "20000", 1, RELAY_MAX_SESSIONS },
    { "relay", "trust", KEY_TRUST, 0, NULL },
    { "limits", "threads", KEY_NUMBER, IN_CONFIG(threads), "0", 0, LOOP_MAX_SHARDS },
    { "limits", "connections", KEY_NUMBER, IN_CONFIG(connections), "20000", 1, 1000000 },
    { "limits", "accept_rate", KEY_NUMBER, IN_CONFIG(accept_rate), "50", 1, 1000000 },
    { "limits", "accept_burst", KEY_NUMBER, IN_CONFIG(accept_burst), "200", 1, 1000000 },
    { "timeouts", "handshake_ms", KEY_NUMBER, IN_CONFIG(handshake_ms), "10000", 1, 600000 },
    { "timeouts", "header_ms", KEY_NUMBER, IN_CONFIG(header_ms), "10000", 1, 600000 },
    { "timeouts", "body_ms", KEY_NUMBER, IN_CONFIG(body_ms), "30000", 1, 600000 },
    { "timeouts", "idle_ms", KEY_NUMBER, IN_CONFIG(idle_ms), "10000", 1, 600000 },
};

static bool fail(const ServerConfig *self, const Key *key, const char *value, const char *want,
                 GError **error)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "%s: [%s] %s: \"%s\" is not %s",
                self->path, key->group, key->name, value, want);
    return false;
}

static bool set_listen(ServerConfig *self, const Key *key, const char *value, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(value, ";", -1);

    for (char **part = parts; *part != NULL; part++) {
        const char  *text = g_strstrip(*part);
        MeshEndpoint endpoint;

        if (*text == '\0')
            continue;
        if (mesh_endpoint_parse(text, &endpoint) < 0)
            return fail(self, key, text,
                        "an address with a port, such as [::]:443 or 192.0.2.1:443", error);
        if (self->n_listen == LOOP_MAX_LISTEN)
            return fail(self, key, value, "a list of at most 16 addresses", error);
        self->listen[self->n_listen++] = endpoint;
    }
    if (self->n_listen == 0)
        return fail(self, key, value, "a list of addresses", error);
    return true;
}

static bool set_trust(ServerConfig *self, const Key *key, const char *value, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(value, ";", -1);

    for (char **part = parts; *part != NULL; part++) {
        const char *text = g_strstrip(*part);
        MeshKey    *place = &self->relay_trust[self->n_relay_trust];

        if (*text == '\0')
            continue;
        if (self->n_relay_trust == SERVER_MAX_TRUST)
            return fail(self, key, value, "a list of at most 16 keys", error);
        if (mesh_base64url_decode(text, place->bytes, sizeof place->bytes, NULL) < 0)
            return fail(self, key, text, "a server's key, as mesh-server status prints it", error);
        self->n_relay_trust++;
    }
    return true;
}

static bool set_number(ServerConfig *self, const Key *key, const char *value, GError **error)
{
    g_autofree char *want = NULL;
    bool             port = key->type == KEY_PORT;
    guint            min = port ? 1 : key->min, max = port ? 65535 : key->max;
    guint64          number;

    if (!g_ascii_string_to_unsigned(value, 10, min, max, &number, NULL)) {
        want = g_strdup_printf("a whole number from %u to %u", min, max);
        return fail(self, key, value, want, error);
    }
    if (port)
        *(uint16_t *)((char *)self + key->offset) = (uint16_t)number;
    else
        *(unsigned *)((char *)self + key->offset) = (unsigned)number;
    return true;
}

static bool set_text(ServerConfig *self, const Key *key, const char *value, GError **error)
{
    bool printable = *value != '\0';

    for (const char *at = value; *at != '\0'; at++) /* it goes into join links */
        printable &= key->type == KEY_PATH || g_ascii_isgraph(*at);
    if (!printable)
        return fail(self, key, value, "a text without spaces", error);
    if (key->type == KEY_PATH && !g_path_is_absolute(value))
        return fail(self, key, value, "an absolute path", error);
    *(char **)((char *)self + key->offset) = g_strdup(value);
    return true;
}

static bool set_bool(ServerConfig *self, const Key *key, const char *value, GError **error)
{
    bool yes = strcmp(value, "true") == 0;

    if (!yes && strcmp(value, "false") != 0)
        return fail(self, key, value, "true or false", error);
    *(bool *)((char *)self + key->offset) = yes;
    return true;
}

static bool set_value(ServerConfig *self, const Key *key, const char *value, GError **error)
{
    switch (key->type) {
    case KEY_TEXT:
    case KEY_PATH:
        return set_text(self, key, value, error);
    case KEY_BOOL:
        return set_bool(self, key, value, error);
    case KEY_NUMBER:
    case KEY_PORT:
        return set_number(self, key, value, error);
    case KEY_LISTEN:
        return set_listen(self, key, value, error);
    case KEY_TRUST:
        return set_trust(self, key, value, error);
    case KEY_LEVEL:
        if (mesh_log_parse_level(value, &self->log_level))
            return true;
        return fail(self, key, value, "error, warning, notice, info or debug", error);
    }
    g_assert_not_reached();
}

static const Key *find_key(const char *group, const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (strcmp(keys[i].group, group) == 0 && (name == NULL || strcmp(keys[i].name, name) == 0))
            return &keys[i];
    }
    return NULL;
}

static bool check_names(const ServerConfig *self, GKeyFile *file, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);

    for (char **group = groups; *group != NULL; group++) {
        g_auto(GStrv) names = g_key_file_get_keys(file, *group, NULL, NULL);

        if (find_key(*group, NULL) == NULL) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "%s: unknown group [%s]",
                        self->path, *group);
            return false;
        }
        for (char **name = names; name != NULL && *name != NULL; name++) {
            if (find_key(*group, *name) != NULL)
                continue;
            g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "%s: [%s] unknown key %s",
                        self->path, *group, *name);
            return false;
        }
    }
    return true;
}

static bool read_keys(ServerConfig *self, GKeyFile *file, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *value = g_key_file_get_value(file, keys[i].group, keys[i].name, NULL);
        const char      *text = value != NULL ? g_strstrip(value) : keys[i].fallback;

        if (text != NULL && !set_value(self, &keys[i], text, error))
            return false;
    }
    return true;
}

static bool load(ServerConfig *self, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) cause = NULL;

    if (g_key_file_load_from_file(file, self->path, G_KEY_FILE_NONE, &cause))
        return check_names(self, file, error) && read_keys(self, file, error);
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "%s: %s", self->path,
                cause->message);
    return false;
}

/* What the file says is repeated in errors, which go to terminals and logs: one line, printable. */
static void flatten(GError *error)
{
    char *text = g_utf8_make_valid(error->message, -1);

    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    g_free(error->message);
    error->message = text;
}

ServerConfig *server_config_load(const char *path, GError **error)
{
    g_autoptr(ServerConfig) self = g_new0(ServerConfig, 1);
    GError *cause = NULL;

    self->path = g_strdup(path);
    if (load(self, &cause))
        return g_steal_pointer(&self);
    flatten(cause);
    g_propagate_error(error, cause);
    return NULL;
}

ServerConfig *server_config_load_relay(const char *path, GError **error)
{
    g_autoptr(ServerConfig) self = server_config_load(path, error);
    const char *what = NULL;

    if (self == NULL)
        return NULL;
    self->alone = true;
    if (self->n_relay_trust == 0)
        what = "trust is missing: the key of the server whose nodes it shall relay, as mesh-server "
               "status prints it there";
    else if (!self->relay)
        what = "enabled is false, and there is nothing else to do";
    if (what == NULL)
        return g_steal_pointer(&self);
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "%s: [relay] %s", path, what);
    return NULL;
}

void server_config_free(ServerConfig *self)
{
    if (self == NULL)
        return;
    g_free(self->path);
    g_free(self->public_host);
    g_free(self->state_dir);
    g_free(self->admin_socket);
    g_free(self->relay_host);
    g_free(self);
}
