/*
 * Shiftformer: integer-only vision transformers on a microcontroller.
 *
 * Written by `cargo xtask c-header` from the crate shiftformer-c. C99 or C++11.
 *
 * Memory   Nothing is allocated and nothing is global. The application gives a storage for the
 *          handle, a container that is read where it lies, and an arena to compute in. Storage and
 *          arena belong to the library from sf_open to the last use of the handle.
 * Threads  One model is used by one thread or interrupt level at a time; a call on it must not
 *          interrupt another. Different models have nothing in common.
 * Errors   Null, misaligned and overlapping pointers are refused; whatever the container holds,
 *          the answer is a status. A pointer to memory that is not there, or a handle that is not
 *          from sf_open, cannot be recognised.
 */

#ifndef SHIFTFORMER_H
#define SHIFTFORMER_H

#include <stddef.h>
#include <stdint.h>

// 64-bit words of an `sf_storage`.
#define SF_STORAGE_WORDS 32

// Alignment of a container in memory, at least; 16 is faster on some cores.
#define SF_CONTAINER_ALIGN 4

// Alignment of an arena.
#define SF_ARENA_ALIGN 16

// What a call reports. Everything past `SF_STATUS_MORE` is an error, after which nothing
// has changed unless the function says otherwise.
enum sf_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Done. From `sf_step`: the program has ended, the outputs are ready.
  SF_STATUS_OK = 0,
  // From `sf_step`: some work was done, and there is more.
  SF_STATUS_MORE = 1,
  // A pointer is null.
  SF_STATUS_NULL = 2,
  // A pointer is not aligned for what it points to.
  SF_STATUS_MISALIGNED = 3,
  // A length is larger than memory.
  SF_STATUS_LENGTH = 4,
  // Storage, container and arena overlap.
  SF_STATUS_OVERLAP = 5,
  // The storage is smaller than an `sf_storage` of this library.
  SF_STATUS_STORAGE = 6,
  // The arena is smaller than `sf_arena_size` says.
  SF_STATUS_ARENA = 7,
  // There is no container.
  SF_STATUS_MAGIC = 8,
  // The container is shorter or longer than its header says.
  SF_STATUS_SIZE = 9,
  // The container has another version of the format.
  SF_STATUS_VERSION = 10,
  // The container's checksum does not match its content.
  SF_STATUS_CRC = 11,
  // The container is malformed.
  SF_STATUS_MALFORMED = 12,
  // An instruction is of an op that this library does not know.
  SF_STATUS_UNKNOWN_OP = 13,
  // An instruction does not fit its operands.
  SF_STATUS_INSTRUCTION = 14,
  // The program is too large.
  SF_STATUS_TOO_LARGE = 15,
  // There is no input or output of this index.
  SF_STATUS_INDEX = 16,
  // A frame does not become what the input holds.
  SF_STATUS_FRAME = 17,
  // The container or the arena changed while the program ran.
  SF_STATUS_FAULT = 18,
  // The scratch is smaller than `sf_scratch_size` says.
  SF_STATUS_SCRATCH = 19,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sf_status sf_status;
#else
typedef int32_t sf_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Type of an element.
enum sf_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // `uint8_t`
  SF_TYPE_U8 = 0,
  // `int8_t`
  SF_TYPE_I8 = 1,
  // `int16_t`
  SF_TYPE_I16 = 2,
  // `int32_t`
  SF_TYPE_I32 = 3,
  // `uint32_t`
  SF_TYPE_U32 = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sf_type sf_type;
#else
typedef int32_t sf_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What the channels of an image are, in the order of memory.
enum sf_channels
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Not an image.
  SF_CHANNELS_NONE = 0,
  // One channel.
  SF_CHANNELS_GRAY = 1,
  // Red, green, blue.
  SF_CHANNELS_RGB = 2,
  // Blue, green, red.
  SF_CHANNELS_BGR = 3,
  // Something else, up to four.
  SF_CHANNELS_OTHER = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sf_channels sf_channels;
#else
typedef int32_t sf_channels;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What an output means.
enum sf_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // One logit for each class. The answer is the class of the largest, the first of equals.
  SF_KIND_LOGITS = 0,
  // An embedding.
  SF_KIND_EMBEDDING = 1,
  // A dense map.
  SF_KIND_DENSE = 2,
  // Numbers that stand for themselves: a regression, or the corners of a box.
  SF_KIND_VALUES = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sf_kind sf_kind;
#else
typedef int32_t sf_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A model that has been opened, in the application's `sf_storage`.
typedef struct sf_model sf_model;

// Memory for one model: declare one, static or on a stack that outlives its use. What it
// holds is the library's.
typedef struct sf_storage {
  // Not for the application.
  uint64_t words[SF_STORAGE_WORDS];
} sf_storage;

// An input: where the application puts it, and what it puts there.
typedef struct sf_input_info {
  // To be filled before each run; valid until the next `sf_step` or `sf_run`.
  void *data;
  // Bytes at `data`.
  size_t bytes;
  // Elements at `data`.
  size_t elements;
  // Their type; `uint8_t` for an image.
  sf_type element;
  // For an image, its channels.
  sf_channels channels;
  // Dimensions, outermost first, padded with 1: of an image height, width, channels.
  uint32_t shape[4];
  // Real value of one unit; 0 for an image, whose normalisation is in the program.
  float scale;
  // Its name in UTF-8, in the container, without a 0 at its end.
  const char *name;
  // Bytes of the name.
  size_t name_len;
} sf_input_info;

// An output: where the application finds it, and what it finds there.
typedef struct sf_output_info {
  // Meaningful once `sf_run` or `sf_step` has returned `SF_STATUS_OK`, and until the next of
  // those, `sf_fit`, or the filling of an input.
  const void *data;
  // Bytes at `data`.
  size_t bytes;
  // Elements at `data`.
  size_t elements;
  // Their type.
  sf_type element;
  // What they mean.
  sf_kind kind;
  // Dimensions, outermost first, padded with 1.
  uint32_t shape[4];
  // Real value of one unit.
  float scale;
  // Its name in UTF-8, in the container, without a 0 at its end.
  const char *name;
  // Bytes of the name.
  size_t name_len;
} sf_output_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What a call reported, in words and with a hint: a constant, never null.
const char *sf_error_message(int32_t status);

// Finds out how long the container at the front of a memory region is, for a container that
// was written to flash apart from the program: `*size` becomes the length to open it with,
// at most `region_len`. The container is not checked.
//
// # Safety
//
// `region` points to `region_len` readable bytes, `size` to a `size_t`.
sf_status sf_container_size(const void *region, size_t region_len, size_t *size);

// Checks a container as `sf_open` does, and says how many bytes of arena it needs. That
// number is in what `shiftformer inspect` prints, too, for an arena of constant size.
//
// # Safety
//
// `container` points to `container_len` readable bytes, `size` to a `size_t`.
sf_status sf_arena_size(const void *container, size_t container_len, size_t *size);

// Checks a container and opens it: `*model` becomes the handle for the other functions, or
// null where the container or a pointer is refused. There is nothing to close.
//
// `storage_len` is `sizeof(sf_storage)`. `container` starts at a multiple of 4, better 16;
// `arena` at a multiple of 16, and has at least the bytes that `sf_arena_size` says. From
// here on until the last use of the handle the storage and the arena are the library's
// alone, nothing writes the container, and none of the three moves. To use their memory
// otherwise, stop using the handle.
//
// # Safety
//
// The pointers point to as many bytes as is said, those of storage and arena writable, and
// are used as above; `model` points to a pointer.
sf_status sf_open(struct sf_storage *storage,
                  size_t storage_len,
                  const void *container,
                  size_t container_len,
                  void *arena,
                  size_t arena_len,
                  struct sf_model **model);

// Describes input `index`.
//
// # Safety
//
// `model` comes from `sf_open`, `info` points to an `sf_input_info`.
sf_status sf_input(struct sf_model *model, size_t index, struct sf_input_info *info);

// Describes output `index`.
//
// # Safety
//
// `model` comes from `sf_open`, `info` points to an `sf_output_info`.
sf_status sf_output(struct sf_model *model, size_t index, struct sf_output_info *info);

// The SHA-256 of what the model computes, 32 bytes in the storage: the same however its
// weights are packed, and what `shiftformer inspect` prints. Null where `model` is.
//
// # Safety
//
// `model` is null or comes from `sf_open`.
const uint8_t *sf_identity(const struct sf_model *model);

// Bytes of scratch that `sf_fit` takes for images of this size: 0 where it takes none, and where
// there is no image input of this index.
//
// # Safety
//
// `model` is null or comes from `sf_open`.
size_t sf_scratch_size(const struct sf_model *model,
                       size_t index,
                       uint16_t height,
                       uint16_t width,
                       uint8_t channels);

// Fills input `index` from an image of any size, by the rule of the model: the pixels are
// those that the command line computes from the same image. `pixels` are `height` rows of
// `width` pixels of `channels` bytes: one is grey, two are grey and alpha, three RGB, four RGBA.
// Channels that cannot be made of these are `SF_STATUS_FRAME`.
//
// `scratch` is `scratch_len` bytes, at least `sf_scratch_size`; it may be null where that is 0.
// What is in it is of no matter, before and after.
//
// # Safety
//
// `model` comes from `sf_open`; `pixels` points to `height * width * channels` readable bytes, and
// `scratch` to `scratch_len` writable ones, which do not overlap. Both lie outside of the arena.
sf_status sf_fit(struct sf_model *model,
                 size_t index,
                 const void *pixels,
                 uint16_t height,
                 uint16_t width,
                 uint8_t channels,
                 void *scratch,
                 size_t scratch_len);

// Runs one bounded piece of the program, so that the application can do its own work in
// between: feed a watchdog, read a sensor, give up. Returns `SF_STATUS_MORE` while there is
// more, and `SF_STATUS_OK` once at the end, when the outputs are ready; the next call starts
// over with the inputs as they are then. Inputs are to be filled anew for each run, since
// their memory is reused.
//
// # Safety
//
// `model` comes from `sf_open`.
sf_status sf_step(struct sf_model *model);

// Runs to the end: `sf_step` until it returns something else than `SF_STATUS_MORE`.
//
// # Safety
//
// `model` comes from `sf_open`.
sf_status sf_run(struct sf_model *model);

// Gives up a run: the next step is the first of a new one. After `SF_STATUS_FAULT` this is
// of use only once the container's bytes are what they were.
//
// # Safety
//
// `model` comes from `sf_open`.
sf_status sf_restart(struct sf_model *model);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SHIFTFORMER_H */
