/* server/backup.h: `mesh-server backup`, `restore` and `check`. Main thread. */
#pragma once

/* @argv[0] is "backup" (one file with server key and database, also of a running server),
 * "restore" (the way back, of a stopped one) or "check". Returns the exit code. */
int server_backup(const char *config_path, int argc, char **argv);
