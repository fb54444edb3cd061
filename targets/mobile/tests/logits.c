/*
 * Runs every frame of a folder that the example `apps` of the tests' crate wrote, and compares the
 * logits with the reference's: logits FOLDER [FRAMES]. Camera frames are compared with the frames
 * that they are to become.
 */
#include "check.h"

#define MAX_VALUES 64

static const char *folder;

static shiftformer_session *open_session(const char *name, uint32_t threads)
{
    char *path = path_of(folder, name);
    shiftformer_options options = {SHIFTFORMER_ENGINE_CPU, 0, NULL};
    shiftformer_model *model;
    shiftformer_session *session;

    options.threads = threads;
    EXPECT(shiftformer_model_open(path, &model), OK);
    EXPECT(shiftformer_session_open(model, &options, &session), OK);
    EXPECT(shiftformer_model_close(model), OK); /* its session keeps what it needs of it */
    free(path);
    return session;
}

/* One frame after another, then all of them as a batch. */
static void model(const char *name, const char *logits_name, size_t values, const uint8_t *frames, size_t count,
                  size_t bytes)
{
    size_t len, length, frame;
    uint8_t *file = bytes_of(folder, logits_name, &len);
    const int32_t *logits = (const int32_t *)(const void *)file;
    int32_t found[MAX_VALUES];
    shiftformer_session *session = open_session(name, 2);
    unsigned long before = failures;

    HOLDS(values <= MAX_VALUES && len >= 4 * values * count);
    for (frame = 0; frame < count && failures == before; frame++) {
        EXPECT(shiftformer_session_run(session, frames + frame * bytes, bytes), OK);
        EXPECT(shiftformer_values(session, 0, 0, found, MAX_VALUES, &length), OK);
        HOLDS(length == values && memcmp(found, logits + frame * values, 4 * values) == 0);
    }
    EXPECT(shiftformer_session_run_batch(session, frames, count * bytes, count), OK);
    for (frame = 0; frame < count && failures == before; frame++) {
        EXPECT(shiftformer_values(session, frame, 0, found, MAX_VALUES, &length), OK);
        HOLDS(length == values && memcmp(found, logits + frame * values, 4 * values) == 0);
    }
    EXPECT(shiftformer_session_close(session), OK);
    printf("%s: %lu frames, twice\n", name, (unsigned long)count);
    free(file);
}

static int32_t index_of(const char *word, const char *const *words, int32_t count)
{
    int32_t i;

    for (i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    fprintf(stderr, "unknown word %s\n", word);
    exit(1);
}

/* The camera frame of a manifest's line, its planes in the lines that follow. */
static void camera(FILE *manifest, shiftformer_session *session)
{
    static const char *const formats[] = {"rgba", "bgra", "nv12", "nv21", "i420"};
    static const char *const matrices[] = {"bt601", "bt709"};
    static const char *const ranges[] = {"full", "video"};
    char file[64], frame[64], format[8], matrix[8], range[8];
    unsigned width, height, planes, plane;
    int degrees, mirrored;
    shiftformer_camera_frame camera;
    int32_t expected[MAX_VALUES], found[MAX_VALUES];
    size_t len, length;
    uint8_t *pixels, *fitted;

    if (fscanf(manifest, "%63s %63s %7s %u %u %d %d %7s %7s %u", file, frame, format, &width, &height, &degrees,
               &mirrored, matrix, range, &planes) != 10) {
        exit(1);
    }
    pixels = bytes_of(folder, file, &len);
    memset(&camera, 0, sizeof camera);
    camera.format = index_of(format, formats, 5);
    camera.matrix = index_of(matrix, matrices, 2);
    camera.range = index_of(range, ranges, 2);
    camera.width = (uint16_t)width;
    camera.height = (uint16_t)height;
    camera.rotation_degrees = degrees;
    camera.mirrored = mirrored;
    for (plane = 0; plane < planes; plane++) {
        unsigned long offset, bytes, row, pixel;

        if (fscanf(manifest, " plane %lu %lu %lu %lu", &offset, &bytes, &row, &pixel) != 4) {
            exit(1);
        }
        camera.planes[plane].bytes = pixels + offset;
        camera.planes[plane].len = bytes;
        camera.planes[plane].row_stride = row;
        camera.planes[plane].pixel_stride = pixel;
    }
    fitted = bytes_of(folder, frame, &len);
    EXPECT(shiftformer_session_run(session, fitted, len), OK);
    EXPECT(shiftformer_values(session, 0, 0, expected, MAX_VALUES, &length), OK);
    EXPECT(shiftformer_session_run_camera(session, &camera), OK);
    EXPECT(shiftformer_values(session, 0, 0, found, MAX_VALUES, &length), OK);
    HOLDS(memcmp(found, expected, length * sizeof *found) == 0);
    free(pixels);
    free(fitted);
}

int main(int argc, char **argv)
{
    char word[16], name[64], logits[64], *path;
    unsigned long count = 0, bytes = 0, limit, values;
    unsigned cameras = 0;
    size_t len;
    uint8_t *frames = NULL;
    shiftformer_session *session = NULL;
    FILE *manifest;

    if (argc < 2) {
        fprintf(stderr, "usage: logits FOLDER [FRAMES]\n");
        return 2;
    }
    folder = argv[1];
    limit = argc > 2 ? strtoul(argv[2], NULL, 10) : (unsigned long)-1;
    path = path_of(folder, "manifest.txt");
    manifest = fopen(path, "r");
    free(path);
    while (manifest != NULL && fscanf(manifest, "%15s", word) == 1) {
        if (strcmp(word, "frames") == 0 && fscanf(manifest, "%63s %lu %lu", name, &count, &bytes) == 3) {
            frames = bytes_of(folder, name, &len);
            count = count < limit ? count : limit;
        } else if (strcmp(word, "model") == 0 && fscanf(manifest, "%63s %63s %lu", name, logits, &values) == 3) {
            model(name, logits, values, frames, count, bytes);
            session = session != NULL ? session : open_session(name, 1);
        } else if (strcmp(word, "camera") == 0) {
            camera(manifest, session);
            cameras++;
        } else {
            fprintf(stderr, "the manifest has a line that starts with %s\n", word);
            return 1;
        }
    }
    HOLDS(count > 0 && cameras > 0);
    EXPECT(shiftformer_session_close(session), OK);
    fclose(manifest);
    free(frames);
    printf("%u camera frames; %lu checks, %lu failed\n", cameras, checked, failures);
    return failures == 0 ? 0 : 1;
}
