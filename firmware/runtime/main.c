/* The firmware's main loop. */
#include "tinyanime/firmware.h"
#include "tinyanime/port.h"
#include "tinyanime/team.h"

int main(void) {
    ta_port_init();
    ta_team_start();
    ta_firmware_start();
    for (;;) {
        (void)ta_firmware_turn();
    }
}
