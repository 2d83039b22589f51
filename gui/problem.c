#include "gui/problem.h"

#include "gui/hostpart.h"

#include <glib/gi18n.h>
#include <string.h>

static const GuiProblem of_client[] = {
    /* in the order of GuiClientState */
    [GUI_CLIENT_STARTING] = { .code = "starting",
                              .title = N_("Connecting to the Mesh Service…"),
                              .text = "" },
    [GUI_CLIENT_NO_BUS] = { .code = "no-bus",
                            .icon = "dialog-error-symbolic",
                            .title = N_("No System Bus"),
                            .text = N_("Programs of this computer talk to the Mesh service by the "
                                       "D-Bus system bus, "
                                       "and there is none to connect to."),
                            .button = N_("_Try Again"),
                            .fix = GUI_FIX_RETRY },
    [GUI_CLIENT_NOT_INSTALLED] = { .code = "not-installed",
                                   .icon = "system-software-install-symbolic",
                                   .title = N_("The Mesh Service Is Not Installed"),
                                   .text = N_("This window shows what the Mesh service does. "
                                              "Install it, and this page goes "
                                              "away by itself."),
                                   .button = N_("_Copy Command"),
                                   .fix = GUI_FIX_INSTALL },
    [GUI_CLIENT_NOT_RUNNING] = { .code = "not-running",
                                 .icon = "media-playback-stop-symbolic",
                                 .title = N_("The Mesh Service Is Not Running"),
                                 .text = N_("It keeps the networks of this computer connected, "
                                            "also while this window is "
                                            "closed."),
                                 .button = N_("_Start Service"),
                                 .fix = GUI_FIX_START },
    [GUI_CLIENT_DENIED] = { .code = "denied",
                            .icon = "changes-prevent-symbolic",
                            .title = N_("No Permission"),
                            .text = N_("This user may not talk to the Mesh service. The "
                                       "configuration of the system "
                                       "bus decides that: its administrator can change it."),
                            .button = N_("_Try Again"),
                            .fix = GUI_FIX_RETRY },
    [GUI_CLIENT_SILENT] = { .code = "silent",
                            .icon = "dialog-warning-symbolic",
                            .title = N_("The Mesh Service Does Not Answer"),
                            .text = N_("It runs, but has not answered for a while."),
                            .button = N_("_Try Again"),
                            .fix = GUI_FIX_RETRY },
};

static const GuiProblem of_network[] = {
    { "down", "network-offline-symbolic", N_("Network Is Off"),
      N_("This computer is not connected to the network, and its peers do not reach it."),
      N_("_Connect"), GUI_FIX_UP, NULL },
    { "pending", "document-open-recent-symbolic", N_("Waiting for Approval"),
      N_("The network's administrator has to approve this device. It is connected by itself as "
         "soon "
         "as that is done."),
      N_("_Copy Name and Key"), GUI_FIX_NODE, NULL },
    { "removed", "action-unavailable-symbolic", N_("Removed From the Network"),
      N_("The network's administrator removed this device. To come back, leave the network here, "
         "then join it with a new link."),
      N_("_Leave Network…"), GUI_FIX_LEAVE, NULL },
    { "expired", "action-unavailable-symbolic", N_("Membership Expired"),
      N_("The time for which this device was let into the network is over. Join again with a new "
         "link from its administrator."),
      N_("_Join Again…"), GUI_FIX_JOIN, NULL },
    { "unknown-node", "dialog-question-symbolic", N_("The Server Does Not Know This Device"),
      N_("It may have been restored from an old backup. Join again with a new link from the "
         "network's administrator."),
      N_("_Join Again…"), GUI_FIX_JOIN, NULL },
    { "no-network", "dialog-question-symbolic", N_("The Network Is Gone"),
      N_("The server has no such network any more."), N_("_Leave Network…"), GUI_FIX_LEAVE, NULL },
    { "cloned", "edit-copy-symbolic", N_("Another Computer Uses These Keys"),
      N_("That happens when a disk or a virtual machine is copied. On the copy, leave the network, "
         "then join it anew."),
      N_("_Leave Network…"), GUI_FIX_LEAVE, NULL },
    { "server-unreachable", "network-error-symbolic", N_("Server Not Reachable"),
      N_("Peers that are known stay reachable; news of them arrives when the server answers again. "
         "Is this computer on the internet?"),
      N_("Check C_onnection"), GUI_FIX_CHECK, NULL },
    { "wrong-server", "channel-insecure-symbolic", N_("Not the Server of the Invitation"),
      N_("Whoever answers at the server's address has another key. Somebody may be listening in, "
         "or "
         "the server was set up anew: ask its administrator, and join again with a new link."),
      N_("_Join Again…"), GUI_FIX_JOIN, NULL },
    { "server-version", "software-update-available-symbolic", N_("Server and Service Do Not Match"),
      N_("They have no version of their protocol in common. Update the older of the two."), NULL,
      GUI_FIX_NONE, NULL },
    { "server-failed", "network-error-symbolic", N_("The Server Has a Problem"),
      N_("Peers that are known stay reachable; news of them arrives when the server is well "
         "again."),
      N_("Check C_onnection"), GUI_FIX_CHECK, NULL },
    { "unverified", "channel-insecure-symbolic", N_("News From the Server Was Refused"),
      N_("It is not signed as it should be, or older than what is known. What was known before "
         "stays "
         "in use: ask the network's administrator."),
      NULL, GUI_FIX_NONE, NULL },
    { "policy", "dialog-warning-symbolic", N_("The Newest Policy Is Not in Use"),
      N_("Who may reach whom follows the policy before it: ask the network's administrator."), NULL,
      GUI_FIX_NONE, NULL },
    { "clock-wrong", "preferences-system-time-symbolic", N_("The Clock Is Wrong"),
      N_("Date and time of this computer differ from the server's by five minutes or more. Let "
         "them "
         "be set from the internet."),
      N_("_Copy Command"), GUI_FIX_COPY, "sudo timedatectl set-ntp true" },
    { "clash", "dialog-warning-symbolic", N_("Addresses Are in Use Already"),
      N_("Another network of this computer has the same addresses."), NULL, GUI_FIX_NONE, NULL },
    { "no-tun", "dialog-error-symbolic", N_("No Tunnel Device"),
      N_("This system has no TUN devices, or has not loaded the module for them."),
      N_("_Copy Command"), GUI_FIX_COPY, "sudo modprobe tun && sudo systemctl restart meshd" },
    { "no-permission", "changes-prevent-symbolic", N_("The Service Lacks Rights"),
      N_("The Mesh service may not make its network interface. Start it as its systemd unit does."),
      N_("_Copy Command"), GUI_FIX_COPY, "sudo systemctl restart meshd" },
    { "host-refused", "dialog-error-symbolic", N_("The System Refused"),
      N_("Interface, addresses or routes could not be set."), N_("_Try Again"), GUI_FIX_REPAIR,
      NULL },
    { "dns", "dialog-warning-symbolic", N_("Names Are Not Found"),
      N_("Programs find peers by address, but not by name."), N_("_Repair"), GUI_FIX_REPAIR, NULL },
    { "state-damaged", "drive-harddisk-symbolic", N_("Saved State Is Damaged"),
      N_("What the Mesh service keeps on disk cannot be read."), N_("_Repair"), GUI_FIX_REPAIR,
      NULL },
    { "state-unsaved", "drive-harddisk-symbolic", N_("State Cannot Be Saved"),
      N_("Everything works until the Mesh service is started anew."), N_("_Try Again"),
      GUI_FIX_REPAIR, NULL },
    { "disk-full", "drive-harddisk-symbolic", N_("The Disk Is Full"),
      N_("The Mesh service cannot save its state. Make room, then try again."), N_("_Try Again"),
      GUI_FIX_REPAIR, NULL },
    { "failed", "dialog-error-symbolic", N_("Something Is Wrong"),
      N_("The Mesh service has a problem with this network."), N_("_Repair"), GUI_FIX_REPAIR,
      NULL }, /* the last row: for words that are newer than this window, too */
};

static const GuiProblem of_older_daemon = {
    .code = "service-older",
    .icon = "software-update-available-symbolic",
    .title = N_("The Service Is Older"),
    .text = N_("Update the Mesh service: this window hides what it does not offer yet."),
};

static const GuiProblem of_newer_daemon = {
    .code = "service-newer",
    .icon = "software-update-available-symbolic",
    .title = N_("The Service Was Updated"),
    .text = N_("It can do more than this window knows of."),
    .button = N_("_Restart Window"),
    .fix = GUI_FIX_RESTART,
};

const GuiProblem *gui_problem_of_version(GuiClient *client)
{
    unsigned version;

    if (gui_client_get_state(client) != GUI_CLIENT_READY)
        return NULL;
    g_object_get(client, "api-version", &version, NULL);
    if (version == GUI_CLIENT_API_VERSION)
        return NULL;
    return version < GUI_CLIENT_API_VERSION ? &of_older_daemon : &of_newer_daemon;
}

const GuiProblem *gui_problem_of_client(GuiClient *client)
{
    const GuiClientState state = gui_client_get_state(client);

    return state == GUI_CLIENT_READY ? NULL : &of_client[state];
}

/* The daemon's word; an older daemon has only states. */
static const char *get_code(GuiNetwork *network)
{
    const char *problem = gui_network_get_text(network, "problem");
    const char *state = gui_network_get_text(network, "state");

    if (strcmp(state, "down") == 0)
        return state;
    if (problem[0] != '\0')
        return problem;
    if (strcmp(state, "error") == 0)
        return "failed";
    if (strcmp(state, "up") != 0)
        return state;
    return strcmp(gui_network_get_text(network, "server-state"), "offline") == 0
               ? "server-unreachable"
               : "";
}

const GuiProblem *gui_problem_of_network(GuiNetwork *network)
{
    const char *code = get_code(network);
    size_t      i = 0;

    if (code[0] == '\0')
        return NULL;
    while (i < G_N_ELEMENTS(of_network) - 1 && strcmp(of_network[i].code, code) != 0)
        i++;
    return &of_network[i];
}

bool gui_problem_blocks(GuiNetwork *network)
{
    return strcmp(gui_network_get_text(network, "state"), "up") != 0;
}

char *gui_problem_dup_detail(GuiNetwork *network)
{
    const char *error = gui_network_get_text(network, "error");
    const char *server = gui_network_get_text(network, "server-error");
    g_auto(GStrv) warnings = NULL;

    if (error[0] != '\0')
        return g_strdup(error);
    if (server[0] != '\0')
        return g_strdup(server);
    g_object_get(network, "warnings", &warnings, NULL);
    return g_strjoinv("\n", warnings);
}

/* ---- how it is installed ---- */

char *gui_problem_dup_install(const char *os_release)
{
    g_autoptr(GuiHostpart) part = NULL;
    g_autofree char *text = NULL;

    if (os_release != NULL)
        (void)g_file_get_contents(os_release, &text, NULL, NULL);
    part = os_release == NULL ? gui_hostpart_load() : gui_hostpart_new(text != NULL ? text : "");
    return g_strdup(part->command);
}
