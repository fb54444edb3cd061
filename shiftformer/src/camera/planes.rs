//! Where the pixels of a camera's frame lie.

use super::CameraError;

/// Rows in memory.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'f> {
    /// From the first pixel on. Bytes behind the last row's pixels need not be there.
    pub bytes: &'f [u8],
    /// Bytes from the beginning of one row to that of the next.
    pub row_stride: usize,
}

/// The pixels of a frame of `width` × `height`. The planes of colour have one pixel for two by two
/// of brightness: ⌈width / 2⌉ × ⌈height / 2⌉.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'f> {
    /// Red, green, blue and alpha, which is dropped: Android's `RGBA_8888`.
    Rgba(Plane<'f>),
    /// Blue, green, red and alpha, which is dropped: `kCVPixelFormatType_32BGRA`.
    Bgra(Plane<'f>),
    /// Brightness, then pairs of blue and red difference: `420YpCbCr8BiPlanar` of iOS.
    Nv12 {
        /// Y.
        luma: Plane<'f>,
        /// U and V in turn.
        chroma: Plane<'f>,
    },
    /// Brightness, then pairs of red and blue difference: Android's former preview format.
    Nv21 {
        /// Y.
        luma: Plane<'f>,
        /// V and U in turn.
        chroma: Plane<'f>,
    },
    /// Brightness, blue difference, red difference; Android's `YUV_420_888`, which may have other
    /// bytes between those of a plane.
    I420 {
        /// Y.
        luma: Plane<'f>,
        /// U.
        blue: Plane<'f>,
        /// V.
        red: Plane<'f>,
        /// Bytes from one pixel of colour to the next: 1 where a plane holds nothing else.
        pixel_stride: usize,
    },
}

/// One row of pixels.
#[derive(Clone, Copy)]
pub(super) enum Row<'f> {
    /// Four bytes a pixel, red first.
    Rgba(&'f [u8]),
    /// Four bytes a pixel, blue first.
    Bgra(&'f [u8]),
    /// A byte of brightness for each pixel; the differences of two pixels every `step` bytes.
    Yuv { luma: &'f [u8], blue: &'f [u8], red: &'f [u8], step: usize },
}

impl<'f> Plane<'f> {
    /// Whether it holds `rows` rows of `row` bytes; `plane` is its number.
    fn check(&self, plane: usize, row: usize, rows: usize) -> Result<(), CameraError> {
        if rows > 1 && self.row_stride < row {
            return Err(CameraError::Stride { plane, needed: row, found: self.row_stride });
        }
        let needed = (rows - 1).saturating_mul(self.row_stride).saturating_add(row);
        if self.bytes.len() < needed {
            return Err(CameraError::Short { plane, needed, found: self.bytes.len() });
        }
        Ok(())
    }

    /// From the first byte of row number `row` on.
    fn from(&self, row: usize) -> &'f [u8] {
        &self.bytes[row * self.row_stride..]
    }
}

impl<'f> Pixels<'f> {
    /// Whether every plane holds its part of `width` × `height` pixels.
    pub(super) fn check(&self, width: usize, height: usize) -> Result<(), CameraError> {
        let (columns, rows) = (width.div_ceil(2), height.div_ceil(2));
        match self {
            Pixels::Rgba(plane) | Pixels::Bgra(plane) => plane.check(0, 4 * width, height),
            Pixels::Nv12 { luma, chroma } | Pixels::Nv21 { luma, chroma } => {
                luma.check(0, width, height)?;
                chroma.check(1, 2 * columns, rows)
            }
            Pixels::I420 { luma, blue, red, pixel_stride } => {
                if *pixel_stride == 0 {
                    return Err(CameraError::PixelStride(*pixel_stride));
                }
                let row = (columns - 1).saturating_mul(*pixel_stride).saturating_add(1);
                luma.check(0, width, height)?;
                blue.check(1, row, rows)?;
                red.check(2, row, rows)
            }
        }
    }

    /// Row number `row`, of planes that were checked.
    pub(super) fn row(&self, row: usize) -> Row<'f> {
        match *self {
            Pixels::Rgba(plane) => Row::Rgba(plane.from(row)),
            Pixels::Bgra(plane) => Row::Bgra(plane.from(row)),
            Pixels::Nv12 { luma, chroma } => {
                let pairs = chroma.from(row / 2);
                Row::Yuv { luma: luma.from(row), blue: pairs, red: &pairs[1..], step: 2 }
            }
            Pixels::Nv21 { luma, chroma } => {
                let pairs = chroma.from(row / 2);
                Row::Yuv { luma: luma.from(row), blue: &pairs[1..], red: pairs, step: 2 }
            }
            Pixels::I420 { luma, blue, red, pixel_stride: step } => {
                Row::Yuv { luma: luma.from(row), blue: blue.from(row / 2), red: red.from(row / 2), step }
            }
        }
    }
}
