/* daemon/lock/workinside.h: what a LockWork is, for gate.c. Inside of daemon/lock. */
#pragma once

#include "daemon/lock/check.h"
#include "daemon/lock/work.h"

struct LockWork {
    LockCheckRules rules;  /* owns references on its lists */
    GArray        *checks; /* of LockCheck; owned */
};

/* Copies @rules; takes over @checks. */
LockWork *lock_work_new(const LockCheckRules *rules, GArray *checks);
