/* server/ctl/command.h: what a command is made of. */
#pragma once

#include "server/ctl/client.h"
#include "server/ctl/table.h"

#include <glib.h>
#include <stdbool.h>

/* The words and options of one call. Owned by ctl.c. */
typedef struct {
    const char *socket;
    int         argc; /* words after the verb */
    char      **argv;
    gboolean    json;
    char       *network;                   /* --network */
    char       *name, *ip4, *approve_text; /* --name, --ip4, --approve[=yes|no] */
    int         approve;                   /* of approve_text: 0, 1, -1: not given */
    gboolean    reusable;
    char       *user;          /* --user NAME|none */
    char       *disabled_text; /* --disabled yes|no */
    int         disabled;      /* of it: 0, 1, -1: not given */
    char       *max_text;      /* --max-nodes */
    int64_t     max_nodes;     /* of it: 0: none; -1: not given */
    char       *expires_in;    /* --expires-in: seconds, or 30m, 12h, 7d, never */
    char       *note;
    char       *host, *addresses, *udp, *alt, *tls, *rk, *sk, *state; /* of a relay */
    char       *at, *expires; /* --at, --expires: a time, see ctl_cmd_parse_time() */
} CtlCall;

/* A verb of a command. */
typedef struct {
    const char *verb;
    const char *words;   /* "NAME", or "" */
    const char *options; /* names of those it takes, each between spaces: " --json --ip4 " */
    const char *help;
    int         n_words;
    bool (*run)(const CtlCall *call, GError **error);
} CtlVerb;

/* verb NULL ends */
extern const CtlVerb ctl_verbs_network[], ctl_verbs_key[], ctl_verbs_node[], ctl_verbs_user[],
    ctl_verbs_relay[];

bool ctl_cmd_status_run(const CtlCall *call, GError **error);

/* --network, or the only network there is; checked. Owned. */
char *ctl_cmd_network_dup_ref(const CtlCall *call, GError **error);

/* A time: unix seconds, a date (2027-01-31, its first moment here), a date with a time
 * (2027-01-31T18:00), or "never" (0). @option: named by the error. */
bool ctl_cmd_parse_time(const char *option, const char *text, int64_t *out_time, GError **error);

/* --user for a request: "" for "none"; NULL: not given. Borrowed. */
const char *ctl_cmd_get_user(const CtlCall *call);

/* Prints @answer's text when --json was given. */
bool ctl_cmd_print_json(const CtlCall *call, const CtlAnswer *answer);

/* A list of one kind as a table. */
typedef struct {
    const char        *what; /* in the path, and in the answer: "nodes" */
    const char *const *headings;
    void (*add_row)(CtlTable *table, JsonObject *row);
} CtlList;

/* Asks for networks/REF/what, or with ctl_cmd_list_all() for what, and prints it. */
bool ctl_cmd_list(const CtlCall *call, const CtlList *list, GError **error);
bool ctl_cmd_list_all(const CtlCall *call, const CtlList *list, GError **error);

/* What a command is about when its first argument names one. */
typedef struct {
    const char *what; /* in the path: "users" */
    const char *word; /* in errors: "USER" */
} CtlKind;

/* A request about the one that call->argv[0] names. */
bool ctl_cmd_ask(const CtlCall *call, const CtlKind *kind, CtlRequest request,
                 CtlAnswer *out_answer, GError **error);

/* The same with GET, printed as an object. */
bool ctl_cmd_show(const CtlCall *call, const CtlKind *kind, GError **error);
