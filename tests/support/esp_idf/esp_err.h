#ifndef ESP_ERR_H
#define ESP_ERR_H

#include <stdio.h>
#include <stdlib.h>

typedef int esp_err_t;

#define ESP_OK 0
#define ESP_FAIL (-1)

/* As there: a failure ends the program. */
#define ESP_ERROR_CHECK(call)                                                                                          \
    do {                                                                                                               \
        if ((call) != ESP_OK) {                                                                                        \
            (void)fprintf(stderr, "ESP_ERROR_CHECK failed: %s\n", #call);                                              \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
