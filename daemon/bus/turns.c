#include "daemon/bus/turns.h"

enum { MAX_AT_ONCE = 16, MAX_WAITING = 256 };

typedef struct {
    unsigned n[2]; /* that have a turn: quick, slow */
    GQueue   waiting;
} User;

struct BusTurns {
    GHashTable *users; /* uid → owned User, while it has calls */
};

BusTurns *bus_turns_new(void)
{
    BusTurns *self = g_new0(BusTurns, 1);

    self->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return self;
}

void bus_turns_free(BusTurns *self)
{
    g_hash_table_unref(self->users);
    g_free(self);
}

static User *get_user(BusTurns *self, guint32 uid)
{
    User *user = g_hash_table_lookup(self->users, GUINT_TO_POINTER(uid));

    if (user == NULL) {
        user = g_new0(User, 1);
        g_queue_init(&user->waiting);
        g_hash_table_insert(self->users, GUINT_TO_POINTER(uid), user);
    }
    return user;
}

BusTurn bus_turns_take(BusTurns *self, guint32 uid, bool slow, void *call)
{
    User *user = get_user(self, uid);

    if (user->n[slow] < MAX_AT_ONCE) {
        user->n[slow]++;
        return BUS_TURN_NOW;
    }
    if (slow || user->waiting.length >= MAX_WAITING)
        return BUS_TURN_NEVER;
    g_queue_push_tail(&user->waiting, call);
    return BUS_TURN_LATER;
}

void *bus_turns_give(BusTurns *self, guint32 uid, bool slow)
{
    User *user = get_user(self, uid);
    void *next = slow ? NULL : g_queue_pop_head(&user->waiting);

    if (next == NULL)
        user->n[slow]--;
    if (user->n[0] == 0 && user->n[1] == 0)
        g_hash_table_remove(self->users, GUINT_TO_POINTER(uid));
    return next;
}

void *bus_turns_pop(BusTurns *self)
{
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, self->users);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        void *call = g_queue_pop_head(&((User *)value)->waiting);

        if (call != NULL)
            return call;
    }
    return NULL;
}
