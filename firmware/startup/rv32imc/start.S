/* First instructions of an RV32IMC core in machine mode, and its trap entry. The Volume II of the RISC-V Instruction Set
 * Manual (privileged architecture, 3.1) names the registers. */

    .option arch, +zicsr

    .section .text.Reset_Handler, "ax", @progbits
    .global Reset_Handler
    .type Reset_Handler, @function
Reset_Handler:
    csrci mstatus, 8            /* MIE off: the firmware polls, whatever the ROM has enabled. */
    .option push
    .option norelax             /* Relaxation would load gp relative to itself. */
    la gp, __global_pointer$
    .option pop
    la sp, __stack_top
    la t0, ta_trap_table + 1    /* MODE 1, vectored: cores differ in whether MODE can be anything else. */
    csrw mtvec, t0
    li ra, 0
    j ta_reset
    .size Reset_Handler, . - Reset_Handler

/* Exceptions come to the first entry; as no interrupt is ever enabled, the table has no other. The stack may have
 * overflowed, so the handler starts a new one at its top: a0 is the old stack pointer, a1 the return address. */
    .section .text.ta_trap_table, "ax", @progbits
    .balign 256
    .global ta_trap_table
    .type ta_trap_table, @function
ta_trap_table:
    mv a0, sp
    mv a1, ra
    la sp, __stack_top
    j ta_fault_record_and_reset
    .size ta_trap_table, . - ta_trap_table
