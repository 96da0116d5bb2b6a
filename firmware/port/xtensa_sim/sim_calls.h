/* Calls into the simulator by the instruction SIMCALL: number in a2, arguments in a3 to a5, result in a2 (-1: it
 * failed). Numbers and arguments are those of the Xtensa instruction set simulator, which QEMU's `-semihosting` serves
 * (QEMU, target/xtensa/xtensa-semi.c): descriptors are those of the QEMU process. */
#ifndef SIM_CALLS_H
#define SIM_CALLS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { TA_SIM_INPUT = 0, TA_SIM_OUTPUT = 1, TA_SIM_MESSAGES = 2 } ta_sim_descriptor;

/* Ends the simulator with `status`. */
__attribute__((noreturn)) void ta_sim_exit(uint32_t status);

/* Bytes read (at most `count`), 0 at the end of the stream, -1 where it fails. Waits for the first byte. */
int32_t ta_sim_read(ta_sim_descriptor descriptor, void *bytes, uint32_t count);

/* Bytes written (at most `count`), -1 where it fails. May wait. */
int32_t ta_sim_write(ta_sim_descriptor descriptor, const void *bytes, uint32_t count);

/* Waits at most `timeout_us` (below a second) until the descriptor can be read or, `for_output`, written. */
bool ta_sim_ready(ta_sim_descriptor descriptor, bool for_output, uint32_t timeout_us);

#endif
