//! Image files: PNG, JPEG, WebP, TIFF, BMP and PNM.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};
use runtime::image::MAX_SIDE;

use crate::error::{DataError, FormatError};
use crate::jpeg;
use crate::limits::Limits;
use crate::memory::Image;

/// Decodes the image file at `path`.
pub(super) fn read(path: &Path, limits: &Limits) -> Result<Image, DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    let mut bytes = Vec::new();
    file.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(DataError::io(path))?;
    parse(&bytes, limits).map_err(DataError::format(path))
}

/// Decodes an image to 8 bits a channel, as people see it: turned by the orientation that its
/// metadata states.
///
/// Grey images have one channel, colour three, and an alpha channel counts as one more. Palettes
/// and CMYK become RGB, and 16 bits are rounded to 8. Of several pages or frames the first is read.
///
/// # Errors
///
/// [`FormatError::TooLarge`] and [`FormatError::Image`]: memory is bounded by `limits`.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Image, FormatError> {
    let (len, limit) = (bytes.len() as u64, limits.max_bytes);
    if len > limit {
        return Err(FormatError::TooLarge { bytes: len, limit });
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg::is_whole(bytes) {
        return Err(FormatError::Image("the file ends in the middle of the picture".into()));
    }
    let mut bounds = image::Limits::default();
    bounds.max_image_width = Some(MAX_SIDE.into());
    bounds.max_image_height = Some(MAX_SIDE.into());
    bounds.max_alloc = Some(limit);
    reader.limits(bounds.clone());
    let decoded = upright(reader, bounds).map_err(|error| FormatError::Image(error.to_string()))?;
    let (width, height) = (decoded.width(), decoded.height());
    let (pixels, channels) = samples(decoded)?;
    match (u16::try_from(height), u16::try_from(width)) {
        (Ok(height), Ok(width)) => Ok(Image { pixels, height, width, channels }),
        _ => Err(FormatError::Image(format!("{height} × {width} pixels are too many"))),
    }
}

/// The decoded image, turned as its metadata says.
fn upright(
    reader: ImageReader<Cursor<&[u8]>>,
    mut bounds: image::Limits,
) -> Result<DynamicImage, ImageError> {
    let mut decoder = reader.into_decoder()?;
    bounds.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    let mut decoded = DynamicImage::from_decoder(decoder)?;
    decoded.apply_orientation(orientation);
    Ok(decoded)
}

/// An image's pixels, height × width × channels, and its channels.
fn samples(decoded: DynamicImage) -> Result<(Vec<u8>, u8), FormatError> {
    if matches!(decoded, DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_)) {
        return Err(FormatError::Image("its samples are floats, of which nobody says what is white".into()));
    }
    let color = decoded.color();
    Ok(match (color.has_color(), color.has_alpha()) {
        (false, false) => (decoded.into_luma8().into_raw(), 1),
        (false, true) => (decoded.into_luma_alpha8().into_raw(), 2),
        (true, false) => (decoded.into_rgb8().into_raw(), 3),
        (true, true) => (decoded.into_rgba8().into_raw(), 4),
    })
}

#[cfg(test)]
mod tests;
