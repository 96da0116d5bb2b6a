/* The program that NuttX starts: tinyanime [DEVICE]. It serves the link on the device and ends only where that cannot
 * be opened. */
#include "tinyanime/firmware.h"
#include "tinyanime/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "nuttx.h"

/* Longest sleep: the watchdog is fed in between. */
#define SLEEP_MILLISECONDS 100u

int main(int argc, char *argv[]) {
    const char *device = argc > 1 ? argv[1] : CONFIG_TINYANIME_DEVICE;
    if (argc > 2) {
        fprintf(stderr, "tinyanime: takes one argument, the character device of the link\n");
        return EXIT_FAILURE;
    }
    if (!ta_nuttx_open(device)) {
        fprintf(stderr, "tinyanime: %s cannot be opened for the link: %s\n", device, strerror(errno));
        return EXIT_FAILURE;
    }
    ta_port_init();
    ta_firmware_start();
    for (;;) {
        if (!ta_firmware_turn()) {
            ta_nuttx_wait(SLEEP_MILLISECONDS);
        }
        if (ta_nuttx_reset_asked()) {
            ta_firmware_start();
        }
    }
}
