/* daemon/path/relaychoice.h: which relay is home, where peers look for us first, and which the
 * second (docs/PATHS.md §2). Pure; any thread. Inside of daemon/path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PATH_RELAYCHOICE_NEARER_US = 10000, /* and by a third: else the home stays */
};

/** PathRelayCandidate: a relay of the map, in the map's order. */
typedef struct {
    uint16_t id;
    bool     usable;   /* takes new nodes */
    bool     draining; /* takes none, and will go; neither: to be avoided */
    bool     down;     /* it does not answer us now */
    bool     shaky;    /* it answers again, but not for long yet */
    int64_t  rtt_us;   /* 0: not known */
} PathRelayCandidate;

/** path_relaychoice_home: Returns: the id of the best relay; @home, which is one of them or 0,
 * unless another is clearly better; 0: there is none. */
uint16_t path_relaychoice_home(const PathRelayCandidate *list, size_t n, uint16_t home);

/** path_relaychoice_second: the best beside @home; 0: there is none, or no home that it would be
 * the second to. */
uint16_t path_relaychoice_second(const PathRelayCandidate *list, size_t n, uint16_t home);

/** path_relaychoice_is_nearer: is the difference of two round trips worth a move? 0 is no time. */
bool path_relaychoice_is_nearer(int64_t rtt_us, int64_t than_us);
