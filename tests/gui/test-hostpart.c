/* How the service is installed, by what distributions say of themselves in os-release. */
#include "gui/hostpart.h"

typedef struct {
    const char *test, *text;
    const char *name, *command;
    bool        is_archive;
} HostCase;

#define ARCHIVE "sudo ./install.sh"

/* The lines of interest of each distribution's own file. */
static const HostCase cases[] = {
    { "debian",
      "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nID=debian\n",
      "Debian GNU/Linux 12 (bookworm)", "sudo apt install meshd", false },
    { "linux-mint", "NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "Linux Mint",
      "sudo apt install meshd", false },
    { "fedora", "NAME=\"Fedora Linux\"\nID=fedora\n", "Fedora Linux", "sudo dnf install mesh-vpn",
      false },
    { "silverblue",
      "PRETTY_NAME='Fedora Linux 41.1 (Silverblue)'\nID=fedora\nOSTREE_VERSION='41.1'\n",
      "Fedora Linux 41.1 (Silverblue)", "sudo rpm-ostree install mesh-vpn", false },
    { "rocky", "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
      "Rocky Linux", "sudo dnf install mesh-vpn", false },
    { "tumbleweed",
      "NAME=\"openSUSE Tumbleweed\"\nID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n",
      "openSUSE Tumbleweed", "sudo zypper install mesh-vpn", false },
    { "arch", "NAME=\"Arch Linux\"\nID=arch\n", "Arch Linux", "sudo pacman -S mesh-vpn", false },
    { "steamos", "NAME=\"SteamOS\"\nID=steamos\nID_LIKE=arch\n", "SteamOS", ARCHIVE, true },
    { "alpine", "NAME=\"Alpine Linux\"\nID=alpine\n", "Alpine Linux", ARCHIVE, true },
    { "debian-on-ostree", "ID=debian\nOSTREE_VERSION=1\n", "Linux", "sudo apt install meshd",
      false },
    { "nothing", "", "Linux", ARCHIVE, true },
    { "no-values", "ID=\nNAME=\nID_LIKE=\n", "Linux", ARCHIVE, true },
    { "quotes-that-never-end", "NAME=\"Ha\nID='debian\n", "Linux", ARCHIVE, true },
    { "keys-that-only-begin-so", "VERSION_ID=debian\nIDENTITY=arch\n", "Linux", ARCHIVE, true },
};

static void test_host(gconstpointer data)
{
    const HostCase *c = data;
    g_autoptr(GuiHostpart) part = gui_hostpart_new(c->text);

    g_assert_cmpstr(part->name, ==, c->name);
    g_assert_cmpstr(part->command, ==, c->command);
    g_assert_cmpint(part->is_archive, ==, c->is_archive);
}

static void test_this_one(void)
{
    g_autoptr(GuiHostpart) part = gui_hostpart_load();

    g_assert_cmpint(g_utf8_strlen(part->name, -1), >, 0);
    g_assert_true(g_str_has_prefix(part->command, "sudo "));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/gui/hostpart/%s", cases[i].test);

        g_test_add_data_func(path, &cases[i], test_host);
    }
    g_test_add_func("/gui/hostpart/this-one", test_this_one);
    return g_test_run();
}
