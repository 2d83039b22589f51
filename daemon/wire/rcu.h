/* daemon/wire/rcu.h: the one door to liburcu (QSBR flavour), so that ThreadSanitizer sees it too.
 *
 * Debian's liburcu is not instrumented: without the marks below a correct program shows races
 * between a reader's last access and the free after the grace period. Pointers go through C11
 * atomics, which the sanitizer knows.
 *
 * A reader thread registers, passes wire_rcu_quiescent() once a loop and is offline while it waits.
 * Whoever frees calls wire_rcu_wait() first (a registered reader may, too) or wire_rcu_defer(). */
#pragma once
#include <stdatomic.h>
#include <urcu/urcu-qsbr.h>

#if defined(__SANITIZE_THREAD__)
void        __tsan_acquire(void *addr);
void        __tsan_release(void *addr);
extern char wire_rcu_tsan_mark; /* in index.c; only its address is used */
#define WIRE_RCU_RELEASE() __tsan_release(&wire_rcu_tsan_mark)
#define WIRE_RCU_ACQUIRE() __tsan_acquire(&wire_rcu_tsan_mark)
#else
#define WIRE_RCU_RELEASE() ((void)0)
#define WIRE_RCU_ACQUIRE() ((void)0)
#endif

static inline void wire_rcu_register(void)
{
    urcu_qsbr_register_thread();
}

static inline void wire_rcu_unregister(void)
{
    WIRE_RCU_RELEASE();
    urcu_qsbr_unregister_thread();
}

/* Nothing read under RCU before this call may be used after it. */
static inline void wire_rcu_quiescent(void)
{
    WIRE_RCU_RELEASE();
    urcu_qsbr_quiescent_state();
}

/* The same until wire_rcu_online(): for the time of a system call that waits. */
static inline void wire_rcu_offline(void)
{
    WIRE_RCU_RELEASE();
    urcu_qsbr_thread_offline();
}

static inline void wire_rcu_online(void)
{
    urcu_qsbr_thread_online();
}

/* Blocks until every online reader has been quiescent once. */
static inline void wire_rcu_wait(void)
{
    WIRE_RCU_RELEASE();
    urcu_qsbr_synchronize_rcu();
    WIRE_RCU_ACQUIRE();
}

/* Calls @done(@head), which begins with WIRE_RCU_ACQUIRE(), on liburcu's thread once no reader can
 * hold the object any more. Never blocks; any thread, registered or not. */
static inline void wire_rcu_defer(struct rcu_head *head, void (*done)(struct rcu_head *head))
{
    WIRE_RCU_RELEASE();
    urcu_qsbr_call_rcu(head, done);
}

/* Waits until everything deferred so far is done. Not from a registered thread. */
void wire_rcu_barrier(void);

/* @cell is a pointer to an _Atomic pointer. */
#define wire_rcu_load(cell)           atomic_load_explicit((cell), memory_order_acquire)
#define wire_rcu_publish(cell, value) atomic_store_explicit((cell), (value), memory_order_release)
