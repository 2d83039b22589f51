/* tests/daemon/joined.h: networks of a daemon on fakes (fakes.h), and their server's part. */
#pragma once

#include "daemon/networks.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define JOINED_ID "00112233445566ff"

/* How far the wall clock is ahead of the real one; when the test began, by it. */
extern int64_t joined_late_s, joined_began_s;

typedef struct {
    char          *dir, *link;
    MeshdNetworks *networks;
    bool           done; /* of the last call that waits */
    GError        *error;
    unsigned       n_added, n_removed;
} Joined;

typedef struct {
    const char *name;
    void (*run)(Joined *f, gconstpointer data);
} JoinedTest;

/* The program of these tests. Returns its exit status. */
int joined_run(int argc, char **argv, const JoinedTest *tests, size_t n_tests);

void         joined_on_done(MeshdEngine *engine, const GError *error, void *user_data);
void         joined_start(Joined *f);
void         joined_restart(Joined *f);
void         joined_set_up(Joined *f, gconstpointer data);
void         joined_tear_down(Joined *f, gconstpointer data);
MeshdEngine *joined_find(Joined *f);
void         joined_assert_state(Joined *f, const char *want);
bool         joined_has_documents(Joined *f);
void         joined_send_map(bool ip4, uint64_t serial);
void         joined_answer(bool ip4, uint64_t serial);
void         joined_join(Joined *f);
void         joined_join_whole(Joined *f);
