/* Multiplications and divisions that the compiler calls functions for. Debian's libgcc for this core lacks them; names
 * and meaning are those of the GCC internals manual, "Integer library routines". The core multiplies 32 by 32 bits to
 * 32, and has no division. */
#include <stdint.h>

uint64_t __muldi3(uint64_t a, uint64_t b);
uint32_t __udivsi3(uint32_t a, uint32_t b);
uint32_t __umodsi3(uint32_t a, uint32_t b);
int32_t __divsi3(int32_t a, int32_t b);
uint64_t __udivdi3(uint64_t a, uint64_t b);
uint64_t __umoddi3(uint64_t a, uint64_t b);
int64_t __divdi3(int64_t a, int64_t b);

/* Modulo 2^64, from products of 16-bit halves. */
uint64_t __muldi3(uint64_t a, uint64_t b) {
    const uint32_t a_low = (uint32_t)a, a_high = (uint32_t)(a >> 32);
    const uint32_t b_low = (uint32_t)b, b_high = (uint32_t)(b >> 32);
    const uint32_t low = (a_low & 0xFFFFu) * (b_low & 0xFFFFu);
    const uint32_t middle = (a_low >> 16) * (b_low & 0xFFFFu) + (low >> 16);
    const uint32_t other = (a_low & 0xFFFFu) * (b_low >> 16) + (middle & 0xFFFFu);
    const uint32_t high = (a_low >> 16) * (b_low >> 16) + (middle >> 16) + (other >> 16);
    return ((uint64_t)(high + a_low * b_high + a_high * b_low) << 32) | (other << 16) | (low & 0xFFFFu);
}

/* Bit by bit; a division by zero gives what hardware of this family has no answer for: all ones. */
static uint32_t divide(uint32_t a, uint32_t b, uint32_t *remainder) {
    uint32_t quotient = 0;
    uint32_t rest = 0;
    for (int32_t bit = a == 0u ? -1 : 31 - __builtin_clz(a); bit >= 0; bit--) {
        const uint32_t carry = rest >> 31;
        rest = (rest << 1) | ((a >> bit) & 1u);
        if (carry != 0u || rest >= b) {
            rest -= b;
            quotient |= 1u << bit;
        }
    }
    *remainder = rest;
    return quotient;
}

uint32_t __udivsi3(uint32_t a, uint32_t b) {
    uint32_t rest;
    return divide(a, b, &rest);
}

uint32_t __umodsi3(uint32_t a, uint32_t b) {
    uint32_t rest;
    (void)divide(a, b, &rest);
    return rest;
}

int32_t __divsi3(int32_t a, int32_t b) {
    const uint32_t quotient = __udivsi3(a < 0 ? 0u - (uint32_t)a : (uint32_t)a, b < 0 ? 0u - (uint32_t)b : (uint32_t)b);
    return (int32_t)((a < 0) != (b < 0) ? 0u - quotient : quotient);
}

static uint64_t divide_long(uint64_t a, uint64_t b, uint64_t *remainder) {
    uint64_t quotient = 0;
    uint64_t rest = 0;
    for (int32_t bit = 63; bit >= 0; bit--) {
        const uint32_t carry = (uint32_t)(rest >> 63);
        rest = (rest << 1) | ((a >> bit) & 1u);
        if (carry != 0u || rest >= b) {
            rest -= b;
            quotient |= (uint64_t)1u << bit;
        }
    }
    *remainder = rest;
    return quotient;
}

uint64_t __udivdi3(uint64_t a, uint64_t b) {
    uint64_t rest;
    return divide_long(a, b, &rest);
}

uint64_t __umoddi3(uint64_t a, uint64_t b) {
    uint64_t rest;
    (void)divide_long(a, b, &rest);
    return rest;
}

int64_t __divdi3(int64_t a, int64_t b) {
    const uint64_t quotient = __udivdi3(a < 0 ? 0u - (uint64_t)a : (uint64_t)a, b < 0 ? 0u - (uint64_t)b : (uint64_t)b);
    return (int64_t)((a < 0) != (b < 0) ? 0u - quotient : quotient);
}
