/* From reset to main on a Cortex-M4F, and semihosting: what a vendor's SDK brings. */
#include "startup.h"

#include <stddef.h>

/* The linker script's symbols; only their addresses mean something. */
extern uint32_t stack_top[], data_start[], data_end[], data_image[], bss_start[], bss_end[];

enum { SYS_WRITE0 = 0x04, SYS_EXIT = 0x18 };

/* Reasons of SYS_EXIT: an emulator ends with 0 after the first, with 1 after the second. */
enum { APPLICATION_EXIT = 0x20026, RUN_TIME_ERROR = 0x20023 };

static void semihosting(uint32_t operation, uint32_t argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uint32_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void print(const char *text)
{
    semihosting(SYS_WRITE0, (uint32_t)(uintptr_t)text);
}

void print_number(int32_t value)
{
    char digits[12];
    size_t at = sizeof digits - 1;
    uint32_t rest = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;

    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    print(&digits[at]);
}

static void leave(uint32_t reason)
{
    for (;;) {
        semihosting(SYS_EXIT, reason);
    }
}

static void on_fault(void)
{
    print("fault\n");
    leave(RUN_TIME_ERROR);
}

void reset(void);

/* Where the core starts. */
void reset(void)
{
    volatile uint32_t *const coprocessors = (volatile uint32_t *)0xe000ed88;
    const uint32_t *from = data_image;
    uint32_t *to;

    *coprocessors |= 0xfu << 20; /* the float unit, which compilers use for moves */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    for (to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    leave(main() == 0 ? APPLICATION_EXIT : RUN_TIME_ERROR);
}

/* Where the core finds its stack, its entry, and what to do when something goes wrong. */
struct vectors {
    uint32_t *stack;
    void (*handlers[15])(void);
};

__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    stack_top,
    {reset, on_fault, on_fault, on_fault, on_fault, on_fault},
};
