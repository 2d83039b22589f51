/* common/glib/sandbox.h: what a daemon gives up for good before it hears the outside: capabilities,
 * new privileges, files (Landlock), system calls (seccomp). Linux only.
 *
 * To be entered by the only thread there is: what comes after inherits it. */
#pragma once

#include "common/std/attr.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* What GLib, OpenSSL and a plain main loop need in every program of ours: memory, threads, time,
 * files, sockets; measured, with what newer C libraries call in their place. */
extern const char *const mesh_sandbox_basic_calls[];

#define MESH_SANDBOX_CAP(number) (UINT64_C(1) << (number))

/** MeshSandbox: what stays. Lists are NULL-terminated. */
typedef struct {
    uint64_t           capabilities; /* MESH_SANDBOX_CAP() bits; of these, what we have now stays */
    const char *const *writable;     /* directories; all must be there */
    const char *const *readable;   /* files and directories; those that are missing are left out */
    const char *const *devices;    /* read, write, ioctl; those that are missing are left out */
    const char *const *calls;      /* names, beside the basic ones; NULL: none */
    const int         *families;   /* of socket(), ended by -1; AF_UNSPEC is 0 */
    const unsigned long *ioctls;   /* ended by 0 */
    bool                 may_fork; /* processes may be made, though no program started */
    bool                 log_only; /* other system calls are logged by the kernel, not deadly */
} MeshSandbox;

/** mesh_sandbox_enter: a system call that is not on the list is not made; its number goes to
 * standard error, and the process ends by SIGSYS. From here on this process, and every thread it
 * makes, is held to @sandbox. Pages are never both written and run, and no process is started,
 * nor made unless it says so. A kernel without Landlock is said in the log and tolerated; a kernel
 * that has it and refuses is an error. In builds with AddressSanitizer or ThreadSanitizer, whose
 * runtimes need more, capabilities alone are dropped. Errors: MESH_ERROR_HOST, with the step that
 * failed; the process must end then. */
MESH_CHECKED bool mesh_sandbox_enter(const MeshSandbox *sandbox, GError **error);

/** mesh_sandbox_narrow: for a process that another, in its sandbox, has forked (may_fork, and the
 * calls seccomp and prlimit64): the system calls of @sandbox alone stay, and @max_bytes of memory
 * that is written to. Not in builds with a sanitizer. */
MESH_CHECKED bool mesh_sandbox_narrow(const MeshSandbox *sandbox, uint64_t max_bytes,
                                      GError **error);

/** mesh_sandbox_filter: the system call part, for sandbox.c only. */
MESH_CHECKED bool mesh_sandbox_filter(const MeshSandbox *sandbox, GError **error);
