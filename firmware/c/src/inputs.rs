//! From a camera's frame to an input.

use core::ffi::c_void;

use runtime::InputKind;
use runtime::image::{Frame, convert_channels, fit};

use crate::memory::bytes;
use crate::model::Opened;
use crate::status::Status;

/// Fills input `index` from an image of any size, by the rule of the model: the pixels are
/// those that the command line computes from the same image. `pixels` are `height` rows of
/// `width` pixels of `channels` bytes.
///
/// The image has the model's channels in the model's order, or the model's size and other
/// channels: one is grey, three RGB, four RGBA. Anything else is `SF_STATUS_FRAME`.
///
/// # Safety
///
/// `model` comes from `sf_open`; `pixels` points to `height * width * channels` readable
/// bytes outside of the arena.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_fit(
    model: *mut Opened,
    index: usize,
    pixels: *const c_void,
    height: u16,
    width: u16,
    channels: u8,
) -> Status {
    let fill = || {
        // SAFETY: as the caller vouches.
        let (session, _) = unsafe { Opened::session(model)? };
        let InputKind::Image(image) = session.model().input(index).ok_or(Status::Index)?.kind else {
            return Err(Status::Frame);
        };
        let input = session.input(index).ok_or(Status::Index)?;
        let row = usize::from(width).saturating_mul(channels.into());
        // SAFETY: as the caller vouches.
        let pixels = unsafe { bytes(pixels, row.saturating_mul(height.into()), 1)? };
        let frame = Frame::new(pixels, height, width, channels).map_err(|_| Status::Frame)?;
        let filled = if channels == image.channels {
            fit(frame, input, image.height, image.width, image.fit)
        } else if (height, width) == (image.height, image.width) {
            convert_channels(frame, input, image.channels)
        } else {
            return Err(Status::Frame);
        };
        filled.map_err(|_| Status::Frame)
    };
    fill().into()
}
