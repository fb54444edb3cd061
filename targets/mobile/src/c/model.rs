//! Models.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use shiftformer::{Model, Reading};

use super::handles::Table;
use super::memory::{apart, copy_text, place, put, text, values};
use super::status::{Failure, call, shiftformer_status};
use crate::error::ShiftformerError;
use crate::mapped;

/// A model that was opened. Not a pointer to anything: only the functions of this header know it.
pub struct shiftformer_model {
    _opaque: (),
}

/// The models that are open.
pub(super) static MODELS: Table<Model> = Table::new();

/// Alignment of a container that is read where it lies.
pub const SHIFTFORMER_MEMORY_ALIGN: usize = 4;

const _: () = assert!(SHIFTFORMER_MEMORY_ALIGN == align_of::<u32>());

/// What a model takes and gives.
#[repr(C)]
pub struct shiftformer_model_info {
    /// Bytes of all inputs of a frame.
    pub frame_len: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Rows of the image that it takes; 0 where it takes other things, or several.
    pub image_height: u16,
    /// Columns of that image.
    pub image_width: u16,
    /// Bytes of each pixel of that image.
    pub image_channels: u8,
    /// SHA-256 of what it computes: what `shiftformer inspect` prints.
    pub identity: [u8; 32],
}

/// What an output says to people.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum shiftformer_reading {
    /// Classes of which one is right: each has a share, by a softmax.
    Shares = 0,
    /// Classes each of which may be right: each has a chance, by a sigmoid.
    Chances = 1,
    /// The class of the largest logit, and nothing else.
    Class = 2,
    /// Numbers that stand for themselves.
    Values = 3,
    /// A vector, of which the direction counts.
    Vector = 4,
    /// A map of height, width and channels.
    Map = 5,
}

/// An output of a model.
#[repr(C)]
pub struct shiftformer_output_info {
    /// How it is read.
    pub reading: shiftformer_reading,
    /// Dimensions, outermost first, padded with 1: of a map height, width, channels.
    pub shape: [u32; 4],
    /// Number of values.
    pub values: usize,
    /// Real value of one unit.
    pub scale: f32,
}

/// Opens a model and writes its handle; null where it is refused.
///
/// # Safety
///
/// `model` is null or points to memory for a pointer that nobody else uses during the call.
unsafe fn opened(
    model: *mut *mut shiftformer_model,
    open: impl FnOnce() -> Result<Model, Failure>,
) -> shiftformer_status {
    call(|| {
        // SAFETY: as the caller vouches.
        unsafe { put(model, ptr::null_mut())? };
        let handle = MODELS.insert(open()?);
        // SAFETY: as the caller vouches.
        unsafe { put(model, handle) }
    })
}

/// Opens the file at `path`, checks it whole and writes its handle to `*model`, or null where it is
/// refused. `shiftformer_model_close` closes it.
///
/// # Safety
///
/// `path` points to bytes that a 0 ends, `model` to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_model_open(
    path: *const c_char,
    model: *mut *mut shiftformer_model,
) -> shiftformer_status {
    let open = || {
        // SAFETY: as the caller vouches.
        let path = unsafe { text(path)? };
        Model::open(path).map_err(|error| ShiftformerError::from(error).into())
    };
    // SAFETY: as the caller vouches.
    unsafe { opened(model, open) }
}

/// Opens the model in the `len` bytes at `bytes`, which are copied. `name` is for messages.
///
/// # Safety
///
/// `name` points to bytes that a 0 ends, `bytes` to `len` readable bytes, `model` to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_model_from_bytes(
    name: *const c_char,
    bytes: *const c_void,
    len: usize,
    model: *mut *mut shiftformer_model,
) -> shiftformer_status {
    let open = || {
        // SAFETY: as the caller vouches.
        let (name, bytes) = unsafe { (text(name)?, values::<u8>(bytes.cast(), len)?) };
        apart(&place(model, 1)?, &place::<u8>(bytes.as_ptr(), len)?)?;
        Model::from_bytes(name, bytes).map_err(|error| ShiftformerError::from(error).into())
    };
    // SAFETY: as the caller vouches.
    unsafe { opened(model, open) }
}

/// Opens the model in the `len` bytes at `memory`, which are not copied: they start at a multiple of
/// `SHIFTFORMER_MEMORY_ALIGN`, and must neither change nor go away while the model or a session of it
/// is open. `name` is for messages.
///
/// # Safety
///
/// `name` points to bytes that a 0 ends, `memory` to `len` readable bytes as said, `model` to a
/// pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_model_from_memory(
    name: *const c_char,
    memory: *const c_void,
    len: usize,
    model: *mut *mut shiftformer_model,
) -> shiftformer_status {
    let open = || {
        // SAFETY: as the caller vouches.
        let (name, bytes) = unsafe { (text(name)?, values::<u8>(memory.cast(), len)?) };
        place::<u32>(memory.cast(), 0)?;
        apart(&place(model, 1)?, &place::<u8>(bytes.as_ptr(), len)?)?;
        Model::from_static(name, bytes).map_err(|error| ShiftformerError::from(error).into())
    };
    // SAFETY: as the caller vouches.
    unsafe { opened(model, open) }
}

/// Opens the model that is part of an open file: `length` bytes from `offset` on. They are mapped
/// into memory, and not copied where the model starts at a multiple of 4. The descriptor stays the
/// caller's, who may close it at once; nobody may alter the file while the model or a session of it
/// is open. Only on systems with such descriptors.
///
/// # Safety
///
/// `model` points to a pointer; the file does not change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_model_from_descriptor(
    descriptor: c_int,
    offset: u64,
    length: u64,
    model: *mut *mut shiftformer_model,
) -> shiftformer_status {
    let open =
        || mapped::open(descriptor, offset, length).map_err(|error| ShiftformerError::from(error).into());
    // SAFETY: as the caller vouches.
    unsafe { opened(model, open) }
}

/// Closes a model. Its sessions stay open: they keep what they need of it.
#[unsafe(no_mangle)]
pub extern "C" fn shiftformer_model_close(model: *mut shiftformer_model) -> shiftformer_status {
    call(|| MODELS.close(model))
}

/// Describes a model.
///
/// # Safety
///
/// `info` points to a `shiftformer_model_info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_model_describe(
    model: *const shiftformer_model,
    info: *mut shiftformer_model_info,
) -> shiftformer_status {
    call(|| {
        let model = MODELS.get(model)?;
        let image = model.image();
        let found = shiftformer_model_info {
            frame_len: model.frame_len(),
            outputs: model.outputs().len(),
            image_height: image.map_or(0, |image| image.height),
            image_width: image.map_or(0, |image| image.width),
            image_channels: image.map_or(0, |image| image.channels),
            identity: model.identity(),
        };
        // SAFETY: as the caller vouches.
        unsafe { put(info, found) }
    })
}

/// Copies the model's path, or the name given with its bytes, and a 0 to `buffer`, which has room
/// for `capacity` bytes; `*length` becomes how many there are, the 0 among them.
///
/// # Safety
///
/// `buffer` points to `capacity` writable bytes, `length` to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_model_name(
    model: *const shiftformer_model,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> shiftformer_status {
    // SAFETY: as the caller vouches.
    call(|| unsafe { copy_text(MODELS.get(model)?.name(), buffer, capacity, length) })
}

/// Describes output `index` of a model.
///
/// # Safety
///
/// `info` points to a `shiftformer_output_info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_output_describe(
    model: *const shiftformer_model,
    index: usize,
    info: *mut shiftformer_output_info,
) -> shiftformer_status {
    call(|| {
        let model = MODELS.get(model)?;
        let output = *model.outputs().get(index).ok_or_else(|| no_output(index))?;
        let found = shiftformer_output_info {
            reading: reading(output.reading()),
            shape: output.shape,
            values: output.len,
            scale: output.scale,
        };
        // SAFETY: as the caller vouches.
        unsafe { put(info, found) }
    })
}

/// Copies the name of output `index`, as `shiftformer_model_name` does.
///
/// # Safety
///
/// `buffer` points to `capacity` writable bytes, `length` to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shiftformer_output_name(
    model: *const shiftformer_model,
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> shiftformer_status {
    call(|| {
        let model = MODELS.get(model)?;
        let name = model.outputs().get(index).ok_or_else(|| no_output(index))?.name;
        // SAFETY: as the caller vouches.
        unsafe { copy_text(name, buffer, capacity, length) }
    })
}

fn no_output(index: usize) -> Failure {
    let reason = format!("the model has no output {index}");
    Failure::new(shiftformer_status::Index, reason, "shiftformer_model_describe says how many it has")
}

const fn reading(reading: Reading) -> shiftformer_reading {
    match reading {
        Reading::Shares => shiftformer_reading::Shares,
        Reading::Chances => shiftformer_reading::Chances,
        Reading::Class => shiftformer_reading::Class,
        Reading::Values => shiftformer_reading::Values,
        Reading::Vector => shiftformer_reading::Vector,
        Reading::Map => shiftformer_reading::Map,
    }
}
