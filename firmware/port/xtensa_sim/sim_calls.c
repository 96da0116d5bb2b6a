#include "sim_calls.h"

#define CALL_EXIT 1u
#define CALL_READ 3u
#define CALL_WRITE 4u
#define CALL_SELECT_ONE 29u

#define SELECT_READ 1u
#define SELECT_WRITE 2u

static int32_t call(uint32_t number, uint32_t first, uint32_t second, uint32_t third) {
    register uint32_t a2 __asm("a2") = number;
    register uint32_t a3 __asm("a3") = first;
    register uint32_t a4 __asm("a4") = second;
    register uint32_t a5 __asm("a5") = third;
    __asm volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
    return (int32_t)a2;
}

void ta_sim_exit(uint32_t status) {
    for (;;) {
        (void)call(CALL_EXIT, status, 0u, 0u);
    }
}

int32_t ta_sim_read(ta_sim_descriptor descriptor, void *bytes, uint32_t count) {
    return call(CALL_READ, (uint32_t)descriptor, (uint32_t)(uintptr_t)bytes, count);
}

int32_t ta_sim_write(ta_sim_descriptor descriptor, const void *bytes, uint32_t count) {
    return call(CALL_WRITE, (uint32_t)descriptor, (uint32_t)(uintptr_t)bytes, count);
}

bool ta_sim_ready(ta_sim_descriptor descriptor, bool for_output, uint32_t timeout_us) {
    const uint32_t timeout[2] = {0u, timeout_us}; /* Seconds, microseconds. */
    return call(CALL_SELECT_ONE, (uint32_t)descriptor, for_output ? SELECT_WRITE : SELECT_READ,
                (uint32_t)(uintptr_t)timeout) > 0;
}
