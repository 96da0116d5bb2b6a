/* The application's Kconfig options, in a header of the system's on NuttX. Elsewhere the build defines them. */
#ifndef TINYANIME_PORT_NUTTX_CONFIG_H
#define TINYANIME_PORT_NUTTX_CONFIG_H

#ifdef __NuttX__
#include <nuttx/config.h>
#endif

/* The counter of the core and the stack of the task are the kernel's: in reach of programs that are linked with it. */
#if defined(__NuttX__) && defined(CONFIG_BUILD_FLAT)
#define TA_IN_KERNEL 1
#else
#define TA_IN_KERNEL 0
#endif

#endif
