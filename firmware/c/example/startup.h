/* What the example has instead of a C library. */
#ifndef STARTUP_H
#define STARTUP_H

#include <stdint.h>

/* Writes to the debugger, or to the emulator's output. */
void print(const char *text);

/* The same of a number, in decimal. */
void print_number(int32_t value);

/* The application. What it returns ends the emulator: 0 is success. */
int main(void);

#endif
