/* gui/problem.h: what is wrong, in words, and what mends it: one table. Thread: main loop only.
 *
 * Rows are found by the daemon's own word for it (Problem of org.meshvpn.Mesh1.Network), and by the
 * state of the client where there is no daemon to say anything. */
#pragma once

#include "gui/client.h"

typedef enum {
    GUI_FIX_NONE,
    GUI_FIX_RETRY,   /* look for the daemon again */
    GUI_FIX_START,   /* have the bus start it */
    GUI_FIX_INSTALL, /* copy the command that installs it here */
    GUI_FIX_COPY,    /* copy the command of the row */
    GUI_FIX_NODE,    /* copy this node's name and key, for who approves it */
    GUI_FIX_JOIN,
    GUI_FIX_UP,
    GUI_FIX_REPAIR,
    GUI_FIX_LEAVE,
    GUI_FIX_RESTART, /* end this window, and start it anew */
    GUI_FIX_CHECK,   /* look at what stands before this host */
} GuiFix;

/* Static; the words are not translated yet: _() them. */
typedef struct {
    const char *code;   /* the daemon's word, or one of ours */
    const char *icon;   /* name of a symbolic icon */
    const char *title;  /* heading capitalization */
    const char *text;   /* what it means for the user, and what mends it */
    const char *button; /* with a mnemonic; NULL with GUI_FIX_NONE */
    GuiFix      fix;
    const char *command; /* for GUI_FIX_COPY: what an administrator types */
} GuiProblem;

/* Why nothing can be shown; NULL: the daemon is there and tells us. */
const GuiProblem *gui_problem_of_client(GuiClient *client);

/* What is to be said of a daemon of another version than this window; NULL: nothing. */
const GuiProblem *gui_problem_of_version(GuiClient *client);

/* The worst that is wrong with it, "off" being the least; NULL: all is well. */
const GuiProblem *gui_problem_of_network(GuiNetwork *network);

/* Whether the network does not work at all, so that there are no peers to be seen. */
bool gui_problem_blocks(GuiNetwork *network);

/* Owned. What the daemon itself says of it, for people; "" for nothing. */
char *gui_problem_dup_detail(GuiNetwork *network);

/* Owned. The command that installs the daemon on the system that @os_release (the file's path;
 * NULL: this host's) describes; gui/hostpart.h says where it is typed. */
char *gui_problem_dup_install(const char *os_release);
