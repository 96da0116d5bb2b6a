/* The link's UART as a character device of NuttX, by POSIX calls. */
#ifndef __NuttX__
#define _DEFAULT_SOURCE /* cfsetspeed */
#endif

#include "tinyanime/port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "config.h"
#include "nuttx.h"

#define RX_BUFFER_BYTES 4096u /* Holds, with the driver, what the host has on the way; a power of two. */
#define TX_BUFFER_BYTES 1280u /* A frame: most are written by one call. */

/* What the other side does not take for so long is dropped; the host asks again. */
#define STALL_MILLISECONDS 2000

_Static_assert((RX_BUFFER_BYTES & (RX_BUFFER_BYTES - 1u)) == 0u, "the index wraps with the buffer");

static struct {
    uint8_t bytes[RX_BUFFER_BYTES];
    uint32_t head; /* Bytes ever stored. */
    uint32_t tail; /* Bytes ever taken. */
} rx;

static struct {
    uint8_t bytes[TX_BUFFER_BYTES];
    uint32_t count;
} tx;

static const char *device_path;
static int device = -1;
static bool reset_asked;

/* A console translates line ends and echoes: neither may touch frames. */
static bool set_raw(int descriptor) {
    struct termios settings;
    if (tcgetattr(descriptor, &settings) != 0) {
        return false;
    }
    settings.c_iflag = 0;
    settings.c_oflag = 0;
    settings.c_lflag = 0;
    settings.c_cflag &= (tcflag_t) ~(CSIZE | PARENB | CSTOPB);
    settings.c_cflag |= (tcflag_t)(CS8 | CREAD | CLOCAL);
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
#if CONFIG_TINYANIME_BAUD > 0
    if (cfsetspeed(&settings, CONFIG_TINYANIME_BAUD) != 0) {
        return false;
    }
#endif
    return tcsetattr(descriptor, TCSANOW, &settings) == 0;
}

static bool open_device(void) {
    const int descriptor = open(device_path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0) {
        return false;
    }
    if (!set_raw(descriptor)) {
        const int reason = errno;
        (void)close(descriptor);
        errno = reason;
        return false;
    }
    device = descriptor;
    return true;
}

/* The device has gone: what was on the way is lost, as on a line that is unplugged. */
static void close_device(void) {
    (void)close(device);
    device = -1;
    rx.head = 0;
    rx.tail = 0;
    tx.count = 0;
}

static bool is_for_later(ssize_t result) {
    return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* Bytes that the driver has for us; `most` where it cannot tell. */
static uint32_t waiting_bytes(uint32_t most) {
    int waiting = 0;
    if (ioctl(device, FIONREAD, &waiting) != 0) {
        return most;
    }
    return waiting <= 0 ? 0u : (uint32_t)waiting < most ? (uint32_t)waiting : most;
}

/* Moves waiting input into `rx`, never asking for more than there is: where it finds nothing, NuttX's read switches
 * the receive interrupt off and on, and of a byte that comes in between a UART without a FIFO (CMSDK) tells nobody. */
static void receive(void) {
    const uint32_t at = rx.head % RX_BUFFER_BYTES;
    const uint32_t space = RX_BUFFER_BYTES - (rx.head - rx.tail);
    const uint32_t to_end = RX_BUFFER_BYTES - at;
    const uint32_t wanted = device >= 0 ? waiting_bytes(space < to_end ? space : to_end) : 0u;
    if (wanted == 0u) {
        return;
    }
    const ssize_t got = read(device, &rx.bytes[at], wanted);
    if (got > 0) {
        rx.head += (uint32_t)got;
    } else if (!is_for_later(got)) {
        close_device();
    }
}

/* Waits until the device can take bytes, storing those that it gives; false where it takes none for too long. */
static bool wait_for_room(void) {
    const bool space = rx.head - rx.tail < RX_BUFFER_BYTES;
    struct pollfd end = {.fd = device, .events = space ? POLLIN | POLLOUT : POLLOUT, .revents = 0};
    if (poll(&end, 1, STALL_MILLISECONDS) == 0) {
        return false;
    }
    if ((end.revents & POLLIN) != 0) {
        receive();
    }
    return (end.revents & (POLLIN | POLLOUT)) != 0;
}

static void send_buffer(void) {
    uint32_t sent = 0;
    while (sent < tx.count && device >= 0) {
        const ssize_t taken = write(device, &tx.bytes[sent], tx.count - sent);
        if (taken > 0) {
            sent += (uint32_t)taken;
        } else if (taken < 0 && !is_for_later(taken)) {
            close_device();
        } else if (!wait_for_room()) {
            break;
        }
    }
    tx.count = 0;
}

bool ta_nuttx_open(const char *path) {
    device_path = path;
    return open_device();
}

void ta_nuttx_wait(uint32_t milliseconds) {
    send_buffer();
    if (device < 0) {
        (void)poll(NULL, 0, (int)milliseconds);
        (void)open_device();
        return;
    }
    if (rx.head != rx.tail) {
        return;
    }
    struct pollfd end = {.fd = device, .events = POLLIN, .revents = 0};
    if (poll(&end, 1, (int)milliseconds) <= 0) {
        return;
    }
    if ((end.revents & POLLIN) != 0) {
        receive();
    } else {
        close_device();
    }
}

bool ta_port_uart_get(uint8_t *byte) {
    if (rx.head == rx.tail) {
        send_buffer();
        receive();
    }
    if (rx.head == rx.tail) {
        return false;
    }
    *byte = rx.bytes[rx.tail % RX_BUFFER_BYTES];
    rx.tail++;
    return true;
}

void ta_port_uart_put(uint8_t byte) {
    tx.bytes[tx.count] = byte;
    tx.count++;
    if (tx.count == TX_BUFFER_BYTES) {
        send_buffer();
    }
}

/* Bytes that the driver still holds outlive a start of the program; before a reset of the board they must be out. */
void ta_port_uart_flush(void) {
    send_buffer();
#ifdef CONFIG_TINYANIME_RESET_BOARD
    (void)tcdrain(device);
#endif
}

/* Without an option for more, the program begins anew in its task, the rest of the system goes on: what it has read
 * and not taken yet is lost, as in a chip. Returns then. */
void ta_port_reset(void) {
#ifdef CONFIG_TINYANIME_RESET_BOARD
    ta_nuttx_reset_board();
#endif
    rx.tail = rx.head;
    reset_asked = true;
}

bool ta_nuttx_reset_asked(void) {
    const bool asked = reset_asked;
    reset_asked = false;
    return asked;
}
