/* server/setup.h: `mesh-server setup`: from nothing to a join link. Main thread, no server runs. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* @argv[0] is "setup". Writes the configuration file if it is not there, makes server key and
 * database if they are not there, the network if there is none of that name, and a join key, whose
 * link it prints to standard output. Returns the exit code. */
int server_setup(const char *config_path, int argc, char **argv);

/* A configuration file, durably: it holds no secret, and the service's user has to read it. */
bool server_setup_write_public(const char *path, const char *text, GError **error);
