/* D2 memory clocks, MPU regions and caches: RM0433 2.3, AN4838 (MPU), AN4839 (caches). */
#include "registers.h"
#include "stm32h7.h"

/* MPU_RASR fields: DDI 0403E B3.5.9. */
#define RASR_ENABLE 1u
#define RASR_SIZE(log2_bytes) (((log2_bytes)-1u) << 1)
#define RASR_SUBREGIONS_OFF(mask) ((uint32_t)(mask) << 8) /* One bit per eighth of the region. */
#define RASR_AP_NO_ACCESS (0u << 24)
#define RASR_AP_READ_WRITE (3u << 24)
#define RASR_AP_READ_ONLY (6u << 24)
#define RASR_NO_EXECUTE (1u << 28)
/* TEX:C:B of table B3-14; all but the first are normal memory, not shared. */
#define RASR_STRONGLY_ORDERED 0u
#define RASR_WRITE_BACK_ALLOCATE ((1u << 19) | (1u << 17) | (1u << 16))
#define RASR_WRITE_THROUGH (1u << 17)

typedef struct {
    uint32_t base;
    uint32_t attributes;
} mpu_region;

/* Of overlapping regions the last one counts; what none covers keeps the default map (PRIVDEFENA). A stack
 * overflow needs no guard region: the stack lies at the start of DTCM, and nothing answers below it. */
static const mpu_region regions[] = {
    /* 0x60000000 to 0xDFFFFFFF, eighths 3 to 6 of the address space: external memories that no board here has.
     * The default map calls them normal memory, which the core may read speculatively: a bus without a memory
     * behind it can then hang (AN4838, "Cortex-M7 constraint speculative prefetch"). */
    {0x00000000u, RASR_SIZE(32u) | RASR_SUBREGIONS_OFF(0x87u) | RASR_AP_NO_ACCESS | RASR_NO_EXECUTE |
                      RASR_STRONGLY_ORDERED | RASR_ENABLE},
    /* ITCM is written by start-up only: from here on a write through a null pointer faults. */
    {0x00000000u, RASR_SIZE(16u) | RASR_AP_READ_ONLY | RASR_WRITE_THROUGH | RASR_ENABLE},
    /* Flash. */
    {0x08000000u, RASR_SIZE(21u) | RASR_AP_READ_ONLY | RASR_WRITE_THROUGH | RASR_ENABLE},
    /* DTCM, AXI SRAM, SRAM1 to SRAM3 (288 KB, rounded up), SRAM4: data only. */
    {0x20000000u, RASR_SIZE(17u) | RASR_AP_READ_WRITE | RASR_NO_EXECUTE | RASR_WRITE_BACK_ALLOCATE | RASR_ENABLE},
    {0x24000000u, RASR_SIZE(19u) | RASR_AP_READ_WRITE | RASR_NO_EXECUTE | RASR_WRITE_BACK_ALLOCATE | RASR_ENABLE},
    {0x30000000u, RASR_SIZE(19u) | RASR_AP_READ_WRITE | RASR_NO_EXECUTE | RASR_WRITE_BACK_ALLOCATE | RASR_ENABLE},
    {0x38000000u, RASR_SIZE(16u) | RASR_AP_READ_WRITE | RASR_NO_EXECUTE | RASR_WRITE_BACK_ALLOCATE | RASR_ENABLE},
};

static void enable_mpu(void) {
    MPU_CTRL = 0;
    for (uint32_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
        MPU_RNR = i;
        MPU_RBAR = regions[i].base;
        MPU_RASR = regions[i].attributes;
    }
    MPU_CTRL = MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA;
    ta_barrier_data();
    ta_barrier_instruction();
}

/* Both caches hold noise after power-on and are invalidated before they are enabled: DUI 0646 4.8.4
 * and 4.8.5. */
static void enable_caches(void) {
    SCB_CSSELR = 0; /* Level 1 data cache. */
    ta_barrier_data();
    const uint32_t geometry = SCB_CCSIDR;
    const uint32_t last_set = (geometry >> 13) & 0x7FFFu;
    const uint32_t last_way = (geometry >> 3) & 0x3FFu;
    for (uint32_t set = 0; set <= last_set; set++) {
        for (uint32_t way = 0; way <= last_way; way++) {
            SCB_DCISW = (set << 5) | (way << 30); /* 4 ways, 32-byte lines: DUI 0646 table 4-83. */
        }
    }
    ta_barrier_data();
    SCB_ICIALLU = 0;
    ta_barrier_data();
    ta_barrier_instruction();
    SCB_CCR |= SCB_CCR_IC | SCB_CCR_DC;
    ta_barrier_data();
    ta_barrier_instruction();
}

/* ES0392 2.2.9, silicon before revision X: reads of AXI SRAM may return wrong data while another master
 * writes, unless it takes one read at a time. */
static void apply_axi_erratum(void) {
    if ((DBGMCU_IDC >> 16) < DBGMCU_REVISION_X) {
        AXI_TARG7_FN_MOD |= AXI_FN_MOD_READ_ISS_OVERRIDE;
    }
}

void stm32h7_memory_init(void) {
    apply_axi_erratum();
    RCC_AHB2ENR |= RCC_AHB2ENR_SRAM123EN;
    (void)RCC_AHB2ENR;
    /* A reset leaves the caches off (and their contents unknown); a debugger that only sets the PC does not.
     */
    if ((SCB_CCR & SCB_CCR_DC) == 0) {
        enable_mpu();
        enable_caches();
    }
}
