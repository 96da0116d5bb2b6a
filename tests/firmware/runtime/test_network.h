/* A network small enough to write by hand: two layers, three steps, input and output in the same memory. */
#ifndef TINYANIME_TEST_NETWORK_H
#define TINYANIME_TEST_NETWORK_H

#include "tinyanime/network.h"

#define TEST_HEIGHT 40u
#define TEST_WIDTH 48u
#define TEST_CHANNELS 3u
#define TEST_BYTES (TEST_HEIGHT * TEST_WIDTH * TEST_CHANNELS)

/* Step that answers TA_ERROR_KERNEL; at most 2, anything else lets all steps work. */
extern unsigned test_failing_step;
/* What check_scratch answers. */
extern ta_status test_scratch_status;

#endif
