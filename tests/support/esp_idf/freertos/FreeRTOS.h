#ifndef FREERTOS_FREERTOS_H
#define FREERTOS_FREERTOS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

typedef int BaseType_t;
typedef unsigned int UBaseType_t;
typedef uint32_t TickType_t;
typedef uint8_t StackType_t;

/* A task is a thread of this PC. */
typedef struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t notified;
    uint32_t notifications;
    int core;
    int watched;
    void (*code)(void *);
    void *argument;
} StaticTask_t;

#define pdTRUE ((BaseType_t)1)
#define tskIDLE_PRIORITY ((UBaseType_t)0u)
/* A tick is a millisecond, as in sdkconfig.defaults. */
#define pdMS_TO_TICKS(milliseconds) ((TickType_t)(milliseconds))

#endif
