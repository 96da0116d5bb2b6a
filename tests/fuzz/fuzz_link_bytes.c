/* libFuzzer target: arbitrary bytes from the line into the whole link with the test network. */
#include "fuzz_device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_boot();
    for (size_t i = 0; i < size; i++) {
        (void)fuzz_receive(data[i]);
        if ((i & 63u) == 63u) {
            (void)fuzz_work();
        }
    }
    fuzz_finish();
    return 0;
}
