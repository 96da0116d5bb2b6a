/* What the main program on NuttX needs of the port beside tinyanime/port.h. */
#ifndef TINYANIME_PORT_NUTTX_H
#define TINYANIME_PORT_NUTTX_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/* Opens the character device of the link, raw and at the configured speed. False, with errno, where that fails.
 * `path` must outlive the program: a device that goes away (USB) is opened again. */
bool ta_nuttx_open(const char *path);

/* Sends what is left to send, and sleeps until a byte comes, at most `milliseconds`. */
void ta_nuttx_wait(uint32_t milliseconds);

/* Whether a reset was asked for since the last call. */
bool ta_nuttx_reset_asked(void);

#ifdef CONFIG_TINYANIME_RESET_BOARD
/* Resets the chip; returns only where the board cannot. */
void ta_nuttx_reset_board(void);
#endif

#endif
