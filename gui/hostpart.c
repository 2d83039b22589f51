/* gui/hostpart.c: one table of distributions, found by os-release's ID, else by what it says it is
 * like. */
#include "gui/hostpart.h"

#include <string.h>

static const struct {
    const char *id;
    const char *command;
} systems[] = {
    { "debian", "sudo apt install meshd" },     { "ubuntu", "sudo apt install meshd" },
    { "fedora", "sudo dnf install mesh-vpn" },  { "rhel", "sudo dnf install mesh-vpn" },
    { "suse", "sudo zypper install mesh-vpn" }, { "opensuse", "sudo zypper install mesh-vpn" },
    { "arch", "sudo pacman -S mesh-vpn" },
};

static const char of_ostree[] = "sudo rpm-ostree install mesh-vpn";
static const char of_archive[] = "sudo ./install.sh"; /* packaging/install.sh */

/* Its /usr is an image, and what pacman puts there is gone with the next one. */
static const char *const images[] = { "steamos", "nixos", NULL };

/* The value of @key, without its quotes; owned; NULL: none, or one that a shell would not take. */
static char *find_value(const char *text, const char *key)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const size_t length = strlen(key);

    for (char **line = lines; *line != NULL; line++)
        if (strncmp(*line, key, length) == 0 && (*line)[length] == '=')
            return g_shell_unquote(g_strstrip(*line + length + 1), NULL);
    return NULL;
}

static const char *find_command(const char *ids)
{
    g_auto(GStrv) words = g_strsplit(ids != NULL ? ids : "", " ", -1);

    for (char **word = words; *word != NULL; word++)
        for (size_t i = 0; i < G_N_ELEMENTS(systems); i++)
            if (strcmp(*word, systems[i].id) == 0)
                return systems[i].command;
    return NULL;
}

GuiHostpart *gui_hostpart_new(const char *os_release)
{
    g_autofree char *id = find_value(os_release, "ID");
    g_autofree char *like = find_value(os_release, "ID_LIKE");
    g_autofree char *image = find_value(os_release, "OSTREE_VERSION");
    GuiHostpart     *self = g_new0(GuiHostpart, 1);

    self->name = find_value(os_release, "PRETTY_NAME");
    if (self->name == NULL)
        self->name = find_value(os_release, "NAME");
    if (self->name == NULL || self->name[0] == '\0') {
        g_free(self->name);
        self->name = g_strdup("Linux");
    }
    self->command = find_command(id);
    if (self->command == NULL && (id == NULL || !g_strv_contains(images, id)))
        self->command = find_command(like);
    if (self->command != NULL && image != NULL && strstr(self->command, " dnf ") != NULL)
        self->command = of_ostree; /* Silverblue and its like */
    self->is_archive = self->command == NULL;
    if (self->is_archive)
        self->command = of_archive;
    return self;
}

GuiHostpart *gui_hostpart_load(void)
{
    static const char *const places[] = { "/run/host/os-release", /* in a Flatpak */
                                          "/etc/os-release", "/usr/lib/os-release" };
    g_autofree char         *text = NULL;

    for (size_t i = 0; text == NULL && i < G_N_ELEMENTS(places); i++)
        (void)g_file_get_contents(places[i], &text, NULL, NULL);
    return gui_hostpart_new(text != NULL ? text : "");
}

void gui_hostpart_free(GuiHostpart *self)
{
    if (self == NULL)
        return;
    g_free(self->name);
    g_free(self);
}
