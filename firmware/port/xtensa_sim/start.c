/* Memory and stack as a chip's start-up code leaves them; what a fault says. */
#include "start.h"

#include <string.h>

#include "sim_calls.h"

/* From the linker script. */
extern uint32_t __data_start[];
extern uint32_t __data_end[];
extern const uint32_t __data_load[];
extern uint32_t __bss_start[];
extern uint32_t __bss_end[];
extern uint32_t __stack_limit[];
extern uint32_t __stack_top[];

int main(void);

#define STACK_PAINT 0xA5A5A5A5u
#define START_STACK_WORDS 64u /* More than the frames of start-up take. */

__attribute__((noreturn)) void ta_sim_start(void);
__attribute__((noreturn)) void ta_sim_fault(uint32_t place, uint32_t cause, uint32_t address);

static uint32_t words_between(const uint32_t *begin, const uint32_t *end) {
    return (uint32_t)(((uintptr_t)end - (uintptr_t)begin) / sizeof(uint32_t));
}

/* Called by the reset code with an empty stack. */
void ta_sim_start(void) {
    memcpy(__data_start, __data_load, words_between(__data_start, __data_end) * sizeof(uint32_t));
    memset(__bss_start, 0, words_between(__bss_start, __bss_end) * sizeof(uint32_t));
    const uint32_t free_words = words_between(__stack_limit, __stack_top) - START_STACK_WORDS;
    for (uint32_t i = 0; i < free_words; i++) {
        __stack_limit[i] = STACK_PAINT;
    }
    (void)main();
    ta_sim_exit(0u);
}

uint32_t ta_sim_stack_free_bytes(void) {
    const uint32_t words = words_between(__stack_limit, __stack_top);
    uint32_t unused = 0;
    while (unused < words && __stack_limit[unused] == STACK_PAINT) {
        unused++;
    }
    return unused * (uint32_t)sizeof(uint32_t);
}

static void put_hex(char *text, uint32_t value) {
    for (uint32_t digit = 0; digit < 8u; digit++) {
        text[digit] = "0123456789abcdef"[(value >> (28u - 4u * digit)) & 15u];
    }
}

/* Every exception ends here: no interrupt is ever enabled. `cause` as in the Xtensa ISA Reference Manual, table
 * "Exception Causes", `address` is that of the access where one failed. The host reads this line (qemu_xtensa.py). */
void ta_sim_fault(uint32_t place, uint32_t cause, uint32_t address) {
    char text[] = "firmware fault: cause 0x00000000 at 0x00000000, address 0x00000000\n";
    put_hex(strstr(text, "cause") + 8, cause);
    put_hex(strstr(text, "at 0x") + 5, place);
    put_hex(strstr(text, "address") + 10, address);
    (void)ta_sim_write(TA_SIM_MESSAGES, text, (uint32_t)(sizeof text - 1u));
    ta_sim_exit(1u);
}
