/* cli/agent.h: polkit's text agent for this process: asks for a password on the terminal where the
 * desktop has nobody to ask. One thread. */
#pragma once

#include <glib.h>

typedef struct CliAgent CliAgent;

/** cli_agent_start: NULL where it is not needed (root, no terminal) or not installed; that is fine.
 */
CliAgent *cli_agent_start(void);
void      cli_agent_stop(CliAgent *self); /* NULL is fine */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CliAgent, cli_agent_stop)
