//! Frames as cameras deliver them.

use shiftformer::camera::{self, CameraFrame, Matrix, Range};

use super::memory::values;
use super::status::{Failure, chosen};
use crate::camera::{PixelFormat, Rows, pixels, rotation};

/// What the planes of a frame hold.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum shiftformer_format {
    /// One plane: red, green, blue, alpha. Android's `RGBA_8888`.
    Rgba = 0,
    /// One plane: blue, green, red, alpha. `kCVPixelFormatType_32BGRA` of iOS.
    Bgra = 1,
    /// Two planes: brightness, then blue and red difference in turn. `420YpCbCr8BiPlanar` of iOS.
    Nv12 = 2,
    /// Two planes: brightness, then red and blue difference in turn.
    Nv21 = 3,
    /// Three planes: brightness, blue difference, red difference. Android's `YUV_420_888`, which may
    /// have other bytes between those of a plane.
    I420 = 4,
}

/// How brightness and colour become red, green and blue.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum shiftformer_matrix {
    /// ITU-R BT.601, that of JPEG.
    Bt601 = 0,
    /// ITU-R BT.709, that of high-definition video.
    Bt709 = 1,
}

/// The bytes that black, white and full colour have.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum shiftformer_range {
    /// All: 0 to 255.
    Full = 0,
    /// Those of video: 16 to 235 for brightness, 16 to 240 for colour.
    Video = 1,
}

/// Rows of a frame in memory.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct shiftformer_plane {
    /// From the first pixel on.
    pub bytes: *const u8,
    /// Bytes at `bytes`.
    pub len: usize,
    /// Bytes from the beginning of one row to that of the next.
    pub row_stride: usize,
    /// Bytes from one pixel of colour to the next, for `SHIFTFORMER_FORMAT_I420`; else of no matter.
    pub pixel_stride: usize,
}

/// One frame of a camera.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct shiftformer_camera_frame {
    /// A `shiftformer_format`.
    pub format: i32,
    /// As many planes as the format has; the others are of no matter.
    pub planes: [shiftformer_plane; 3],
    /// Columns as the sensor sees them.
    pub width: u16,
    /// Rows as the sensor sees them.
    pub height: u16,
    /// How far the frame is to be turned clockwise to stand upright: a multiple of 90.
    pub rotation_degrees: i32,
    /// Not 0 where left and right change places once it stands upright, as in a mirror.
    pub mirrored: i32,
    /// A `shiftformer_matrix`.
    pub matrix: i32,
    /// A `shiftformer_range`.
    pub range: i32,
}

/// The frame as the facade takes it, its bytes where they are.
///
/// # Safety
///
/// The planes of the frame's format point to as many readable bytes as they say, which nothing
/// writes while `'a` lasts.
pub(super) unsafe fn frame<'a>(frame: &shiftformer_camera_frame) -> Result<CameraFrame<'a>, Failure> {
    let formats = [
        (shiftformer_format::Rgba as i32, (PixelFormat::Rgba, 1)),
        (shiftformer_format::Bgra as i32, (PixelFormat::Bgra, 1)),
        (shiftformer_format::Nv12 as i32, (PixelFormat::Nv12, 2)),
        (shiftformer_format::Nv21 as i32, (PixelFormat::Nv21, 2)),
        (shiftformer_format::I420 as i32, (PixelFormat::I420, 3)),
    ];
    let matrices = [
        (shiftformer_matrix::Bt601 as i32, Matrix::Bt601),
        (shiftformer_matrix::Bt709 as i32, Matrix::Bt709),
    ];
    let ranges =
        [(shiftformer_range::Full as i32, Range::Full), (shiftformer_range::Video as i32, Range::Video)];
    let (format, planes) = chosen("format", frame.format, &formats)?;
    let rows = |plane: &shiftformer_plane| -> Result<Rows<'a>, Failure> {
        // SAFETY: as the caller vouches.
        let bytes = unsafe { values(plane.bytes, plane.len)? };
        let row_stride = plane.row_stride;
        Ok(Rows { plane: camera::Plane { bytes, row_stride }, pixel_stride: plane.pixel_stride })
    };
    let rows = frame.planes[..planes].iter().map(rows).collect::<Result<Vec<_>, _>>()?;
    Ok(CameraFrame {
        rotation: rotation(frame.rotation_degrees)?,
        mirrored: frame.mirrored != 0,
        matrix: chosen("matrix", frame.matrix, &matrices)?,
        range: chosen("range", frame.range, &ranges)?,
        ..CameraFrame::new(pixels(format, &rows)?, frame.width, frame.height)
    })
}
