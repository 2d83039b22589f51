/* daemon/lock/work.h: peers whose signatures are to be verified apart from the main loop, which
 * takes the work out of a gate and puts it back when it is done: see gate.h. */
#pragma once

typedef struct LockWork LockWork;

/* Any thread, one at a time; 60 µs and more for each of up to three signatures of a peer. */
void lock_work_run(LockWork *self);

/* Takes one part of @parts off, for another thread. NULL: there is too little to share. */
LockWork *lock_work_split(LockWork *self, unsigned parts);

void lock_work_free(LockWork *self); /* not put back; NULL is fine */
