/* Reset and exceptions of the simulated core (Xtensa, call0 ABI; QEMU machine `sim`, CPU `lx106`).
 *
 * Xtensa ISA Reference Manual: 4.4.1 "Exception Option" (PS, EPC1, EXCCAUSE, vectors), 4.4.3 "Relocatable Vector
 * Option" (VECBASE). The core begins at the reset vector with PS.EXCM set, whatever the image's entry is. */

#define PS_UM 0x20

    .section .reset, "ax"
    .align 4
    .global Reset_Handler
    .type Reset_Handler, @function
Reset_Handler:
    j begin
    .literal_position
    .align 4
begin:
    /* No window, no exception under way, all interrupts allowed (none is enabled). */
    movi a2, PS_UM
    wsr.ps a2
    movi a2, ta_sim_vectors
    wsr.vecbase a2
    rsync
    movi a1, __stack_top
    call0 ta_sim_start
1:  j 1b

/* Offsets from VECBASE are those of the CPU's configuration (QEMU, target/xtensa/core-lx106/core-isa.h). */
    .section .exceptions, "ax"
    .global ta_sim_vectors
    .balign 256
ta_sim_vectors:
    .org ta_sim_vectors + 0x10 /* Debug */
    j fault
    .org ta_sim_vectors + 0x20 /* Non-maskable interrupt */
    j fault
    .org ta_sim_vectors + 0x30 /* Kernel */
    j fault
    .org ta_sim_vectors + 0x50 /* User */
    j fault
    .org ta_sim_vectors + 0x70 /* Double */
    j fault
    .org ta_sim_vectors + 0x80
    .literal_position
    .align 4
/* The stack may have overflowed: a new one begins at its top. */
fault:
    rsr.epc1 a2
    rsr.exccause a3
    rsr.excvaddr a4
    movi a1, __stack_top
    call0 ta_sim_fault
1:  j 1b
