#include "daemon/path/relaychoice.h"

/* What counts before distance, best first. */
typedef enum {
    GOOD,
    TO_BE_AVOIDED,
    SHAKY,
    LEAVING,
    GOOD_BUT_DOWN,
    TO_BE_AVOIDED_AND_DOWN,
    USELESS
} Class;

/* @is_home: who is at a draining relay may stay until there is another. */
static Class classify(const PathRelayCandidate *relay, bool is_home)
{
    if (relay->draining)
        return is_home && !relay->down ? LEAVING : USELESS;
    if (!relay->down && relay->shaky && !is_home)
        return SHAKY;
    if (relay->down)
        return relay->usable ? GOOD_BUT_DOWN : TO_BE_AVOIDED_AND_DOWN;
    return relay->usable ? GOOD : TO_BE_AVOIDED;
}

static bool is_before(const PathRelayCandidate *a, const PathRelayCandidate *b)
{
    if ((a->rtt_us != 0) != (b->rtt_us != 0))
        return a->rtt_us != 0;
    return a->rtt_us < b->rtt_us;
}

/* The best that is not @without. */
static const PathRelayCandidate *find_best(const PathRelayCandidate *list, size_t n,
                                           uint16_t without)
{
    const PathRelayCandidate *best = NULL;
    Class                     best_class = USELESS;

    for (size_t i = 0; i < n; i++) {
        Class class = classify(&list[i], false);

        if (list[i].id == without || class == USELESS)
            continue;
        if (best == NULL || class < best_class ||
            (class == best_class && is_before(&list[i], best))) {
            best = &list[i];
            best_class = class;
        }
    }
    return best;
}

static const PathRelayCandidate *find_id(const PathRelayCandidate *list, size_t n, uint16_t id)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].id == id)
            return &list[i];
    return NULL;
}

bool path_relaychoice_is_nearer(int64_t rtt_us, int64_t than_us)
{
    return rtt_us != 0 && than_us != 0 && than_us - rtt_us > PATH_RELAYCHOICE_NEARER_US &&
           rtt_us * 3 < than_us * 2;
}

uint16_t path_relaychoice_home(const PathRelayCandidate *list, size_t n, uint16_t home)
{
    const PathRelayCandidate *now = find_id(list, n, home);
    const PathRelayCandidate *best = find_best(list, n, home);
    Class class, best_class;

    if (now == NULL || classify(now, true) == USELESS)
        return best != NULL ? best->id : 0;
    if (best == NULL)
        return home;
    class = classify(now, true);
    best_class = classify(best, false);
    if (best_class != class)
        return best_class < class ? best->id : home;
    return path_relaychoice_is_nearer(best->rtt_us, now->rtt_us) ? best->id : home;
}

uint16_t path_relaychoice_second(const PathRelayCandidate *list, size_t n, uint16_t home)
{
    const PathRelayCandidate *best = home != 0 ? find_best(list, n, home) : NULL;

    return best != NULL ? best->id : 0;
}
