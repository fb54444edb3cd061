/*
 * Every pointer that can be refused is, and every container that cannot run: for the same board
 * as the example, with a sound container of a 28 x 28 grey image at MODEL.
 */
#include "shiftformer.h"
#include "startup.h"

#define MODEL ((const uint8_t *)0x21000000)
#define COPY ((uint8_t *)0x21400000)
#define ROOM ((size_t)4 << 20)

static uint8_t arena[64 * 1024 + SF_ARENA_ALIGN] __attribute__((aligned(SF_ARENA_ALIGN)));
static sf_storage storage[2];
static uint8_t frame[28 * 28 * 3];
static uint8_t scratch[2048];
static int32_t failures;

static void expect(int32_t line, sf_status found, sf_status expected)
{
    if (found != expected) {
        failures++;
        print("line ");
        print_number(line);
        print(": ");
        print(sf_error_message(found));
        print(", expected: ");
        print(sf_error_message(expected));
        print("\n");
    }
}

#define EXPECT(call, status) expect(__LINE__, call, status)
#define HOLDS(condition) expect(__LINE__, (condition) ? SF_STATUS_OK : SF_STATUS_FAULT, SF_STATUS_OK)

static sf_status open_at(const void *container, size_t size, uint8_t *memory, size_t room)
{
    sf_model *model = (sf_model *)storage;
    sf_status status = sf_open(storage, sizeof *storage, container, size, memory, room, &model);

    HOLDS((status == SF_STATUS_OK) == (model != NULL));
    return status;
}

static void pointers(size_t size, size_t needed)
{
    void *const off_by_one = (uint8_t *)storage + 1;
    sf_model *model;
    size_t ignored;

    EXPECT(sf_container_size(NULL, ROOM, &ignored), SF_STATUS_NULL);
    EXPECT(sf_container_size(MODEL, ROOM, NULL), SF_STATUS_NULL);
    EXPECT(sf_container_size(MODEL, ROOM, off_by_one), SF_STATUS_MISALIGNED);
    EXPECT(sf_container_size(MODEL + 2, ROOM, &ignored), SF_STATUS_MISALIGNED);
    EXPECT(sf_container_size(MODEL + 4, ROOM, &ignored), SF_STATUS_MAGIC);
    EXPECT(sf_container_size(MODEL, 11, &ignored), SF_STATUS_MAGIC);
    EXPECT(sf_arena_size(NULL, size, &ignored), SF_STATUS_NULL);
    EXPECT(sf_arena_size(MODEL, size, NULL), SF_STATUS_NULL);
    EXPECT(sf_arena_size(MODEL, SIZE_MAX, &ignored), SF_STATUS_LENGTH);

    EXPECT(open_at(NULL, size, arena, needed), SF_STATUS_NULL);
    EXPECT(open_at(MODEL + 1, size, arena, needed), SF_STATUS_MISALIGNED);
    EXPECT(open_at(MODEL, size, NULL, needed), SF_STATUS_NULL);
    EXPECT(open_at(MODEL, size, arena + 4, needed), SF_STATUS_MISALIGNED);
    EXPECT(open_at(MODEL, size, arena, needed - 1), SF_STATUS_ARENA);
    EXPECT(open_at(MODEL, size, arena, SIZE_MAX), SF_STATUS_LENGTH);
    EXPECT(open_at(MODEL, SIZE_MAX, arena, needed), SF_STATUS_LENGTH);
    EXPECT(open_at(MODEL, size, arena, (size_t)MODEL - (size_t)arena + 1), SF_STATUS_OVERLAP);
    EXPECT(open_at(arena, size, arena, needed), SF_STATUS_OVERLAP);
    EXPECT(open_at(MODEL, size, arena, needed), SF_STATUS_OK);

    EXPECT(sf_open(NULL, sizeof *storage, MODEL, size, arena, needed, &model), SF_STATUS_NULL);
    EXPECT(sf_open(off_by_one, sizeof *storage, MODEL, size, arena, needed, &model), SF_STATUS_MISALIGNED);
    EXPECT(sf_open(storage, sizeof *storage - 1, MODEL, size, arena, needed, &model), SF_STATUS_STORAGE);
    EXPECT(sf_open(storage, sizeof *storage, MODEL, size, arena, needed, NULL), SF_STATUS_NULL);
    EXPECT(sf_open(storage, sizeof *storage, MODEL, size, arena, needed, off_by_one), SF_STATUS_MISALIGNED);
    EXPECT(sf_open((sf_storage *)arena, sizeof *storage, MODEL, size, arena, needed, &model), SF_STATUS_OVERLAP);
}

static void containers(size_t size)
{
    size_t i, ignored;

    for (i = 0; i < size; i++) {
        COPY[i] = MODEL[i];
    }
    EXPECT(sf_arena_size(COPY, size, &ignored), SF_STATUS_OK);
    EXPECT(sf_arena_size(COPY, size - 1, &ignored), SF_STATUS_SIZE);
    EXPECT(sf_arena_size(COPY, size + 1, &ignored), SF_STATUS_SIZE);
    COPY[size / 2] ^= 1;
    EXPECT(sf_arena_size(COPY, size, &ignored), SF_STATUS_CRC);
    EXPECT(open_at(COPY, size, arena, sizeof arena), SF_STATUS_CRC);
    COPY[4] ^= 1;
    EXPECT(open_at(COPY, size, arena, sizeof arena), SF_STATUS_VERSION);
    COPY[0] ^= 1;
    EXPECT(open_at(COPY, size, arena, sizeof arena), SF_STATUS_MAGIC);
}

static void handles(size_t size)
{
    sf_model *model, *other, *const skewed = (sf_model *)((uint8_t *)storage + 1);
    sf_input_info input;
    sf_output_info output;

    EXPECT(sf_open(storage, sizeof *storage, MODEL, size, arena, sizeof arena, &model), SF_STATUS_OK);
    EXPECT(sf_input(NULL, 0, &input), SF_STATUS_NULL);
    EXPECT(sf_input(skewed, 0, &input), SF_STATUS_MISALIGNED);
    EXPECT(sf_input(model, 0, NULL), SF_STATUS_NULL);
    EXPECT(sf_input(model, 1, &input), SF_STATUS_INDEX);
    EXPECT(sf_input(model, SIZE_MAX, &input), SF_STATUS_INDEX);
    EXPECT(sf_output(NULL, 0, &output), SF_STATUS_NULL);
    EXPECT(sf_output(model, 0, NULL), SF_STATUS_NULL);
    EXPECT(sf_output(model, 1, &output), SF_STATUS_INDEX);
    EXPECT(sf_step(NULL), SF_STATUS_NULL);
    EXPECT(sf_step(skewed), SF_STATUS_MISALIGNED);
    EXPECT(sf_run(NULL), SF_STATUS_NULL);
    EXPECT(sf_restart(NULL), SF_STATUS_NULL);
    EXPECT(sf_fit(NULL, 0, frame, 28, 28, 1, scratch, sizeof scratch), SF_STATUS_NULL);
    EXPECT(sf_fit(model, 0, NULL, 28, 28, 1, scratch, sizeof scratch), SF_STATUS_NULL);
    EXPECT(sf_fit(model, 1, frame, 28, 28, 1, scratch, sizeof scratch), SF_STATUS_INDEX);
    EXPECT(sf_fit(model, 0, frame, 0, 28, 1, scratch, sizeof scratch), SF_STATUS_FRAME);
    EXPECT(sf_fit(model, 0, frame, 28, 28, 5, scratch, sizeof scratch), SF_STATUS_FRAME);
    EXPECT(sf_fit(model, 0, frame, 56, 42, 1, NULL, sizeof scratch), SF_STATUS_NULL);
    EXPECT(sf_fit(model, 0, frame, 56, 42, 1, NULL, 0), SF_STATUS_SCRATCH);
    HOLDS(sf_scratch_size(NULL, 0, 56, 42, 1) == 0 && sf_scratch_size(model, 1, 56, 42, 1) == 0);
    HOLDS(sf_scratch_size(model, 0, 56, 42, 1) > 0 && sf_scratch_size(model, 0, 56, 42, 1) <= sizeof scratch);
    EXPECT(sf_fit(model, 0, frame, 65535, 65535, 255, scratch, sizeof scratch), SF_STATUS_LENGTH);
    HOLDS(sf_identity(NULL) == NULL && sf_identity(model)[0] == MODEL[16]);

    EXPECT(sf_input(model, 0, &input), SF_STATUS_OK);
    HOLDS(input.bytes == 28 * 28 && input.elements == input.bytes && input.element == SF_TYPE_U8);
    HOLDS(input.shape[0] == 28 && input.shape[1] == 28 && input.shape[2] == 1 && input.shape[3] == 1);
    HOLDS(input.channels == SF_CHANNELS_GRAY);
    HOLDS((uint8_t *)input.data >= arena && (uint8_t *)input.data + input.bytes <= arena + sizeof arena);
    EXPECT(sf_output(model, 0, &output), SF_STATUS_OK);
    HOLDS(output.bytes == 40 && output.elements == 10 && output.element == SF_TYPE_I32);
    HOLDS(output.kind == SF_KIND_LOGITS && output.shape[0] * output.shape[1] == 10 && output.scale > 0);

    frame[0] = 30;
    frame[1] = 60;
    frame[2] = 90;
    EXPECT(sf_fit(model, 0, frame, 28, 28, 3, scratch, sizeof scratch), SF_STATUS_OK);
    HOLDS(*(uint8_t *)input.data == ((77 * 30 + 150 * 60 + 29 * 90 + 128) >> 8));
    EXPECT(sf_fit(model, 0, frame, 28, 28, 1, scratch, sizeof scratch), SF_STATUS_OK);
    HOLDS(((uint8_t *)input.data)[1] == 60);
    EXPECT(sf_fit(model, 0, frame, 56, 42, 1, scratch, sizeof scratch), SF_STATUS_OK);

    EXPECT(sf_step(model), SF_STATUS_MORE);
    EXPECT(sf_restart(model), SF_STATUS_OK);
    EXPECT(sf_run(model), SF_STATUS_OK);
    EXPECT(sf_open(storage + 1, sizeof *storage, MODEL, size, arena, sizeof arena, &other), SF_STATUS_OK);
    HOLDS(other != model);
}

/* Statuses are numbered without a gap, and each has words of its own. */
static void messages(void)
{
    const char *const unknown = sf_error_message(-1);
    sf_status a, b;

    for (a = SF_STATUS_OK; a <= SF_STATUS_SCRATCH; a++) {
        HOLDS(sf_error_message(a) != unknown);
        for (b = SF_STATUS_OK; b < a; b++) {
            HOLDS(sf_error_message(a) != sf_error_message(b));
        }
    }
    HOLDS(sf_error_message(SF_STATUS_SCRATCH + 1) == unknown);
}

int main(void)
{
    size_t size, needed;

    EXPECT(sf_container_size(MODEL, ROOM, &size), SF_STATUS_OK);
    EXPECT(sf_arena_size(MODEL, size, &needed), SF_STATUS_OK);
    HOLDS(needed > 28 * 28 && needed <= sizeof arena);
    pointers(size, needed);
    containers(size);
    handles(size);
    messages();
    print(failures == 0 ? "all as expected\n" : "failed\n");
    return failures == 0 ? 0 : 1;
}
