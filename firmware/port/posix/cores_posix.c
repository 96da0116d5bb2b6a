/* A second core of the PC as a chip: a thread. Mailboxes hold one word; whoever waits sleeps. */
#define _POSIX_C_SOURCE 200809L

#include "tinyanime/port.h"

#ifndef TA_CORES
#define TA_CORES 1
#endif

#if TA_CORES > 1

#include <pthread.h>
#include <stddef.h>

#define CORES 2u

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_full;
    uint32_t word;
} mailbox;

#define EMPTY_MAILBOX                                                                                                  \
    { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 }

/* By the core that receives. */
static mailbox mailboxes[CORES] = {EMPTY_MAILBOX, EMPTY_MAILBOX};

static _Thread_local uint32_t this_core;
static void (*core_1_entry)(void);

static void *core_1(void *unused) {
    (void)unused;
    this_core = 1;
    core_1_entry();
    return NULL;
}

/* False where the PC starts no thread. */
bool ta_port_core_launch(void (*entry)(void)) {
    pthread_t thread;
    core_1_entry = entry;
    return pthread_create(&thread, NULL, core_1, NULL) == 0 && pthread_detach(thread) == 0;
}

uint32_t ta_port_core_index(void) {
    return this_core;
}

/* Waits until the locked mailbox is full, or until it is not. */
static void wait_until(mailbox *box, bool is_full) {
    while (box->is_full != is_full) {
        (void)pthread_cond_wait(&box->changed, &box->lock);
    }
}

static void set_full(mailbox *box, bool is_full) {
    box->is_full = is_full;
    (void)pthread_cond_signal(&box->changed);
}

void ta_port_core_send(uint32_t word) {
    mailbox *box = &mailboxes[1u - this_core];
    (void)pthread_mutex_lock(&box->lock);
    wait_until(box, false);
    box->word = word;
    set_full(box, true);
    (void)pthread_mutex_unlock(&box->lock);
}

uint32_t ta_port_core_receive(void) {
    mailbox *box = &mailboxes[this_core];
    (void)pthread_mutex_lock(&box->lock);
    wait_until(box, true);
    const uint32_t word = box->word;
    set_full(box, false);
    (void)pthread_mutex_unlock(&box->lock);
    return word;
}

#endif
