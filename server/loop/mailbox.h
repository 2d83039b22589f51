/* server/loop/mailbox.h: mail from any thread into one shard: a list under a lock, an eventfd as
 * bell. The lock is held for a few instructions and never together with another. */
#pragma once

#include "common/std/attr.h"
#include "server/loop/loop.h"

typedef struct LoopMailbox LoopMailbox;

/* Returns: 0; -ENOMEM; -EMFILE, -ENFILE: no descriptor for the bell. */
MESH_CHECKED int loop_mailbox_new(LoopMailbox **out_mailbox);
void             loop_mailbox_free(LoopMailbox *self); /* holds no mail any more; NULL is fine */

void loop_mailbox_put(LoopMailbox *self, LoopMail *mail); /* any thread; takes @mail */

/* The shard: hushes the bell and takes all there is, oldest first; NULL: nothing. */
LoopMail *loop_mailbox_take(LoopMailbox *self);

int loop_mailbox_get_fd(const LoopMailbox *self); /* readable: there is mail */
