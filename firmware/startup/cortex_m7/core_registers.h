/* System registers of the Cortex-M7 (Armv7-M Architecture Reference Manual, DDI 0403E, chapter B3 and C1;
 * Cortex-M7 Generic User Guide, DUI 0646, chapter 4). */
#ifndef TINYANIME_CORE_REGISTERS_H
#define TINYANIME_CORE_REGISTERS_H

#include <stdint.h>

#define TA_REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* System control block: DDI 0403E B3.2. */
#define SCB_VTOR TA_REG32(0xE000ED08u)
#define SCB_AIRCR TA_REG32(0xE000ED0Cu)
#define SCB_AIRCR_KEY (0x05FAu << 16)
#define SCB_AIRCR_SYSRESETREQ (1u << 2)
#define SCB_CCR TA_REG32(0xE000ED14u)
#define SCB_CCR_DC (1u << 16)
#define SCB_CCR_IC (1u << 17)
#define SCB_SHCSR TA_REG32(0xE000ED24u)
#define SCB_CFSR TA_REG32(0xE000ED28u)
#define SCB_HFSR TA_REG32(0xE000ED2Cu)
#define SCB_MMFAR TA_REG32(0xE000ED34u)
#define SCB_BFAR TA_REG32(0xE000ED38u)
#define SCB_CPACR TA_REG32(0xE000ED88u)
#define SCB_CPACR_FPU_FULL (0xFu << 20) /* CP10 and CP11, full access: B3.2.20 */

/* Cache identification and maintenance: DUI 0646 4.4.7 and 4.8. */
#define SCB_CCSIDR TA_REG32(0xE000ED80u)
#define SCB_CSSELR TA_REG32(0xE000ED84u)
#define SCB_ICIALLU TA_REG32(0xE000EF50u)
#define SCB_DCIMVAC TA_REG32(0xE000EF5Cu)
#define SCB_DCISW TA_REG32(0xE000EF60u)
#define SCB_DCCMVAC TA_REG32(0xE000EF68u)

/* Memory protection unit: DDI 0403E B3.5. */
#define MPU_CTRL TA_REG32(0xE000ED94u)
#define MPU_RNR TA_REG32(0xE000ED98u)
#define MPU_RBAR TA_REG32(0xE000ED9Cu)
#define MPU_RASR TA_REG32(0xE000EDA0u)
#define MPU_CTRL_ENABLE (1u << 0)
#define MPU_CTRL_PRIVDEFENA (1u << 2)

/* Debug exception and monitor control, data watchpoint and trace: C1.6.5 and C1.8. */
#define COREDEBUG_DEMCR TA_REG32(0xE000EDFCu)
#define COREDEBUG_DEMCR_TRCENA (1u << 24)
#define DWT_CTRL TA_REG32(0xE0001000u)
#define DWT_CTRL_CYCCNTENA (1u << 0)
#define DWT_CYCCNT TA_REG32(0xE0001004u)
#define DWT_LAR TA_REG32(0xE0001FB0u)
#define DWT_LAR_KEY 0xC5ACCE55u /* The Cortex-M7 locks the unit after reset: CoreSight lock access register. */

static inline void ta_barrier_data(void) {
    __asm volatile("dsb" ::: "memory");
}

static inline void ta_barrier_instruction(void) {
    __asm volatile("isb" ::: "memory");
}

#endif
