/* daemon/problem.h: what is wrong with a network, in a word that programs know it by; the words for
 * people are in error, server_error and warnings. Thread: main loop. */
#pragma once

#include "daemon/engine.h"

#include <glib.h>

/** meshd_problem_name: the word of an error: static, as Problem of data/dbus/ lists them. @why
 * NULL: "". */
const char *meshd_problem_name(const GError *why);

/** meshd_problem_name_server: the same of an error of the conversation with the server. */
const char *meshd_problem_name_server(const GError *why);

/** meshd_problem_is_host: the host refused, which may be over in a while. */
bool meshd_problem_is_host(const GError *why);

/** meshd_problem_judge: of all that is wrong with @engine the worst; static; "": all is well. */
const char *meshd_problem_judge(MeshdEngine *engine);

/** meshd_problem_get_clock: how far the clock of this host is ahead of the server's, s; 0: less
 * than five minutes, or not known. */
int64_t meshd_problem_get_clock(MeshdEngine *engine);
