/*
 * Calls every function with null, short, misaligned, overlapping and wrong arguments, and with
 * handles that are closed: each call is an error and none a crash. refusals FOLDER, of the example
 * `apps` of the tests' crate.
 */
#include <fcntl.h>
#include <unistd.h>

#include "check.h"

static const char *folder;
static shiftformer_model *model, *closed_model;
static shiftformer_session *session, *closed_session;

/* A text that is not UTF-8. */
static const char latin[] = "caf\xe9";

/* Room for any result, at an odd address. */
static _Alignas(16) char memory[256];
#define ODD(type) ((type *)(void *)(memory + 1))

static void models(const uint8_t *bytes, size_t len)
{
    shiftformer_model *opened = closed_model;
    uint8_t *aligned = malloc(len + 8);
    char *path = path_of(folder, "ivit.shf");
    int descriptor = open(path, O_RDONLY);

    EXPECT(shiftformer_model_open(NULL, &opened), NULL);
    HOLDS(opened == NULL);
    EXPECT(shiftformer_model_open("/nowhere.shf", &opened), OPEN);
    HOLDS(strstr(shiftformer_last_error(), "/nowhere.shf") != NULL && shiftformer_last_hint()[0] != 0);
    EXPECT(shiftformer_model_open(latin, &opened), TEXT);
    EXPECT(shiftformer_model_open(path, NULL), NULL);
    EXPECT(shiftformer_model_open(path, ODD(shiftformer_model *)), MISALIGNED);

    EXPECT(shiftformer_model_from_bytes(NULL, bytes, len, &opened), NULL);
    EXPECT(shiftformer_model_from_bytes(latin, bytes, len, &opened), TEXT);
    EXPECT(shiftformer_model_from_bytes("m", NULL, len, &opened), NULL);
    EXPECT(shiftformer_model_from_bytes("m", bytes, len, NULL), NULL);
    EXPECT(shiftformer_model_from_bytes("m", bytes, len - 1, &opened), OPEN);
    EXPECT(shiftformer_model_from_bytes("m", bytes, 0, &opened), OPEN);
    EXPECT(shiftformer_model_from_bytes("m", bytes, SIZE_MAX, &opened), LENGTH);
    EXPECT(shiftformer_model_from_bytes("m", &opened, sizeof opened, &opened), OVERLAP);

    memcpy(aligned, bytes, len);
    EXPECT(shiftformer_model_from_memory(NULL, aligned, len, &opened), NULL);
    EXPECT(shiftformer_model_from_memory("m", NULL, len, &opened), NULL);
    EXPECT(shiftformer_model_from_memory("m", aligned, len, NULL), NULL);
    EXPECT(shiftformer_model_from_memory("m", aligned + 2, len, &opened), MISALIGNED);
    EXPECT(shiftformer_model_from_memory("m", aligned, SIZE_MAX, &opened), LENGTH);
    EXPECT(shiftformer_model_from_memory("m", &opened, sizeof opened, &opened), OVERLAP);
    aligned[len / 2] ^= 1;
    EXPECT(shiftformer_model_from_memory("m", aligned, len, &opened), OPEN);
    aligned[len / 2] ^= 1;
    EXPECT(shiftformer_model_from_memory("m", aligned, len, &opened), OK);
    EXPECT(shiftformer_model_close(opened), OK);

    EXPECT(shiftformer_model_from_descriptor(-1, 0, len, &opened), OPEN);
    EXPECT(shiftformer_model_from_descriptor(9999, 0, len, &opened), OPEN);
    EXPECT(shiftformer_model_from_descriptor(descriptor, 0, len, NULL), NULL);
    EXPECT(shiftformer_model_from_descriptor(descriptor, 0, 0, &opened), OPEN);
    EXPECT(shiftformer_model_from_descriptor(descriptor, 4, len, &opened), OPEN);
    EXPECT(shiftformer_model_from_descriptor(descriptor, UINT64_MAX, 2, &opened), OPEN);
    EXPECT(shiftformer_model_from_descriptor(descriptor, 0, UINT64_MAX, &opened), OPEN);
    EXPECT(shiftformer_model_from_descriptor(descriptor, 0, len, &opened), OK);
    close(descriptor);
    EXPECT(shiftformer_model_close(opened), OK);

    EXPECT(shiftformer_model_close(opened), HANDLE);
    EXPECT(shiftformer_model_close(NULL), NULL);
    EXPECT(shiftformer_model_close((shiftformer_model *)(void *)session), HANDLE);
    free(aligned);
    free(path);
}

/* Of a function that copies a text. */
#define TEXTS(function, handle, closed)                                       \
    do {                                                                      \
        char text[256], *const at_length = (char *)&length;                   \
        EXPECT(function(handle, NULL, 0, &length), SHORT);                    \
        HOLDS(length > 0 && length <= sizeof text);                           \
        EXPECT(function(handle, text, length - 1, &length), SHORT);           \
        EXPECT(function(handle, text, length, &length), OK);                  \
        HOLDS(strlen(text) + 1 == length);                                    \
        EXPECT(function(handle, NULL, sizeof text, &length), NULL);           \
        EXPECT(function(handle, text, sizeof text, NULL), NULL);              \
        EXPECT(function(handle, text, SIZE_MAX, &length), LENGTH);            \
        EXPECT(function(handle, at_length, sizeof length, &length), OVERLAP); \
        EXPECT(function(handle, text, sizeof text, ODD(size_t)), MISALIGNED); \
        EXPECT(function(NULL, text, sizeof text, &length), NULL);             \
        EXPECT(function(closed, text, sizeof text, &length), HANDLE);         \
    } while (0)

static shiftformer_status first_name(const shiftformer_model *of, char *text, size_t room, size_t *length)
{
    return shiftformer_output_name(of, 0, text, room, length);
}

static void descriptions(void)
{
    shiftformer_model_info info;
    shiftformer_output_info output;
    size_t length;
    char text[64];

    EXPECT(shiftformer_model_describe(NULL, &info), NULL);
    EXPECT(shiftformer_model_describe(closed_model, &info), HANDLE);
    EXPECT(shiftformer_model_describe(model, NULL), NULL);
    EXPECT(shiftformer_model_describe(model, ODD(shiftformer_model_info)), MISALIGNED);
    EXPECT(shiftformer_model_describe(model, &info), OK);
    HOLDS(info.frame_len == 28 * 28 && info.outputs == 1);
    HOLDS(info.image_height == 28 && info.image_width == 28 && info.image_channels == 1);

    EXPECT(shiftformer_output_describe(NULL, 0, &output), NULL);
    EXPECT(shiftformer_output_describe(closed_model, 0, &output), HANDLE);
    EXPECT(shiftformer_output_describe(model, 1, &output), INDEX);
    EXPECT(shiftformer_output_describe(model, SIZE_MAX, &output), INDEX);
    EXPECT(shiftformer_output_describe(model, 0, NULL), NULL);
    EXPECT(shiftformer_output_describe(model, 0, ODD(shiftformer_output_info)), MISALIGNED);
    EXPECT(shiftformer_output_describe(model, 0, &output), OK);
    HOLDS(output.reading == SHIFTFORMER_READING_SHARES && output.values == 10 && output.scale > 0);

    TEXTS(shiftformer_model_name, model, closed_model);
    TEXTS(first_name, model, closed_model);
    EXPECT(shiftformer_output_name(model, 1, text, sizeof text, &length), INDEX);
    TEXTS(shiftformer_session_backend, session, closed_session);
    TEXTS(shiftformer_session_kernels, session, closed_session);
    TEXTS(shiftformer_session_fallback, session, closed_session);
}

static void sessions(void)
{
    shiftformer_options options = {0, 1, NULL};
    shiftformer_session *opened = closed_session;
    char fallback[256];
    size_t length;

    EXPECT(shiftformer_session_open(NULL, NULL, &opened), NULL);
    HOLDS(opened == NULL);
    EXPECT(shiftformer_session_open(closed_model, NULL, &opened), HANDLE);
    EXPECT(shiftformer_session_open((shiftformer_model *)(void *)session, NULL, &opened), HANDLE);
    EXPECT(shiftformer_session_open(model, NULL, NULL), NULL);
    EXPECT(shiftformer_session_open(model, NULL, ODD(shiftformer_session *)), MISALIGNED);
    EXPECT(shiftformer_session_open(model, ODD(shiftformer_options), &opened), MISALIGNED);
    options.engine = 3;
    EXPECT(shiftformer_session_open(model, &options, &opened), VALUE);
    options.engine = SHIFTFORMER_ENGINE_CPU;
    options.kernels = "none of these";
    EXPECT(shiftformer_session_open(model, &options, &opened), PREPARE);
    options.kernels = latin;
    EXPECT(shiftformer_session_open(model, &options, &opened), TEXT);
    options.kernels = NULL;
    options.engine = SHIFTFORMER_ENGINE_GPU; /* this build has none, and says so */
    EXPECT(shiftformer_session_open(model, &options, &opened), OK);
    EXPECT(shiftformer_session_fallback(opened, fallback, sizeof fallback, &length), OK);
    HOLDS(strstr(fallback, "gpu") != NULL);
    EXPECT(shiftformer_session_close(opened), OK);

    EXPECT(shiftformer_session_close(opened), HANDLE);
    EXPECT(shiftformer_session_close(NULL), NULL);
    EXPECT(shiftformer_session_close((shiftformer_session *)(void *)model), HANDLE);
    EXPECT(shiftformer_session_cancel(NULL), NULL);
    EXPECT(shiftformer_session_cancel(closed_session), HANDLE);
    EXPECT(shiftformer_session_cancel(session), OK); /* nothing runs */
}

static void runs(void)
{
    uint8_t frame[2 * 28 * 28] = {0};
    const size_t len = 28 * 28;

    EXPECT(shiftformer_session_run(NULL, frame, len), NULL);
    EXPECT(shiftformer_session_run(closed_session, frame, len), HANDLE);
    EXPECT(shiftformer_session_run(session, NULL, len), NULL);
    EXPECT(shiftformer_session_run(session, frame, len - 1), RUN);
    EXPECT(shiftformer_session_run(session, frame, 0), RUN);
    EXPECT(shiftformer_session_run(session, frame, SIZE_MAX), LENGTH);

    EXPECT(shiftformer_session_run_picture(NULL, frame, len, 28, 28, 1), NULL);
    EXPECT(shiftformer_session_run_picture(closed_session, frame, len, 28, 28, 1), HANDLE);
    EXPECT(shiftformer_session_run_picture(session, NULL, len, 28, 28, 1), NULL);
    EXPECT(shiftformer_session_run_picture(session, frame, len - 1, 28, 28, 1), PICTURE);
    EXPECT(shiftformer_session_run_picture(session, frame, 0, 0, 28, 1), PICTURE);
    EXPECT(shiftformer_session_run_picture(session, frame, len, 28, 4, 7), PICTURE);
    EXPECT(shiftformer_session_run_picture(session, frame, SIZE_MAX, 65535, 65535, 255), LENGTH);

    EXPECT(shiftformer_session_run_batch(NULL, frame, 2 * len, 2), NULL);
    EXPECT(shiftformer_session_run_batch(closed_session, frame, 2 * len, 2), HANDLE);
    EXPECT(shiftformer_session_run_batch(session, NULL, 2 * len, 2), NULL);
    EXPECT(shiftformer_session_run_batch(session, frame, 2 * len, 3), LENGTH);
    EXPECT(shiftformer_session_run_batch(session, frame, 2 * len, SIZE_MAX), LENGTH);
    EXPECT(shiftformer_session_run_batch(session, frame, 0, 0), RUN);
    EXPECT(shiftformer_session_run_batch(session, frame, 2 * len, 2), OK);
}

static void cameras(void)
{
    static const uint8_t pixels[28 * 28 * 4];
    shiftformer_camera_frame sound, frame;
    int plane;

    memset(&sound, 0, sizeof sound);
    sound.format = SHIFTFORMER_FORMAT_I420;
    sound.width = sound.height = 28;
    for (plane = 0; plane < 3; plane++) {
        shiftformer_plane each = {pixels, sizeof pixels, 28, 1};

        sound.planes[plane] = each;
    }
    EXPECT(shiftformer_session_run_camera(session, &sound), OK);
    EXPECT(shiftformer_session_run_camera(NULL, &sound), NULL);
    EXPECT(shiftformer_session_run_camera(closed_session, &sound), HANDLE);
    EXPECT(shiftformer_session_run_camera(session, NULL), NULL);
    EXPECT(shiftformer_session_run_camera(session, ODD(shiftformer_camera_frame)), MISALIGNED);
#define WITH(change, status)                                             \
    do {                                                                 \
        frame = sound;                                                   \
        change;                                                          \
        expect(__FILE__, __LINE__, shiftformer_session_run_camera(session, &frame), \
               SHIFTFORMER_STATUS_##status);                             \
    } while (0)
    WITH(frame.format = 5, VALUE);
    WITH(frame.format = -1, VALUE);
    WITH(frame.matrix = 2, VALUE);
    WITH(frame.range = INT32_MIN, VALUE);
    WITH(frame.rotation_degrees = 45, PICTURE);
    WITH(frame.width = 0, PICTURE);
    WITH(frame.height = 65535, PICTURE);
    WITH(frame.planes[2].bytes = NULL, NULL);
    WITH(frame.planes[0].len = SIZE_MAX, LENGTH);
    WITH(frame.planes[0].len = 28 * 28 - 1, PICTURE);
    WITH(frame.planes[1].len = 13 * 28 + 13, PICTURE);
    WITH(frame.planes[0].row_stride = 27, PICTURE);
    WITH(frame.planes[0].row_stride = SIZE_MAX, PICTURE);
    WITH(frame.planes[1].pixel_stride = 2, PICTURE);
    WITH(frame.planes[1].pixel_stride = frame.planes[2].pixel_stride = 0, PICTURE);
    WITH(frame.planes[1].pixel_stride = frame.planes[2].pixel_stride = SIZE_MAX, PICTURE);
}

/* After a batch of two frames. */
static void answers(void)
{
    int32_t values[10];
    float ended[10];
    shiftformer_ranked best[12];
    shiftformer_timings timings;
    size_t length = 0;

    EXPECT(shiftformer_values(NULL, 0, 0, values, 10, &length), NULL);
    EXPECT(shiftformer_values(closed_session, 0, 0, values, 10, &length), HANDLE);
    EXPECT(shiftformer_values(session, 2, 0, values, 10, &length), INDEX);
    EXPECT(shiftformer_values(session, 0, 1, values, 10, &length), INDEX);
    EXPECT(shiftformer_values(session, 0, SIZE_MAX, values, 10, &length), INDEX);
    EXPECT(shiftformer_values(session, 0, 0, NULL, 10, &length), NULL);
    EXPECT(shiftformer_values(session, 0, 0, values, 10, NULL), NULL);
    EXPECT(shiftformer_values(session, 0, 0, ODD(int32_t), 10, &length), MISALIGNED);
    EXPECT(shiftformer_values(session, 0, 0, values, 10, ODD(size_t)), MISALIGNED);
    EXPECT(shiftformer_values(session, 0, 0, values, SIZE_MAX, &length), LENGTH);
    EXPECT(shiftformer_values(session, 0, 0, (int32_t *)(void *)&length, 2, &length), OVERLAP);
    EXPECT(shiftformer_values(session, 0, 0, values, 9, &length), SHORT);
    HOLDS(length == 10 && strstr(shiftformer_last_error(), "10") != NULL);
    EXPECT(shiftformer_values(session, 1, 0, values, 10, &length), OK);

    EXPECT(shiftformer_ended(NULL, 0, 0, ended, 10, &length), NULL);
    EXPECT(shiftformer_ended(closed_session, 0, 0, ended, 10, &length), HANDLE);
    EXPECT(shiftformer_ended(session, 0, 1, ended, 10, &length), INDEX);
    EXPECT(shiftformer_ended(session, 0, 0, NULL, 10, &length), NULL);
    EXPECT(shiftformer_ended(session, 0, 0, ODD(float), 10, &length), MISALIGNED);
    EXPECT(shiftformer_ended(session, 0, 0, ended, 9, &length), SHORT);
    EXPECT(shiftformer_ended(session, 0, 0, ended, 10, NULL), NULL);
    EXPECT(shiftformer_ended(session, 1, 0, ended, 10, &length), OK);

    EXPECT(shiftformer_top(NULL, 0, best, 3, &length), NULL);
    EXPECT(shiftformer_top(closed_session, 0, best, 3, &length), HANDLE);
    EXPECT(shiftformer_top(session, 2, best, 3, &length), INDEX);
    EXPECT(shiftformer_top(session, 0, NULL, 3, &length), NULL);
    EXPECT(shiftformer_top(session, 0, best, 3, NULL), NULL);
    EXPECT(shiftformer_top(session, 0, ODD(shiftformer_ranked), 3, &length), MISALIGNED);
    EXPECT(shiftformer_top(session, 0, best, SIZE_MAX, &length), LENGTH);
    EXPECT(shiftformer_top(session, 0, NULL, 0, &length), OK);
    HOLDS(length == 0);
    EXPECT(shiftformer_top(session, 0, best, 12, &length), OK);
    HOLDS(length == 10 && best[0].label != NULL && best[0].logit >= best[9].logit);

    EXPECT(shiftformer_session_timings(NULL, 0, &timings), NULL);
    EXPECT(shiftformer_session_timings(closed_session, 0, &timings), HANDLE);
    EXPECT(shiftformer_session_timings(session, 2, &timings), INDEX);
    EXPECT(shiftformer_session_timings(session, 0, NULL), NULL);
    EXPECT(shiftformer_session_timings(session, 0, ODD(shiftformer_timings)), MISALIGNED);
    EXPECT(shiftformer_session_timings(session, 1, &timings), OK);
    HOLDS(timings.run_nanoseconds > 0 && timings.prepare_nanoseconds == 0);
}

int main(int argc, char **argv)
{
    size_t len, length;
    uint8_t *bytes;
    int32_t values[10];

    if (argc != 2) {
        fprintf(stderr, "usage: refusals FOLDER\n");
        return 2;
    }
    folder = argv[1];
    bytes = bytes_of(folder, "ivit.shf", &len);
    HOLDS(shiftformer_last_error()[0] == 0 && shiftformer_last_hint()[0] == 0);
    EXPECT(shiftformer_model_from_bytes("closed", bytes, len, &closed_model), OK);
    EXPECT(shiftformer_session_open(closed_model, NULL, &closed_session), OK);
    EXPECT(shiftformer_session_close(closed_session), OK);
    EXPECT(shiftformer_model_close(closed_model), OK);
    EXPECT(shiftformer_model_from_bytes("open", bytes, len, &model), OK);
    EXPECT(shiftformer_session_open(model, NULL, &session), OK);
    EXPECT(shiftformer_values(session, 0, 0, values, 10, &length), INDEX); /* nothing has run */
    models(bytes, len);
    descriptions();
    sessions();
    cameras();
    runs();
    answers();
    EXPECT(shiftformer_session_close(session), OK);
    EXPECT(shiftformer_model_close(model), OK);
    free(bytes);
    printf("%lu checks, %lu failed\n", checked, failures);
    return failures == 0 ? 0 : 1;
}
