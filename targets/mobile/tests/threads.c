/*
 * Ten threads that open, run, cancel, close and forget at random, on models and sessions that they
 * share: threads FOLDER SECONDS. Every answer is the reference's, and every call ends in a status
 * that it may end in.
 */
#include <pthread.h>
#include <time.h>

#include "check.h"

enum { THREADS = 10, SHARED = 4, VALUES = 10, FRAMES = 16 };

static const char *folder;
static uint8_t *container, *frames, *logits;
static size_t container_len, frame_len = 28 * 28;
static time_t end;

/* Handles that every thread may use or close at any time. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *models[SHARED], *sessions[SHARED];

typedef struct worker {
    pthread_t thread;
    uint32_t random;
    unsigned long checked, failures, runs;
} worker;

static uint32_t next(worker *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 17;
    self->random ^= self->random << 5;
    return self->random;
}

/* Whether `status` is what a call on a handle may end in that another thread may have closed. */
static int allowed(shiftformer_status status)
{
    return status == SHIFTFORMER_STATUS_OK || status == SHIFTFORMER_STATUS_HANDLE ||
           status == SHIFTFORMER_STATUS_CANCELLED;
}

static void *shared(void **table, size_t at)
{
    void *handle;

    pthread_mutex_lock(&lock);
    handle = table[at];
    pthread_mutex_unlock(&lock);
    return handle;
}

static void *replace(void **table, size_t at, void *by)
{
    void *before;

    pthread_mutex_lock(&lock);
    before = table[at];
    table[at] = by;
    pthread_mutex_unlock(&lock);
    return before;
}

static void reopen_model(size_t at)
{
    shiftformer_model *fresh, *before;
    shiftformer_status closed;

    EXPECT(shiftformer_model_from_memory("shared", container, container_len, &fresh), OK);
    before = replace(models, at, fresh);
    closed = shiftformer_model_close(before);
    HOLDS(closed == SHIFTFORMER_STATUS_OK || (before == NULL && closed == SHIFTFORMER_STATUS_NULL));
}

static void reopen_session(size_t model, size_t at)
{
    shiftformer_options options = {SHIFTFORMER_ENGINE_CPU, 2, NULL};
    shiftformer_session *fresh, *before;
    shiftformer_status status = shiftformer_session_open(shared(models, model), &options, &fresh);

    HOLDS(allowed(status));
    if (status == SHIFTFORMER_STATUS_OK) {
        before = replace(sessions, at, fresh);
        status = shiftformer_session_close(before);
        HOLDS(status == SHIFTFORMER_STATUS_OK || (before == NULL && status == SHIFTFORMER_STATUS_NULL));
    }
}

/* On a session that nobody else has, so that the answer is that of the run. */
static void run_own(worker *self)
{
    size_t frame = next(self) % FRAMES, length;
    shiftformer_options options = {SHIFTFORMER_ENGINE_CPU, 1 + next(self) % 2, NULL};
    shiftformer_model *model;
    shiftformer_session *session;
    int32_t found[VALUES];

    EXPECT(shiftformer_model_from_bytes("own", container, container_len, &model), OK);
    EXPECT(shiftformer_session_open(model, &options, &session), OK);
    EXPECT(shiftformer_model_close(model), OK);
    EXPECT(shiftformer_session_run(session, frames + frame * frame_len, frame_len), OK);
    EXPECT(shiftformer_values(session, 0, 0, found, VALUES, &length), OK);
    HOLDS(length == VALUES && memcmp(found, logits + frame * sizeof found, sizeof found) == 0);
    EXPECT(shiftformer_session_close(session), OK);
    self->runs++;
}

/* Whoever ran the session last, what it gave is what the reference gives for one of the frames. */
static void run_shared(worker *self, shiftformer_session *session)
{
    size_t frame = next(self) % (FRAMES - 3), length;
    const uint8_t *at = frames + frame * frame_len;
    int32_t found[VALUES];
    int known = 0;
    shiftformer_status status = next(self) % 2 == 0
                                    ? shiftformer_session_run(session, at, frame_len)
                                    : shiftformer_session_run_batch(session, at, 3 * frame_len, 3);

    HOLDS(allowed(status));
    if (status == SHIFTFORMER_STATUS_OK) {
        status = shiftformer_values(session, 0, 0, found, VALUES, &length);
        HOLDS(allowed(status));
        for (frame = 0; status == SHIFTFORMER_STATUS_OK && frame < FRAMES; frame++) {
            known |= memcmp(found, logits + frame * sizeof found, sizeof found) == 0;
        }
        HOLDS(known || status != SHIFTFORMER_STATUS_OK);
        self->runs++;
    }
}

static void *work(void *argument)
{
    worker *self = argument;

    while (time(NULL) < end) {
        size_t at = next(self) % SHARED;

        switch (next(self) % 8) {
        case 0:
            reopen_model(at);
            break;
        case 1:
            reopen_session(next(self) % SHARED, at);
            break;
        case 2:
            run_own(self);
            break;
        case 3:
            HOLDS(shiftformer_session_cancel(shared(sessions, at)) != SHIFTFORMER_STATUS_DEFECT);
            break;
        default:
            run_shared(self, shared(sessions, at));
        }
    }
    self->checked = checked;
    self->failures = failures;
    return NULL;
}

int main(int argc, char **argv)
{
    static worker workers[THREADS];
    unsigned long runs = 0;
    size_t i, len;

    if (argc != 3) {
        fprintf(stderr, "usage: threads FOLDER SECONDS\n");
        return 2;
    }
    folder = argv[1];
    container = bytes_of(folder, "ivit.shf", &container_len);
    frames = bytes_of(folder, "frames.bin", &len);
    HOLDS(len >= FRAMES * frame_len);
    logits = bytes_of(folder, "ivit.logits", &len);
    for (i = 0; i < SHARED; i++) {
        reopen_model(i);
        reopen_session(i, i);
    }
    end = time(NULL) + atoi(argv[2]);
    for (i = 0; i < THREADS; i++) {
        workers[i].random = 2463534242u + (uint32_t)i;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            return 1;
        }
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        checked += workers[i].checked;
        failures += workers[i].failures;
        runs += workers[i].runs;
    }
    for (i = 0; i < SHARED; i++) {
        EXPECT(shiftformer_session_close(sessions[i]), OK);
        EXPECT(shiftformer_model_close(models[i]), OK);
    }
    HOLDS(runs > 0);
    free(container);
    free(frames);
    free(logits);
    printf("%lu runs on %d threads; %lu checks, %lu failed\n", runs, THREADS, checked, failures);
    return failures == 0 ? 0 : 1;
}
