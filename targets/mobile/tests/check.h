/* What the programs that check the library share: expectations, files, the manifest's models. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shiftformer.h"

/* Counts of expectations, all and those that were not met. Threads have counts of their own. */
static _Thread_local unsigned long checked, failures;

static void expect(const char *file, int line, shiftformer_status found, shiftformer_status expected)
{
    checked++;
    if (found != expected) {
        failures++;
        fprintf(stderr, "%s:%d: status %d, expected %d; %s\n", file, line, (int)found, (int)expected,
                shiftformer_last_error());
    }
}

#define EXPECT(call, status) expect(__FILE__, __LINE__, call, SHIFTFORMER_STATUS_##status)

#define HOLDS(condition)                                                                  \
    do {                                                                                  \
        checked++;                                                                        \
        if (!(condition)) {                                                               \
            failures++;                                                                   \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);       \
        }                                                                                 \
    } while (0)

/* `folder`/`name`, in a buffer of its own. */
static char *path_of(const char *folder, const char *name)
{
    size_t room = strlen(folder) + strlen(name) + 2;
    char *path = malloc(room);

    if (path == NULL) {
        exit(1);
    }
    snprintf(path, room, "%s/%s", folder, name);
    return path;
}

/* The bytes of a file, whose number `*len` becomes. */
static uint8_t *bytes_of(const char *folder, const char *name, size_t *len)
{
    char *path = path_of(folder, name);
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long end;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) >= 0) {
        *len = (size_t)end;
        bytes = malloc(*len + 1);
        rewind(file);
    }
    if (bytes == NULL || fread(bytes, 1, *len, file) != *len) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    fclose(file);
    free(path);
    return bytes;
}

#endif
