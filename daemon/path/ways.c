#include "daemon/path/ways.h"

#include "common/std/endpoint.h"

#include <string.h>
#include <sys/socket.h>

enum {
    NARROW_MS = 600000,
    US_PER_MS = 1000,
    BETTER_US = 3000,
    BETTER_PERCENT = 10,
    AIM_A_SECOND = 10,
    AIM_BURST = 20,
};

PathRank path_ways_rank(const MeshEndpoint *to, MeshRecordKind kind)
{
    bool local = mesh_ip_class(&to->addr) == MESH_IP_PRIVATE ||
                 mesh_ip_class(&to->addr) == MESH_IP_LINK_LOCAL;
    bool v6 = to->addr.family == AF_INET6;

    if (local)
        return v6 ? PATH_RANK_LAN6 : PATH_RANK_LAN4;
    if (v6)
        return PATH_RANK_V6;
    return kind == MESH_RECORD_OBSERVED ? PATH_RANK_OBSERVED : PATH_RANK_MAPPED;
}

PathWay *path_ways_find(PathWays *self, const WireWay *to)
{
    for (size_t i = 0; i < self->n; i++)
        if (wire_way_equal(&self->list[i].to, to))
            return &self->list[i];
    return NULL;
}

/* The one that is missed least: silent ones first, the worst ranks first. */
static PathWay *find_least(PathWays *self, const PathWay *keep)
{
    PathWay *least = NULL;

    for (size_t i = 0; i < self->n; i++) {
        PathWay *way = &self->list[i];

        if (way == keep || way->valid)
            continue;
        if (least == NULL || way->unanswered > least->unanswered ||
            (way->unanswered == least->unanswered && way->rank > least->rank))
            least = way;
    }
    return least;
}

PathWay *path_ways_add(PathWays *self, const WireWay *to, PathRank rank, const PathWay *keep)
{
    PathWay *way = path_ways_find(self, to);

    if (way != NULL) {
        if (rank < way->rank)
            way->rank = rank;
        return way;
    }
    way = self->n < PATH_MAX_WAYS ? &self->list[self->n++] : find_least(self, keep);
    if (way != NULL)
        *way = (PathWay){ .to = *to, .rank = rank };
    return way;
}

void path_ways_remove(PathWays *self, PathWay *way)
{
    *way = self->list[--self->n];
}

static int get_left(PathAim *self, int a_second, int burst, int64_t now_ms)
{
    int64_t earned = (now_ms - self->since_ms) * a_second / 1000;

    if (earned > 0) {
        self->left = (int)(self->left + earned < burst ? self->left + earned : burst);
        self->since_ms = now_ms;
    }
    return self->left;
}

bool path_ways_spend(PathAim *self, int a_second, int burst, int64_t now_ms)
{
    if (get_left(self, a_second, burst, now_ms) <= 0)
        return false;
    self->left--;
    return true;
}

bool path_ways_may_aim(PathAim *all, PathAim *own, const PathWay *way, int64_t now_ms)
{
    if (way->trusted || mesh_ip_class(&way->to.endpoint.addr) == MESH_IP_PRIVATE)
        return true;
    return get_left(all, AIM_A_SECOND, AIM_BURST, now_ms) > 0 &&
           path_ways_spend(own, AIM_A_SECOND / 2, AIM_BURST / 2, now_ms) &&
           path_ways_spend(all, AIM_A_SECOND, AIM_BURST, now_ms);
}

void path_ways_ping(PathWay *way, uint64_t txid, int64_t now_us)
{
    way->txids[way->next] = txid;
    way->sent_us[way->next] = now_us;
    way->next = (way->next + 1) % PATH_WAY_IN_FLIGHT;
    way->pinged_ms = now_us / US_PER_MS;
    way->unanswered++;
}

PathWay *path_ways_pong(PathWays *self, uint64_t txid, int64_t now_us)
{
    for (size_t i = 0; i < self->n; i++) {
        PathWay *way = &self->list[i];

        for (size_t p = 0; p < PATH_WAY_IN_FLIGHT; p++) {
            if (way->sent_us[p] == 0 || way->txids[p] != txid)
                continue;
            way->rtt_us = now_us - way->sent_us[p];
            way->sent_us[p] = 0;
            if (now_us / US_PER_MS - way->narrow_ms > NARROW_MS)
                way->narrow_ms = 0;
            way->valid = way->narrow_ms == 0;
            way->trusted = true;
            way->valid_ms = now_us / US_PER_MS;
            way->unanswered = 0;
            return way;
        }
    }
    return NULL;
}

bool path_ways_is_better(const PathWay *way, const PathWay *than)
{
    int64_t margin_us = than->rtt_us * BETTER_PERCENT / 100;

    if (way->rank != than->rank)
        return way->rank < than->rank;
    return way->rtt_us + (margin_us > BETTER_US ? margin_us : BETTER_US) < than->rtt_us;
}

PathWay *path_ways_best(PathWays *self, int64_t since_ms)
{
    PathWay *best = NULL;

    for (size_t i = 0; i < self->n; i++) {
        PathWay *way = &self->list[i];

        if (!way->valid || way->valid_ms < since_ms)
            continue;
        if (best == NULL || way->rank < best->rank ||
            (way->rank == best->rank && way->rtt_us < best->rtt_us))
            best = way;
    }
    return best;
}

void path_ways_doubt(PathWays *self)
{
    for (size_t i = 0; i < self->n; i++) {
        self->list[i].valid = false;
        self->list[i].unanswered = 0;
        self->list[i].width = 0;
    }
}

bool path_ways_wants_timing(const PathWay *way)
{
    return way->rank == PATH_RANK_NAT64 ||
           (way->to.endpoint.addr.family == AF_INET && way->rank >= PATH_RANK_MAPPED);
}
