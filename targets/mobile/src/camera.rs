//! Frames as cameras deliver them.

use shiftformer::camera::{self, Matrix, Pixels, Range, Rotation};

use crate::error::ShiftformerError;

/// How brightness and colour become red, green and blue.
#[uniffi::remote(Enum)]
pub enum Matrix {
    /// ITU-R BT.601, that of JPEG.
    Bt601,
    /// ITU-R BT.709, that of high-definition video.
    Bt709,
}

/// The bytes that black, white and full colour have.
#[uniffi::remote(Enum)]
pub enum Range {
    /// All: 0 to 255.
    Full,
    /// Those of video: 16 to 235 for brightness, 16 to 240 for colour.
    Video,
}

/// What the planes of a frame hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum PixelFormat {
    /// One plane: red, green, blue, alpha. Android's `RGBA_8888`.
    Rgba,
    /// One plane: blue, green, red, alpha. `kCVPixelFormatType_32BGRA` of iOS.
    Bgra,
    /// Two planes: brightness, then blue and red difference in turn. `420YpCbCr8BiPlanar` of iOS.
    Nv12,
    /// Two planes: brightness, then red and blue difference in turn.
    Nv21,
    /// Three planes: brightness, blue difference, red difference. Android's `YUV_420_888`, which
    /// may have other bytes between those of a plane.
    I420,
}

/// Rows of a frame in memory.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Plane {
    /// From the first pixel on.
    pub bytes: Vec<u8>,
    /// Bytes from the beginning of one row to that of the next.
    pub row_stride: u32,
    /// Bytes from one pixel of colour to the next, for [`PixelFormat::I420`]; else of no matter.
    #[uniffi(default = 1)]
    pub pixel_stride: u32,
}

/// One frame of a camera.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct CameraFrame {
    /// What the planes hold.
    pub format: PixelFormat,
    /// As many planes as the format has.
    pub planes: Vec<Plane>,
    /// Columns as the sensor sees them.
    pub width: u16,
    /// Rows as the sensor sees them.
    pub height: u16,
    /// How far the frame is to be turned clockwise to stand upright: a multiple of 90.
    #[uniffi(default = 0)]
    pub rotation_degrees: i32,
    /// Whether left and right change places once it stands upright, as in a mirror.
    #[uniffi(default = false)]
    pub mirrored: bool,
    /// How brightness and colour become red, green and blue; as in JPEG where this is null.
    #[uniffi(default = None)]
    pub matrix: Option<Matrix>,
    /// The bytes that brightness and colour take; all where this is null.
    #[uniffi(default = None)]
    pub range: Option<Range>,
}

impl CameraFrame {
    /// This frame as the facade takes it, its bytes where they are.
    ///
    /// # Errors
    ///
    /// [`ShiftformerError::Picture`] where it has not the planes of its format, or is turned by
    /// something else than quarters.
    pub(crate) fn borrow(&self) -> Result<camera::CameraFrame<'_>, ShiftformerError> {
        let planes: Vec<Rows<'_>> = self
            .planes
            .iter()
            .map(|plane| Rows {
                plane: camera::Plane { bytes: &plane.bytes, row_stride: plane.row_stride as usize },
                pixel_stride: plane.pixel_stride as usize,
            })
            .collect();
        let pixels = pixels(self.format, &planes)?;
        Ok(camera::CameraFrame {
            rotation: rotation(self.rotation_degrees)?,
            mirrored: self.mirrored,
            matrix: self.matrix.unwrap_or_default(),
            range: self.range.unwrap_or_default(),
            ..camera::CameraFrame::new(pixels, self.width, self.height)
        })
    }
}

/// A plane, and how far its pixels of colour are apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'f> {
    pub(crate) plane: camera::Plane<'f>,
    pub(crate) pixel_stride: usize,
}

/// The pixels that `planes` hold in `format`.
pub(crate) fn pixels<'f>(format: PixelFormat, planes: &[Rows<'f>]) -> Result<Pixels<'f>, ShiftformerError> {
    match (format, planes) {
        (PixelFormat::Rgba, [rows]) => Ok(Pixels::Rgba(rows.plane)),
        (PixelFormat::Bgra, [rows]) => Ok(Pixels::Bgra(rows.plane)),
        (PixelFormat::Nv12, [luma, chroma]) => Ok(Pixels::Nv12 { luma: luma.plane, chroma: chroma.plane }),
        (PixelFormat::Nv21, [luma, chroma]) => Ok(Pixels::Nv21 { luma: luma.plane, chroma: chroma.plane }),
        (PixelFormat::I420, [luma, blue, red]) if blue.pixel_stride == red.pixel_stride => Ok(Pixels::I420 {
            luma: luma.plane,
            blue: blue.plane,
            red: red.plane,
            pixel_stride: blue.pixel_stride,
        }),
        (PixelFormat::I420, [_, _, _]) => Err(refused(
            "the planes of colour have different pixel strides",
            "they are equal in every camera",
        )),
        (PixelFormat::Rgba | PixelFormat::Bgra, _) => {
            Err(refused("the frame has not one plane", "RGBA and BGRA have one plane"))
        }
        (PixelFormat::Nv12 | PixelFormat::Nv21, _) => Err(refused(
            "the frame has not two planes",
            "NV12 and NV21 have one of brightness and one of colour",
        )),
        (PixelFormat::I420, _) => {
            Err(refused("the frame has not three planes", "I420 has one of brightness and two of colour"))
        }
    }
}

/// The turn by `degrees` clockwise.
pub(crate) fn rotation(degrees: i32) -> Result<Rotation, ShiftformerError> {
    Rotation::from_degrees(degrees).ok_or_else(|| {
        refused("the frame is turned by a part of a quarter", "turn it by a multiple of 90 degrees")
    })
}

fn refused(reason: &str, hint: &str) -> ShiftformerError {
    ShiftformerError::Picture { reason: reason.into(), hint: hint.into() }
}
