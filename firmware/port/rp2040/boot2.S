/* Second boot stage: the boot ROM copies these 252 bytes and their checksum (board/pico_image.py makes it) from the
 * start of the flash to the top of SRAM5 and jumps to them, with the flash in its serial command mode and the
 * serial controller (SSI) connected to it. RP2040 datasheet 2.8.1.3.1 (boot), 2.6.3 (XIP), 4.10.13 (SSI registers).
 *
 * Flash that is known, chips of Winbond whose quad mode is on (bit QE is never written here: it is not volatile), is
 * mapped by Fast Read Quad I/O in continuous read mode, at half the core clock: 66.5 MHz at 133 MHz. All other flash
 * is mapped by the serial read command that every chip has, at a sixth: 22 MHz. W25Q16JV datasheet: 6.1 (QE), 8.2.
 *
 * The chip's unique id is asked for in passing, because this is the one moment at which nothing runs from flash: it
 * goes to the watchdog's scratch registers (RP2040_FLASH_ID_KNOWN in rp2040.h), which outlive the way to main.
 *
 * Position independent, no stack. R3 is the SSI throughout. */
    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .section .boot2, "ax"

    .equ PADS_QSPI, 0x40020000              /* 2.19.6.4: SCLK 0x04, SD0 to SD3 0x08 to 0x14 */
    .equ PAD_SCHMITT, 1 << 1
    .equ PAD_FAST_8MA, (2 << 4) | (1 << 0)
    .equ WATCHDOG_SCRATCH0, 0x4005800C      /* 4.7.6 */
    .equ FLASH_ID_KNOWN, 0x75494431
    .equ VTOR, 0xE000ED08                   /* DDI 0419E B3.2.5 */
    .equ VECTORS, 0x10000100

    .equ SSI, 0x18000000                    /* 4.10.13 */
    .equ CTRLR0, 0x00
    .equ CTRLR1, 0x04
    .equ SSIENR, 0x08
    .equ SER, 0x10
    .equ BAUDR, 0x14
    .equ SR, 0x28                           /* bit 0 BUSY, bit 2 TFE: transmit FIFO empty */
    .equ DR0, 0x60
    .equ RX_SAMPLE_DLY, 0xF0
    .equ SPI_CTRLR0, 0xF4

    /* CTRLR0: frame size less one in bits 20:16, lines in 22:21, transfer mode in 9:8. */
    .equ BYTES_BOTH_WAYS, 7 << 16
    .equ READ_WORDS, (31 << 16) | (3 << 8)  /* sends command and address, then receives */
    .equ QUAD, 2 << 21

    /* SPI_CTRLR0: command or mode bits of XIP in bits 31:24, wait cycles in 15:11, bits of the command / 4 in 9:8 (as
     * 0, 1 or 2), bits of the address / 4 in 5:2, lines of command and address in 1:0. */
    .equ SERIAL_READ, (0x03 << 24) | (2 << 8) | (6 << 2)
    .equ QUAD_ENTER, (0xEB << 24) | (4 << 11) | (2 << 8) | (8 << 2) | 1
    .equ QUAD_CONTINUED, (0xA0 << 24) | (4 << 11) | (8 << 2) | 2

    .equ READ_JEDEC_ID, 0x9F
    .equ WINBOND, 0xEF
    .equ READ_STATUS_2, 0x35                /* enters another mode on chips of others */
    .equ QUAD_ENABLED, 1 << 1
    .equ READ_UNIQUE_ID, 0x4B
    .equ READ_QUAD, 0xEB
    .equ STAY_IN_READ_MODE, 0xA0            /* mode bits M5:4 = 10 */

    .equ SLOW, 6
    .equ FAST, 2

boot2:
    movs r3, #SSI >> 24
    lsls r3, r3, #24
    movs r4, #0
    movs r5, #1
    str r4, [r3, #SSIENR]                   /* settings are taken while it is off */
    movs r0, #SLOW
    str r0, [r3, #BAUDR]
    movs r0, #BYTES_BOTH_WAYS >> 16
    lsls r0, r0, #16
    str r0, [r3, #CTRLR0]
    str r5, [r3, #SER]
    str r5, [r3, #SSIENR]

    movs r0, #READ_JEDEC_ID
    movs r1, #2
    bl exchange
    uxtb r0, r7
    cmp r0, #WINBOND
    bne map_serial

    movs r0, #READ_UNIQUE_ID                /* then four bytes of no meaning, then the id's eight */
    movs r1, #13
    bl exchange
    ldr r0, =WATCHDOG_SCRATCH0
    ldr r1, =FLASH_ID_KNOWN
    str r1, [r0]
    str r6, [r0, #4]
    str r7, [r0, #8]

    movs r0, #READ_STATUS_2
    movs r1, #2
    bl exchange
    movs r0, #QUAD_ENABLED
    tst r7, r0
    beq map_serial

    ldr r0, =PADS_QSPI                      /* the clock needs strong edges, the data no hysteresis */
    movs r1, #PAD_FAST_8MA
    str r1, [r0, #0x04]
    ldr r1, [r0, #0x08]
    movs r2, #PAD_SCHMITT
    bics r1, r2
    str r1, [r0, #0x08]
    str r1, [r0, #0x0C]
    str r1, [r0, #0x10]
    str r1, [r0, #0x14]

    str r4, [r3, #SSIENR]
    movs r0, #FAST
    str r0, [r3, #BAUDR]
    movs r0, #RX_SAMPLE_DLY                 /* data arrive a cycle late at this speed */
    str r5, [r3, r0]
    ldr r0, =QUAD | READ_WORDS
    ldr r1, =QUAD_ENTER
    bl set_mode
    movs r0, #READ_QUAD                     /* one read with a command: those that follow have none */
    str r0, [r3, #DR0]
    movs r0, #STAY_IN_READ_MODE             /* behind an address of 0 */
    str r0, [r3, #DR0]
    bl wait_idle
    str r4, [r3, #SSIENR]                   /* forgets the word that was read */
    ldr r0, =QUAD | READ_WORDS
    ldr r1, =QUAD_CONTINUED
    b start

map_serial:
    str r4, [r3, #SSIENR]
    ldr r0, =READ_WORDS
    ldr r1, =SERIAL_READ
start:
    bl set_mode
    ldr r0, =VECTORS
    ldr r1, =VTOR
    str r0, [r1]
    ldmia r0, {r0, r1}
    msr msp, r0
    bx r1

/* Switches the SSI on with R0 as CTRLR0 and R1 as SPI_CTRLR0. Changes R2. */
set_mode:
    str r0, [r3, #CTRLR0]
    str r4, [r3, #CTRLR1]                   /* a word at a time */
    movs r2, #SPI_CTRLR0
    str r1, [r3, r2]
    str r5, [r3, #SSIENR]
    bx lr

/* Sends R1 bytes (2 to 16: the depth of the FIFOs), R0 and then zeros; R6 and R7 are the last eight bytes that came
 * back, the very last one lowest. The FIFO is filled faster than it is sent, so that the chip stays selected. */
exchange:
    mov r12, lr
    mov r2, r1
1:  str r0, [r3, #DR0]
    movs r0, #0
    subs r2, #1
    bne 1b
    bl wait_idle
2:  lsls r6, r6, #8
    lsrs r2, r7, #24
    orrs r6, r2
    lsls r7, r7, #8
    ldr r2, [r3, #DR0]
    uxtb r2, r2
    orrs r7, r2
    subs r1, #1
    bne 2b
    bx r12

/* Until all is sent and received. Changes R2. */
wait_idle:
    ldr r2, [r3, #SR]
    lsrs r2, r2, #1
    bcs wait_idle
    lsrs r2, r2, #2
    bcc wait_idle
    bx lr

    .ltorg
