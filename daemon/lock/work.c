/* daemon/lock/work.c: see work.h. */
#include "daemon/lock/workinside.h"

enum { LEAST_PEERS = 16 }; /* a thread for fewer is not worth waking */

LockWork *lock_work_new(const LockCheckRules *rules, GArray *checks)
{
    LockWork *self = g_new0(LockWork, 1);

    self->rules = *rules;
    if (rules->proven != NULL)
        g_bytes_ref(rules->proven);
    if (rules->vouched != NULL)
        g_bytes_ref(rules->vouched);
    self->checks = checks;
    return self;
}

void lock_work_run(LockWork *self)
{
    for (guint i = 0; i < self->checks->len; i++)
        lock_check_open(&g_array_index(self->checks, LockCheck, i), &self->rules);
}

LockWork *lock_work_split(LockWork *self, unsigned parts)
{
    guint   len = self->checks->len / parts;
    GArray *taken;

    if (len < LEAST_PEERS)
        return NULL;
    taken = g_array_sized_new(FALSE, TRUE, sizeof(LockCheck), len);
    g_array_append_vals(taken, &g_array_index(self->checks, LockCheck, self->checks->len - len),
                        len);
    g_array_set_size(self->checks, self->checks->len - len);
    return lock_work_new(&self->rules, taken);
}

void lock_work_free(LockWork *self)
{
    if (self == NULL)
        return;
    for (guint i = 0; i < self->checks->len; i++)
        lock_check_clear(&g_array_index(self->checks, LockCheck, i));
    g_array_unref(self->checks);
    g_clear_pointer(&self->rules.proven, g_bytes_unref);
    g_clear_pointer(&self->rules.vouched, g_bytes_unref);
    g_free(self);
}
