/* daemon/sandbox.h: what meshd gives up before it hears the outside. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** meshd_sandbox_enter: to be called before the first thread is made; both directories must be
 * there. @log_only: a system call that is not on the list is logged by the kernel, else it kills.
 * Errors: MESH_ERROR_HOST; meshd must not go on then. */
bool meshd_sandbox_enter(const char *state_dir, const char *runtime_dir, bool log_only,
                         GError **error);
