/* nm-plugin/editor-plugin.c: what nmcli, nm-connection-editor and GNOME Settings load for a mesh
 * connection: its name, import and export, and the way to an editor. Free of GTK: the editor is a
 * module of its own for the GTK that the program has already.
 *
 * A module registers types, so it is loaded once and stays. Main thread of the program. */
#include "nm-plugin/settings.h"

#include <NetworkManager.h>
#include <dlfcn.h>
#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILE_BYTES = 65536 };

typedef struct {
    GObject parent;
} MeshVpnEditorPlugin;

typedef struct {
    GObjectClass parent;
} MeshVpnEditorPluginClass;

typedef NMVpnEditor *(*EditorFactory)(NMVpnEditorPlugin *, NMConnection *, GError **);

enum { PROP_0, PROP_NAME, PROP_DESCRIPTION, PROP_SERVICE };

GType       mesh_vpn_editor_plugin_get_type(void);
static void editor_plugin_interface_init(NMVpnEditorPluginInterface *iface);

G_DEFINE_TYPE_EXTENDED(MeshVpnEditorPlugin, mesh_vpn_editor_plugin, G_TYPE_OBJECT, 0,
                       G_IMPLEMENT_INTERFACE(NM_TYPE_VPN_EDITOR_PLUGIN,
                                             editor_plugin_interface_init))

static void editor_plugin_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    if (id == PROP_NAME)
        g_value_set_string(value, _("Mesh"));
    else if (id == PROP_DESCRIPTION)
        g_value_set_string(value, _("A self-hosted mesh network that this computer has joined."));
    else if (id == PROP_SERVICE)
        g_value_set_string(value, PLUGIN_SERVICE);
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

/* ---- the editor ---- */

/* Beside us. Which GTK the program has: a program has one, and one that has none wants no editor.
 * Owned. */
static char *make_module_path(void)
{
    bool             gtk3 = dlsym(RTLD_DEFAULT, "gtk_container_add") != NULL;
    Dl_info          own = { 0 };
    g_autofree char *folder = NULL;

    if (dladdr((void *)make_module_path, &own) != 0 && own.dli_fname != NULL)
        folder = g_path_get_dirname(own.dli_fname);
    return g_build_filename(folder != NULL ? folder : "",
                            gtk3 ? "libnm-vpn-plugin-mesh-editor.so"
                                 : "libnm-gtk4-vpn-plugin-mesh-editor.so",
                            NULL);
}

static NMVpnEditor *editor_plugin_get_editor(NMVpnEditorPlugin *plugin, NMConnection *connection,
                                             GError **error)
{
    g_autofree char *path = make_module_path();
    void            *module = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    EditorFactory    factory =
        module != NULL ? (EditorFactory)dlsym(module, "nm_vpn_editor_factory_mesh") : NULL;

    if (factory != NULL)
        return factory(plugin, connection, error);
    g_set_error(error, NM_CONNECTION_ERROR, NM_CONNECTION_ERROR_FAILED,
                _("the editor for mesh connections cannot be loaded: %s"), dlerror());
    return NULL;
}

static NMVpnEditorPluginCapability editor_plugin_get_capabilities(NMVpnEditorPlugin *plugin)
{
    (void)plugin;
    return NM_VPN_EDITOR_PLUGIN_CAPABILITY_IMPORT | NM_VPN_EDITOR_PLUGIN_CAPABILITY_EXPORT |
           NM_VPN_EDITOR_PLUGIN_CAPABILITY_IPV6;
}

/* ---- import, export ---- */

static bool check_file(const char *path, GError **error)
{
    GStatBuf about;
    int      rc = g_stat(path, &about);
    int      errnum = errno;

    if (rc == 0 && S_ISREG(about.st_mode) && about.st_size <= MAX_FILE_BYTES)
        return true;
    g_set_error(error, NM_CONNECTION_ERROR, NM_CONNECTION_ERROR_FAILED, "%s: %s", path,
                rc != 0 ? g_strerror(errnum) : _("this is no file of a mesh connection"));
    return false;
}

/* The connection is called as the file is, which others' import does too. */
static void name_connection(NMConnection *connection, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    if (g_str_has_suffix(name, PLUGIN_FILE_SUFFIX))
        name[strlen(name) - strlen(PLUGIN_FILE_SUFFIX)] = '\0';
    if (name[0] != '\0' && g_utf8_validate(name, -1, NULL))
        g_object_set(nm_connection_get_setting_connection(connection), NM_SETTING_CONNECTION_ID,
                     name, NULL);
}

static NMConnection *editor_plugin_import(NMVpnEditorPlugin *plugin, const char *path,
                                          GError **error)
{
    g_autofree char *text = NULL;
    gsize            len = 0;
    NMConnection    *connection;

    (void)plugin;
    if (!check_file(path, error) || !g_file_get_contents(path, &text, &len, error))
        return NULL;
    connection = plugin_settings_decode(text, len, error);
    if (connection != NULL)
        name_connection(connection, path);
    return connection;
}

static gboolean editor_plugin_export(NMVpnEditorPlugin *plugin, const char *path,
                                     NMConnection *connection, GError **error)
{
    g_autofree char *text = plugin_settings_encode(connection, error);

    (void)plugin;
    return text != NULL && g_file_set_contents(path, text, -1, error);
}

static char *editor_plugin_suggest(NMVpnEditorPlugin *plugin, NMConnection *connection)
{
    const char *id = nm_connection_get_id(connection);
    char       *name = g_strconcat(id != NULL ? id : "mesh", PLUGIN_FILE_SUFFIX, NULL);

    (void)plugin;
    return g_strdelimit(name, "/", '-');
}

/* ---- type ---- */

static void editor_plugin_interface_init(NMVpnEditorPluginInterface *iface)
{
    iface->get_editor = editor_plugin_get_editor;
    iface->get_capabilities = editor_plugin_get_capabilities;
    iface->import_from_file = editor_plugin_import;
    iface->export_to_file = editor_plugin_export;
    iface->get_suggested_filename = editor_plugin_suggest;
}

static void mesh_vpn_editor_plugin_class_init(MeshVpnEditorPluginClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);

    object_class->get_property = editor_plugin_get_property;
    g_object_class_override_property(object_class, PROP_NAME, NM_VPN_EDITOR_PLUGIN_NAME);
    g_object_class_override_property(object_class, PROP_DESCRIPTION,
                                     NM_VPN_EDITOR_PLUGIN_DESCRIPTION);
    g_object_class_override_property(object_class, PROP_SERVICE, NM_VPN_EDITOR_PLUGIN_SERVICE);
}

static void mesh_vpn_editor_plugin_init(MeshVpnEditorPlugin *self)
{
    (void)self;
}

G_MODULE_EXPORT NMVpnEditorPlugin *nm_vpn_editor_plugin_factory(GError **error)
{
    (void)error;
    bindtextdomain(GETTEXT_PACKAGE, MESH_LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    return g_object_new(mesh_vpn_editor_plugin_get_type(), NULL);
}
