/*
 * Classifies images on an Arm MPS2 with the AN386 image (a Cortex-M4F), in QEMU.
 *
 * The model and the images are not part of the program: the emulator puts a container at MODEL,
 * and at IMAGES a count and as many images of the model's size.
 */
#include "shiftformer.h"
#include "startup.h"

#define MODEL ((const void *)0x21000000)
#define MODEL_ROOM ((size_t)8 << 20)
#define IMAGES ((const uint32_t *)0x21800000)

/* `shiftformer inspect` prints how much a model needs. */
static uint8_t arena[64 * 1024] __attribute__((aligned(SF_ARENA_ALIGN)));
static sf_storage storage;

static int fail(const char *what, sf_status status)
{
    print(what);
    print(": ");
    print(sf_error_message(status));
    print("\n");
    return 1;
}

/* The first of the largest. */
static size_t largest(const int32_t *values, size_t count)
{
    size_t best = 0, i;

    for (i = 1; i < count; i++) {
        if (values[i] > values[best]) {
            best = i;
        }
    }
    return best;
}

static sf_status classify(sf_model *model, const uint8_t *pixels, size_t *image_bytes)
{
    sf_input_info input;
    sf_output_info output;
    int32_t steps = 0;
    size_t i;
    sf_status status = sf_input(model, 0, &input);

    if (status != SF_STATUS_OK) {
        return status;
    }
    *image_bytes = input.bytes;
    for (i = 0; i < input.bytes; i++) {
        ((uint8_t *)input.data)[i] = pixels[i];
    }
    while ((status = sf_step(model)) == SF_STATUS_MORE) {
        steps++; /* an application's own work: feed the watchdog, look at a button */
    }
    if (status != SF_STATUS_OK || (status = sf_output(model, 0, &output)) != SF_STATUS_OK) {
        return status;
    }
    if (output.kind != SF_KIND_LOGITS || output.element != SF_TYPE_I32) {
        return SF_STATUS_INDEX;
    }
    print("class ");
    print_number((int32_t)largest(output.data, output.elements));
    print(" steps ");
    print_number(steps);
    print(" logits");
    for (i = 0; i < output.elements; i++) {
        print(" ");
        print_number(((const int32_t *)output.data)[i]);
    }
    print("\n");
    return SF_STATUS_OK;
}

int main(void)
{
    const uint8_t *pixels = (const uint8_t *)(IMAGES + 1);
    sf_model *model;
    size_t size, image_bytes;
    uint32_t i;
    sf_status status = sf_container_size(MODEL, MODEL_ROOM, &size);

    if (status == SF_STATUS_OK) {
        status = sf_open(&storage, sizeof storage, MODEL, size, arena, sizeof arena, &model);
    }
    if (status != SF_STATUS_OK) {
        return fail("the model is refused", status);
    }
    for (i = 0; i < *IMAGES; i++) {
        status = classify(model, pixels, &image_bytes);
        if (status != SF_STATUS_OK) {
            return fail("the image is not classified", status);
        }
        pixels += image_bytes;
    }
    return 0;
}
