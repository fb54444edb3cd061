//! What a model reads and gives.

use core::ffi::{c_char, c_void};

use quant::mem::DType;
use runtime::{ChannelOrder, FloatBits, InputKind, OutputKind};

use crate::memory::result;
use crate::model::Opened;
use crate::status::Status;

/// Type of an element.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Type {
    /// `uint8_t`
    U8 = 0,
    /// `int8_t`
    I8 = 1,
    /// `int16_t`
    I16 = 2,
    /// `int32_t`
    I32 = 3,
    /// `uint32_t`
    U32 = 4,
}

/// What the channels of an image are, in the order of memory.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Channels {
    /// Not an image.
    None = 0,
    /// One channel.
    Gray = 1,
    /// Red, green, blue.
    Rgb = 2,
    /// Blue, green, red.
    Bgr = 3,
    /// Something else, up to four.
    Other = 4,
}

/// What an output means.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Kind {
    /// One logit for each class. The answer is the class of the largest, the first of equals.
    Logits = 0,
    /// An embedding.
    Embedding = 1,
    /// A dense map.
    Dense = 2,
    /// Numbers that stand for themselves: a regression, or the corners of a box.
    Values = 3,
}

/// An input: where the application puts it, and what it puts there.
#[repr(C)]
pub struct InputInfo {
    /// To be filled before each run; valid until the next `sf_step` or `sf_run`.
    pub data: *mut c_void,
    /// Bytes at `data`.
    pub bytes: usize,
    /// Elements at `data`.
    pub elements: usize,
    /// Their type; `uint8_t` for an image.
    pub element: Type,
    /// For an image, its channels.
    pub channels: Channels,
    /// Dimensions, outermost first, padded with 1: of an image height, width, channels.
    pub shape: [u32; 4],
    /// Real value of one unit; 0 for an image, whose normalisation is in the program.
    pub scale: f32,
    /// Its name in UTF-8, in the container, without a 0 at its end.
    pub name: *const c_char,
    /// Bytes of the name.
    pub name_len: usize,
}

/// An output: where the application finds it, and what it finds there.
#[repr(C)]
pub struct OutputInfo {
    /// Meaningful once `sf_run` or `sf_step` has returned `SF_STATUS_OK`, and until the next of
    /// those, `sf_fit`, or the filling of an input.
    pub data: *const c_void,
    /// Bytes at `data`.
    pub bytes: usize,
    /// Elements at `data`.
    pub elements: usize,
    /// Their type.
    pub element: Type,
    /// What they mean.
    pub kind: Kind,
    /// Dimensions, outermost first, padded with 1.
    pub shape: [u32; 4],
    /// Real value of one unit.
    pub scale: f32,
    /// Its name in UTF-8, in the container, without a 0 at its end.
    pub name: *const c_char,
    /// Bytes of the name.
    pub name_len: usize,
}

/// Describes input `index`.
///
/// # Safety
///
/// `model` comes from `sf_open`, `info` points to an `sf_input_info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_input(model: *mut Opened, index: usize, info: *mut InputInfo) -> Status {
    let describe = || {
        let info = result(info)?;
        // SAFETY: as the caller vouches.
        let (session, _) = unsafe { Opened::session(model)? };
        let input = session.model().input(index).ok_or(Status::Index)?;
        let data = session.input(index).ok_or(Status::Index)?;
        let (channels, shape, scale) = match input.kind {
            InputKind::Image(image) => {
                let shape = [image.height.into(), image.width.into(), image.channels.into(), 1];
                (channels(image.order), shape, FloatBits(0))
            }
            InputKind::Tensor { shape, scale } => (Channels::None, shape, scale),
        };
        let input = InputInfo {
            data: data.as_mut_ptr().cast(),
            bytes: data.len(),
            elements: input.slot.len as usize,
            element: element(input.slot.dtype),
            channels,
            shape,
            scale: f32::from_bits(scale.0),
            name: input.name.as_ptr().cast(),
            name_len: input.name.len(),
        };
        // SAFETY: not null and aligned; writable, as the caller vouches.
        unsafe { info.write(input) };
        Ok(())
    };
    describe().into()
}

/// Describes output `index`.
///
/// # Safety
///
/// `model` comes from `sf_open`, `info` points to an `sf_output_info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_output(model: *mut Opened, index: usize, info: *mut OutputInfo) -> Status {
    let describe = || {
        let info = result(info)?;
        // SAFETY: as the caller vouches.
        let (session, _) = unsafe { Opened::session(model)? };
        let output = session.model().output(index).ok_or(Status::Index)?;
        let data = match session.output(index).ok_or(Status::Index)? {
            quant::ops::Tensor::I8(values) => values.as_ptr().cast(),
            quant::ops::Tensor::I16(values) => values.as_ptr().cast(),
            quant::ops::Tensor::I32(values) => values.as_ptr().cast(),
        };
        let output = OutputInfo {
            data,
            bytes: output.slot.bytes() as usize,
            elements: output.slot.len as usize,
            element: element(output.slot.dtype),
            kind: kind(output.kind),
            shape: output.shape,
            scale: f32::from_bits(output.scale.0),
            name: output.name.as_ptr().cast(),
            name_len: output.name.len(),
        };
        // SAFETY: not null and aligned; writable, as the caller vouches.
        unsafe { info.write(output) };
        Ok(())
    };
    describe().into()
}

/// The SHA-256 of what the model computes, 32 bytes in the storage: the same however its
/// weights are packed, and what `shiftformer inspect` prints. Null where `model` is.
///
/// # Safety
///
/// `model` is null or comes from `sf_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_identity(model: *const Opened) -> *const u8 {
    // SAFETY: as the caller vouches.
    unsafe { Opened::model(model) }.map_or(core::ptr::null(), |model| model.identity().as_ptr())
}

const fn element(dtype: DType) -> Type {
    match dtype {
        DType::U8 => Type::U8,
        DType::I8 => Type::I8,
        DType::I16 => Type::I16,
        DType::I32 => Type::I32,
        DType::U32 => Type::U32,
    }
}

const fn channels(order: ChannelOrder) -> Channels {
    match order {
        ChannelOrder::Gray => Channels::Gray,
        ChannelOrder::Rgb => Channels::Rgb,
        ChannelOrder::Bgr => Channels::Bgr,
        ChannelOrder::Other => Channels::Other,
    }
}

const fn kind(kind: OutputKind) -> Kind {
    match kind {
        OutputKind::Logits => Kind::Logits,
        OutputKind::Embedding => Kind::Embedding,
        OutputKind::Dense => Kind::Dense,
        OutputKind::Values => Kind::Values,
    }
}
