/* Runs a fuzz target once on every file given: the committed corpus without libFuzzer, for any compiler. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define INPUT_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t input[INPUT_BYTES];

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            return 2;
        }
        const size_t count = fread(input, 1, sizeof input, file);
        fclose(file);
        (void)LLVMFuzzerTestOneInput(input, count);
    }
    printf("%d\n", argc - 1);
    return 0;
}
