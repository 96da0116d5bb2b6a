/* Status of every fallible function of the firmware. */
#ifndef TINYANIME_STATUS_H
#define TINYANIME_STATUS_H

typedef enum {
    TA_OK = 0,
    TA_ERROR_ARGUMENT = 1, /* A parameter is outside what the function accepts. */
    TA_ERROR_SCRATCH = 2,  /* A kernel asks for more working memory than was planned. */
    TA_ERROR_KERNEL = 3,   /* A library kernel refused its arguments. */
    TA_ERROR_STATE = 4,    /* Called out of order, e.g. a step without an input. */
    TA_BUSY = 5,           /* Not an error: more work is left. */
    TA_WAITING = 6,        /* Not an error: the host has to send input rows or to take output rows first. */
    TA_ERROR_DMA = 7       /* A DMA transfer failed on the bus or never ended. */
} ta_status;

#endif
