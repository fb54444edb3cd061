/*
 * Shiftformer: integer-only vision transformers in apps, with the same answer everywhere.
 *
 * Written by `cargo xtask c-header` from the crate shiftformer-mobile. C99 or C++11.
 *
 * Handles  A model and a session are numbers that look like pointers. Functions look them up, so a
 *          handle that was closed is an error and not a crash. What is behind one lives until it is
 *          closed and the last call on it has returned; sessions keep what they need of a model.
 * Memory   What is passed is read during the call only, but for shiftformer_model_from_memory.
 *          Results are copied to buffers of the caller: a function that copies takes the room that
 *          there is and writes the length that there is to be, also where that is more.
 * Threads  Every function may be called from every thread. One call at a time runs on a session, and
 *          others wait for it.
 * Errors   Every function returns a status; shiftformer_last_error says in words what the last call
 *          that failed on this thread has to say. Null, misaligned and overlapping pointers are
 *          refused. A pointer to memory that is not there cannot be recognised.
 */

#ifndef SHIFTFORMER_H
#define SHIFTFORMER_H

#include <stddef.h>
#include <stdint.h>

// Alignment of a container that is read where it lies.
#define SHIFTFORMER_MEMORY_ALIGN 4

// What a call reports. After an error nothing has changed unless the function says otherwise.
enum shiftformer_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Done.
  SHIFTFORMER_STATUS_OK = 0,
  // A pointer is null.
  SHIFTFORMER_STATUS_NULL = 1,
  // A pointer is not aligned for what it points to.
  SHIFTFORMER_STATUS_MISALIGNED = 2,
  // A length is larger than memory, or not what it has to be.
  SHIFTFORMER_STATUS_LENGTH = 3,
  // Two places of memory overlap.
  SHIFTFORMER_STATUS_OVERLAP = 4,
  // A buffer is too small; the length that it needs was written.
  SHIFTFORMER_STATUS_SHORT = 5,
  // A text is not UTF-8.
  SHIFTFORMER_STATUS_TEXT = 6,
  // A handle is not open: it was closed, or is none of this kind.
  SHIFTFORMER_STATUS_HANDLE = 7,
  // There is no frame or output of this index.
  SHIFTFORMER_STATUS_INDEX = 8,
  // A number is none of its enumeration.
  SHIFTFORMER_STATUS_VALUE = 9,
  // The model cannot be opened.
  SHIFTFORMER_STATUS_OPEN = 10,
  // The engine cannot run the model.
  SHIFTFORMER_STATUS_PREPARE = 11,
  // The picture or the camera's frame does not become what the model takes.
  SHIFTFORMER_STATUS_PICTURE = 12,
  // The run failed.
  SHIFTFORMER_STATUS_RUN = 13,
  // The run was cancelled.
  SHIFTFORMER_STATUS_CANCELLED = 14,
  // The library has a defect: please report it.
  SHIFTFORMER_STATUS_DEFECT = 15,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum shiftformer_status shiftformer_status;
#else
typedef int32_t shiftformer_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What an output says to people.
enum shiftformer_reading
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Classes of which one is right: each has a share, by a softmax.
  SHIFTFORMER_READING_SHARES = 0,
  // Classes each of which may be right: each has a chance, by a sigmoid.
  SHIFTFORMER_READING_CHANCES = 1,
  // The class of the largest logit, and nothing else.
  SHIFTFORMER_READING_CLASS = 2,
  // Numbers that stand for themselves.
  SHIFTFORMER_READING_VALUES = 3,
  // A vector, of which the direction counts.
  SHIFTFORMER_READING_VECTOR = 4,
  // A map of height, width and channels.
  SHIFTFORMER_READING_MAP = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum shiftformer_reading shiftformer_reading;
#else
typedef int32_t shiftformer_reading;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What runs a model. All of them give the same integers.
enum shiftformer_engine
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // The processor, with its fastest kernels.
  SHIFTFORMER_ENGINE_CPU = 0,
  // The GPU, and the processor where there is none that runs the model.
  SHIFTFORMER_ENGINE_GPU = 1,
  // The scalar reference, which is the specification: slow.
  SHIFTFORMER_ENGINE_REFERENCE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum shiftformer_engine shiftformer_engine;
#else
typedef int32_t shiftformer_engine;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What the planes of a frame hold.
enum shiftformer_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // One plane: red, green, blue, alpha. Android's `RGBA_8888`.
  SHIFTFORMER_FORMAT_RGBA = 0,
  // One plane: blue, green, red, alpha. `kCVPixelFormatType_32BGRA` of iOS.
  SHIFTFORMER_FORMAT_BGRA = 1,
  // Two planes: brightness, then blue and red difference in turn. `420YpCbCr8BiPlanar` of iOS.
  SHIFTFORMER_FORMAT_NV12 = 2,
  // Two planes: brightness, then red and blue difference in turn.
  SHIFTFORMER_FORMAT_NV21 = 3,
  // Three planes: brightness, blue difference, red difference. Android's `YUV_420_888`, which may
  // have other bytes between those of a plane.
  SHIFTFORMER_FORMAT_I420 = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum shiftformer_format shiftformer_format;
#else
typedef int32_t shiftformer_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How brightness and colour become red, green and blue.
enum shiftformer_matrix
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // ITU-R BT.601, that of JPEG.
  SHIFTFORMER_MATRIX_BT601 = 0,
  // ITU-R BT.709, that of high-definition video.
  SHIFTFORMER_MATRIX_BT709 = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum shiftformer_matrix shiftformer_matrix;
#else
typedef int32_t shiftformer_matrix;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The bytes that black, white and full colour have.
enum shiftformer_range
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // All: 0 to 255.
  SHIFTFORMER_RANGE_FULL = 0,
  // Those of video: 16 to 235 for brightness, 16 to 240 for colour.
  SHIFTFORMER_RANGE_VIDEO = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum shiftformer_range shiftformer_range;
#else
typedef int32_t shiftformer_range;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A model that was opened. Not a pointer to anything: only the functions of this header know it.
typedef struct shiftformer_model shiftformer_model;

// A session that was opened. Not a pointer to anything: only the functions of this header know it.
typedef struct shiftformer_session shiftformer_session;

// What a model takes and gives.
typedef struct shiftformer_model_info {
  // Bytes of all inputs of a frame.
  size_t frame_len;
  // Number of outputs.
  size_t outputs;
  // Rows of the image that it takes; 0 where it takes other things, or several.
  uint16_t image_height;
  // Columns of that image.
  uint16_t image_width;
  // Bytes of each pixel of that image.
  uint8_t image_channels;
  // SHA-256 of what it computes: what `shiftformer inspect` prints.
  uint8_t identity[32];
} shiftformer_model_info;

// An output of a model.
typedef struct shiftformer_output_info {
  // How it is read.
  shiftformer_reading reading;
  // Dimensions, outermost first, padded with 1: of a map height, width, channels.
  uint32_t shape[4];
  // Number of values.
  size_t values;
  // Real value of one unit.
  float scale;
} shiftformer_output_info;

// How a session runs its model. Zeros are the usual.
typedef struct shiftformer_options {
  // A `shiftformer_engine`.
  int32_t engine;
  // Threads of the processor that frames of a batch are spread over; 0 is one for each core.
  uint32_t threads;
  // A set of kernels by name; the fastest of this machine where this is null.
  const char *kernels;
} shiftformer_options;

// Rows of a frame in memory.
typedef struct shiftformer_plane {
  // From the first pixel on.
  const uint8_t *bytes;
  // Bytes at `bytes`.
  size_t len;
  // Bytes from the beginning of one row to that of the next.
  size_t row_stride;
  // Bytes from one pixel of colour to the next, for `SHIFTFORMER_FORMAT_I420`; else of no matter.
  size_t pixel_stride;
} shiftformer_plane;

// One frame of a camera.
typedef struct shiftformer_camera_frame {
  // A `shiftformer_format`.
  int32_t format;
  // As many planes as the format has; the others are of no matter.
  struct shiftformer_plane planes[3];
  // Columns as the sensor sees them.
  uint16_t width;
  // Rows as the sensor sees them.
  uint16_t height;
  // How far the frame is to be turned clockwise to stand upright: a multiple of 90.
  int32_t rotation_degrees;
  // Not 0 where left and right change places once it stands upright, as in a mirror.
  int32_t mirrored;
  // A `shiftformer_matrix`.
  int32_t matrix;
  // A `shiftformer_range`.
  int32_t range;
} shiftformer_camera_frame;

// A class among the best.
typedef struct shiftformer_ranked {
  // Its index.
  uint32_t class_index;
  // Its logit, in units of the output's scale.
  int32_t logit;
  // Its share of the softmax over all classes; its chance by itself where the model ends in a
  // sigmoid.
  float probability;
  // Its name, which a 0 ends, valid until the session is closed; null where the model has none.
  const char *label;
} shiftformer_ranked;

// How long a run took.
typedef struct shiftformer_timings {
  // Nanoseconds to make the model's frame of a picture; 0 where the frame was given.
  uint64_t prepare_nanoseconds;
  // Nanoseconds to run the model; of a batch, all of it.
  uint64_t run_nanoseconds;
} shiftformer_timings;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What was wrong in the last call that failed on this thread, in a sentence; empty where none
// has. It is valid until the next call that fails on this thread. Never null.
const char *shiftformer_last_error(void);

// What to do about the last error of this thread; as `shiftformer_last_error`.
const char *shiftformer_last_hint(void);

// Opens the file at `path`, checks it whole and writes its handle to `*model`, or null where it is
// refused. `shiftformer_model_close` closes it.
//
// # Safety
//
// `path` points to bytes that a 0 ends, `model` to a pointer.
shiftformer_status shiftformer_model_open(const char *path, struct shiftformer_model **model);

// Opens the model in the `len` bytes at `bytes`, which are copied. `name` is for messages.
//
// # Safety
//
// `name` points to bytes that a 0 ends, `bytes` to `len` readable bytes, `model` to a pointer.
shiftformer_status shiftformer_model_from_bytes(const char *name,
                                                const void *bytes,
                                                size_t len,
                                                struct shiftformer_model **model);

// Opens the model in the `len` bytes at `memory`, which are not copied: they start at a multiple of
// `SHIFTFORMER_MEMORY_ALIGN`, and must neither change nor go away while the model or a session of it
// is open. `name` is for messages.
//
// # Safety
//
// `name` points to bytes that a 0 ends, `memory` to `len` readable bytes as said, `model` to a
// pointer.
shiftformer_status shiftformer_model_from_memory(const char *name,
                                                 const void *memory,
                                                 size_t len,
                                                 struct shiftformer_model **model);

// Opens the model that is part of an open file: `length` bytes from `offset` on. They are mapped
// into memory, and not copied where the model starts at a multiple of 4. The descriptor stays the
// caller's, who may close it at once; nobody may alter the file while the model or a session of it
// is open. Only on systems with such descriptors.
//
// # Safety
//
// `model` points to a pointer; the file does not change.
shiftformer_status shiftformer_model_from_descriptor(int descriptor,
                                                     uint64_t offset,
                                                     uint64_t length,
                                                     struct shiftformer_model **model);

// Closes a model. Its sessions stay open: they keep what they need of it.
shiftformer_status shiftformer_model_close(struct shiftformer_model *model);

// Describes a model.
//
// # Safety
//
// `info` points to a `shiftformer_model_info`.
shiftformer_status shiftformer_model_describe(const struct shiftformer_model *model,
                                              struct shiftformer_model_info *info);

// Copies the model's path, or the name given with its bytes, and a 0 to `buffer`, which has room
// for `capacity` bytes; `*length` becomes how many there are, the 0 among them.
//
// # Safety
//
// `buffer` points to `capacity` writable bytes, `length` to a `size_t`.
shiftformer_status shiftformer_model_name(const struct shiftformer_model *model,
                                          char *buffer,
                                          size_t capacity,
                                          size_t *length);

// Describes output `index` of a model.
//
// # Safety
//
// `info` points to a `shiftformer_output_info`.
shiftformer_status shiftformer_output_describe(const struct shiftformer_model *model,
                                               size_t index,
                                               struct shiftformer_output_info *info);

// Copies the name of output `index`, as `shiftformer_model_name` does.
//
// # Safety
//
// `buffer` points to `capacity` writable bytes, `length` to a `size_t`.
shiftformer_status shiftformer_output_name(const struct shiftformer_model *model,
                                           size_t index,
                                           char *buffer,
                                           size_t capacity,
                                           size_t *length);

// Opens a session of a model and writes its handle to `*session`, or null where that fails.
// `options` may be null: those are zeros. The weights are laid out for the engine here, once.
// `shiftformer_session_close` closes it; the model may be closed before.
//
// # Safety
//
// `options` is null or points to options with a text in them that a 0 ends; `session` points to a
// pointer.
shiftformer_status shiftformer_session_open(const struct shiftformer_model *model,
                                            const struct shiftformer_options *options,
                                            struct shiftformer_session **session);

// Closes a session. A run of it on another thread goes on to its end.
shiftformer_status shiftformer_session_close(struct shiftformer_session *session);

// Stops what the session runs at this moment, from any thread: that call ends in
// `SHIFTFORMER_STATUS_CANCELLED`. Later calls are not concerned.
shiftformer_status shiftformer_session_cancel(const struct shiftformer_session *session);

// Copies the name of the engine that runs the model, as `shiftformer_model_name` does.
//
// # Safety
//
// `buffer` points to `capacity` writable bytes, `length` to a `size_t`.
shiftformer_status shiftformer_session_backend(const struct shiftformer_session *session,
                                               char *buffer,
                                               size_t capacity,
                                               size_t *length);

// Copies the name of the kernels in use, as `shiftformer_model_name` does.
//
// # Safety
//
// `buffer` points to `capacity` writable bytes, `length` to a `size_t`.
shiftformer_status shiftformer_session_kernels(const struct shiftformer_session *session,
                                               char *buffer,
                                               size_t capacity,
                                               size_t *length);

// Copies why another engine runs the model than was asked for, as `shiftformer_model_name` does;
// nothing but the 0 where none does.
//
// # Safety
//
// `buffer` points to `capacity` writable bytes, `length` to a `size_t`.
shiftformer_status shiftformer_session_fallback(const struct shiftformer_session *session,
                                                char *buffer,
                                                size_t capacity,
                                                size_t *length);

// Runs a frame: the bytes of all inputs one after another, of an image its pixels as the model
// takes them. `shiftformer_values` and the functions behind it read the answer.
//
// # Safety
//
// `frame` points to `frame_len` readable bytes.
shiftformer_status shiftformer_session_run(const struct shiftformer_session *session,
                                           const uint8_t *frame,
                                           size_t frame_len);

// Runs a picture of any size: `height` rows of `width` pixels of `channels` bytes, of which one is
// grey, two are grey and alpha, three RGB, four RGBA. It is resized and cropped by the model's rule,
// in integers.
//
// # Safety
//
// `pixels` points to `pixels_len` readable bytes.
shiftformer_status shiftformer_session_run_picture(const struct shiftformer_session *session,
                                                   const uint8_t *pixels,
                                                   size_t pixels_len,
                                                   uint16_t height,
                                                   uint16_t width,
                                                   uint8_t channels);

// Runs what a camera delivers: turned upright, brought to the model's colours, resized and cropped
// by its rule, all in integers.
//
// # Safety
//
// `camera` points to a frame whose planes point to as many readable bytes as they say.
shiftformer_status shiftformer_session_run_camera(const struct shiftformer_session *session,
                                                  const struct shiftformer_camera_frame *camera);

// Runs `count` frames that lie one after another, `frames_len` bytes in all, spread over the
// engine's threads.
//
// # Safety
//
// `frames` points to `frames_len` readable bytes.
shiftformer_status shiftformer_session_run_batch(const struct shiftformer_session *session,
                                                 const uint8_t *frames,
                                                 size_t frames_len,
                                                 size_t count);

// Copies the values of output `output` of frame `frame` of the last run, in units of the output's
// scale, to `buffer`, which has room for `capacity`; `*length` becomes how many there are. 0 is the
// frame of every run but a batch. Threads that share a session also share its last run.
//
// # Safety
//
// `buffer` points to memory for `capacity` values, `length` to a `size_t`.
shiftformer_status shiftformer_values(const struct shiftformer_session *session,
                                      size_t frame,
                                      size_t output,
                                      int32_t *buffer,
                                      size_t capacity,
                                      size_t *length);

// Copies what the model gives: real values with what it computes at its end, such as a softmax; as
// `shiftformer_values`. There are fewer of them where the model ends in the best class.
//
// # Safety
//
// As `shiftformer_values`.
shiftformer_status shiftformer_ended(const struct shiftformer_session *session,
                                     size_t frame,
                                     size_t output,
                                     float *buffer,
                                     size_t capacity,
                                     size_t *length);

// Copies the best classes of frame `frame`, best first, at most `capacity`; `*length` becomes how
// many were copied: 0 where the model is no classifier.
//
// # Safety
//
// `buffer` points to memory for `capacity` results, `length` to a `size_t`.
shiftformer_status shiftformer_top(const struct shiftformer_session *session,
                                   size_t frame,
                                   struct shiftformer_ranked *buffer,
                                   size_t capacity,
                                   size_t *length);

// Says how long frame `frame` of the last run took.
//
// # Safety
//
// `timings` points to a `shiftformer_timings`.
shiftformer_status shiftformer_session_timings(const struct shiftformer_session *session,
                                               size_t frame,
                                               struct shiftformer_timings *timings);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SHIFTFORMER_H */
