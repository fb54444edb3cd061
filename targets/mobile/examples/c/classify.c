/* Classifies a picture: classify MODEL PICTURE.ppm */
#include <stdio.h>
#include <stdlib.h>

#include "shiftformer.h"

static void check(shiftformer_status status)
{
    if (status != SHIFTFORMER_STATUS_OK) {
        fprintf(stderr, "%s\n%s\n", shiftformer_last_error(), shiftformer_last_hint());
        exit(1);
    }
}

/* Reads a picture in the binary formats PGM and PPM. */
static unsigned char *picture(const char *path, unsigned *height, unsigned *width, unsigned *channels)
{
    FILE *file = fopen(path, "rb");
    unsigned char *pixels = NULL;
    char kind = 0;
    size_t bytes;

    if (file != NULL && fscanf(file, "P%c %u %u 255", &kind, width, height) == 3 && fgetc(file) != EOF) {
        *channels = kind == '6' ? 3 : 1;
        bytes = (size_t)*height * *width * *channels;
        pixels = malloc(bytes);
        if (pixels != NULL && fread(pixels, 1, bytes, file) != bytes) {
            free(pixels);
            pixels = NULL;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return pixels;
}

int main(int argc, char **argv)
{
    shiftformer_model *model;
    shiftformer_session *session;
    shiftformer_ranked best[3];
    unsigned height, width, channels;
    unsigned char *pixels;
    size_t found, i;

    if (argc != 3 || (pixels = picture(argv[2], &height, &width, &channels)) == NULL) {
        fprintf(stderr, "usage: classify MODEL PICTURE.ppm\n");
        return 2;
    }
    check(shiftformer_model_open(argv[1], &model)); /* everything is checked here, once */
    check(shiftformer_session_open(model, NULL, &session));
    check(shiftformer_session_run_picture(session, pixels, (size_t)height * width * channels,
                                          (uint16_t)height, (uint16_t)width, (uint8_t)channels));
    check(shiftformer_top(session, 0, best, 3, &found));
    for (i = 0; i < found; i++) {
        printf("%6.2f %%  %s\n", 100.0 * best[i].probability, best[i].label ? best[i].label : "?");
    }
    shiftformer_session_close(session);
    shiftformer_model_close(model);
    free(pixels);
    return 0;
}
