//! From grey, RGB or RGBA to the channels a model reads.

use super::{FitError, Frame, expect_length};
use quant::slice::{rows, rows_mut};

/// Rewrites `src` with another number of channels, pixel by pixel.
///
/// One channel is grey, two are grey and alpha, three RGB, four RGBA. Equal
/// numbers copy; alpha is dropped; grey is replicated into RGB; RGB becomes grey
/// as `(77·R + 150·G + 29·B + 128) >> 8`. Alpha is never made up.
///
/// # Errors
///
/// [`FitError::Conversion`] where none of these applies, and
/// [`FitError::Length`] unless `dst` has `height · width · channels` bytes.
pub fn convert_channels(src: Frame<'_>, dst: &mut [u8], channels: u8) -> Result<(), FitError> {
    let from = src.channels;
    if channels != from && channels != 1 && channels != 3 {
        return Err(FitError::Conversion { from, to: channels });
    }
    expect_length(dst, src.height(), src.width(), channels)?;
    let pixels = rows(src.pixels, usize::from(from));
    for (pixel, out) in pixels.zip(rows_mut(dst, usize::from(channels))) {
        convert_pixel(pixel, out);
    }
    Ok(())
}

/// One pixel of [`convert_channels`]; the pair of lengths is one it accepts.
fn convert_pixel(src: &[u8], dst: &mut [u8]) {
    match (src, dst) {
        ([r, g, b] | [r, g, b, _], [grey]) => {
            let luma = 77 * u32::from(*r) + 150 * u32::from(*g) + 29 * u32::from(*b);
            *grey = ((luma + 128) >> 8) as u8;
        }
        ([grey] | [grey, _], [r, g, b]) => (*r, *g, *b) = (*grey, *grey, *grey),
        (src, dst) => {
            for (to, from) in dst.iter_mut().zip(src) {
                *to = *from;
            }
        }
    }
}
