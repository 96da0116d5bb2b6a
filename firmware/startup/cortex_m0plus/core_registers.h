/* System registers of the Cortex-M0+ (Armv6-M Architecture Reference Manual, DDI 0419E, chapter B3; Cortex-M0+
 * Generic User Guide, DUI 0662B, chapter 4). */
#ifndef TINYANIME_CORE_REGISTERS_H
#define TINYANIME_CORE_REGISTERS_H

#include <stdint.h>

#define TA_REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* System control block: DDI 0419E B3.2. The core has VTOR where the chip's maker chose so. */
#define SCB_VTOR TA_REG32(0xE000ED08u)

/* System timer, 24 bits, counting down: B3.3. */
#define SYST_CSR TA_REG32(0xE000E010u) /* B3.3.3 */
#define SYST_CSR_ENABLE (1u << 0)
#define SYST_CSR_CLKSOURCE_CORE (1u << 2)
#define SYST_RVR TA_REG32(0xE000E014u) /* B3.3.4 */
#define SYST_CVR TA_REG32(0xE000E018u) /* B3.3.5; any write clears it */
#define SYST_MASK 0xFFFFFFu

/* Memory protection unit: B3.5. */
#define MPU_TYPE TA_REG32(0xE000ED90u) /* B3.5.4 */
#define MPU_TYPE_DREGION_SHIFT 8u
#define MPU_TYPE_DREGION_MASK 0xFFu
#define MPU_CTRL TA_REG32(0xE000ED94u) /* B3.5.5 */
#define MPU_CTRL_ENABLE (1u << 0)
#define MPU_CTRL_PRIVDEFENA (1u << 2)
#define MPU_RNR TA_REG32(0xE000ED98u)  /* B3.5.6 */
#define MPU_RBAR TA_REG32(0xE000ED9Cu) /* B3.5.7 */
#define MPU_RASR TA_REG32(0xE000EDA0u) /* B3.5.8 */

static inline void ta_barrier_data(void) {
    __asm volatile("dsb" ::: "memory");
}

static inline void ta_barrier_instruction(void) {
    __asm volatile("isb" ::: "memory");
}

/* Stores before it are seen by the other bus masters before any that follow. */
static inline void ta_barrier_memory(void) {
    __asm volatile("dmb" ::: "memory");
}

#endif
