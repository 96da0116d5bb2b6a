/* The firmware as the calls that a main program makes, behind ta_port_init. */
#ifndef TINYANIME_FIRMWARE_H
#define TINYANIME_FIRMWARE_H

#include <stdbool.h>

/* Describes the device to the link and begins a new session. Called again, it does what a reset does: the host sees
 * another boot, and what it had sent before is forgotten. */
void ta_firmware_start(void);

/* Hands the bytes that have arrived to the link, then executes one step where a run goes on. True while more can be
 * done at once; false where nothing is left to do before the next byte comes. */
bool ta_firmware_turn(void);

#endif
