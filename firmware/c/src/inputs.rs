//! From a camera's frame to an input.

use core::ffi::c_void;

use runtime::image::{FitError, Frame};
use runtime::{Image, InputKind};

use crate::memory::{bytes, bytes_mut};
use crate::model::Opened;
use crate::status::Status;

/// Bytes of scratch that `sf_fit` takes for images of this size: 0 where it takes none, and where
/// there is no image input of this index.
///
/// # Safety
///
/// `model` is null or comes from `sf_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_scratch_size(
    model: *const Opened,
    index: usize,
    height: u16,
    width: u16,
    channels: u8,
) -> usize {
    // SAFETY: as the caller vouches.
    let image = unsafe { image(model, index) };
    image.map_or(0, |image| image.scratch_len(height, width, channels))
}

/// Fills input `index` from an image of any size, by the rule of the model: the pixels are
/// those that the command line computes from the same image. `pixels` are `height` rows of
/// `width` pixels of `channels` bytes: one is grey, two are grey and alpha, three RGB, four RGBA.
/// Channels that cannot be made of these are `SF_STATUS_FRAME`.
///
/// `scratch` is `scratch_len` bytes, at least `sf_scratch_size`; it may be null where that is 0.
/// What is in it is of no matter, before and after.
///
/// # Safety
///
/// `model` comes from `sf_open`; `pixels` points to `height * width * channels` readable bytes, and
/// `scratch` to `scratch_len` writable ones, which do not overlap. Both lie outside of the arena.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_fit(
    model: *mut Opened,
    index: usize,
    pixels: *const c_void,
    height: u16,
    width: u16,
    channels: u8,
    scratch: *mut c_void,
    scratch_len: usize,
) -> Status {
    let fill = || {
        // SAFETY: as the caller vouches.
        let image = unsafe { image(model, index)? };
        // SAFETY: as the caller vouches.
        let (session, _) = unsafe { Opened::session(model)? };
        let input = session.input(index).ok_or(Status::Index)?;
        let row = usize::from(width).saturating_mul(channels.into());
        // SAFETY: as the caller vouches.
        let pixels = unsafe { bytes(pixels, row.saturating_mul(height.into()), 1)? };
        let frame = Frame::new(pixels, height, width, channels).map_err(|_| Status::Frame)?;
        let scratch = match scratch_len {
            0 => &mut [],
            // SAFETY: as the caller vouches.
            _ => unsafe { bytes_mut(scratch, scratch_len)? },
        };
        image.fill(frame, input, scratch).map_err(|error| match error {
            FitError::Scratch { .. } => Status::Scratch,
            _ => Status::Frame,
        })
    };
    fill().into()
}

/// The image that input `index` takes.
///
/// # Safety
///
/// `model` is null or comes from `sf_open`.
unsafe fn image(model: *const Opened, index: usize) -> Result<Image, Status> {
    // SAFETY: as the caller vouches.
    let model = unsafe { Opened::model(model)? };
    match model.input(index).ok_or(Status::Index)?.kind {
        InputKind::Image(image) => Ok(image),
        InputKind::Tensor { .. } => Err(Status::Frame),
    }
}
