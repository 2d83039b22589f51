/* server/setuprelay.h: `mesh-server setup --role=relay`. Main thread. */
#pragma once

/* @argv[0] is "setup". Writes the configuration file if it is not there, makes the relay's keys if
 * they are not there, and prints the command that makes it known to a server, to standard output.
 * Returns the exit code. */
int server_setuprelay(const char *config_path, int argc, char **argv);
