//! From the sensor's orientation to the one that people see.

use super::CameraFrame;
use super::planes::Row;
use super::yuv::ToRgb;

/// A turn by a multiple of 90 degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// The frame stands upright.
    #[default]
    None,
    /// By 90 degrees clockwise.
    Clockwise,
    /// By 180 degrees.
    Half,
    /// By 270 degrees clockwise, which is 90 degrees the other way.
    Anticlockwise,
}

impl Rotation {
    /// That of `degrees` clockwise, such as `ImageInfo.rotationDegrees` of CameraX; `None` unless
    /// it is a multiple of 90.
    pub const fn from_degrees(degrees: i32) -> Option<Self> {
        match degrees.rem_euclid(360) {
            0 => Some(Rotation::None),
            90 => Some(Rotation::Clockwise),
            180 => Some(Rotation::Half),
            270 => Some(Rotation::Anticlockwise),
            _ => None,
        }
    }
}

/// Where the pixels of one row of the sensor go.
struct Path<'p> {
    /// The upright frame, three bytes a pixel.
    rgb: &'p mut [u8],
    /// Where the next pixel goes, in bytes.
    at: usize,
    /// From one pixel to the next.
    step: isize,
}

impl<'p> Path<'p> {
    /// That of row number `row` of `frame`.
    fn new(frame: &CameraFrame<'_>, row: usize, rgb: &'p mut [u8]) -> Self {
        let (width, height) = (usize::from(frame.width), usize::from(frame.height));
        let columns = usize::from(frame.upright_size()[1]);
        // Row and column of the first pixel, and the way to the second, without the mirror.
        let (first, along) = match frame.rotation {
            Rotation::None => ((row, 0), (0, 1)),
            Rotation::Clockwise => ((0, height - 1 - row), (1, 0)),
            Rotation::Half => ((height - 1 - row, width - 1), (0, -1)),
            Rotation::Anticlockwise => ((width - 1, row), (-1, 0)),
        };
        let (column, across) =
            if frame.mirrored { (columns - 1 - first.1, -along.1) } else { (first.1, along.1) };
        let step = along.0 * columns as isize + across;
        Self { rgb, at: 3 * (first.0 * columns + column), step: 3 * step }
    }

    fn put(&mut self, pixel: [u8; 3]) {
        self.rgb[self.at..self.at + 3].copy_from_slice(&pixel);
        // Behind the last pixel it leads outside.
        self.at = self.at.wrapping_add_signed(self.step);
    }
}

/// Writes `frame`, whose planes were checked, to `rgb`, which has its size.
pub(super) fn write(frame: &CameraFrame<'_>, rgb: &mut [u8]) {
    let to_rgb = ToRgb::new(frame.matrix, frame.range);
    let width = usize::from(frame.width);
    for row in 0..usize::from(frame.height) {
        let mut path = Path::new(frame, row, rgb);
        match frame.pixels.row(row) {
            Row::Rgba(bytes) => bytes[..4 * width].chunks_exact(4).for_each(|p| path.put([p[0], p[1], p[2]])),
            Row::Bgra(bytes) => bytes[..4 * width].chunks_exact(4).for_each(|p| path.put([p[2], p[1], p[0]])),
            Row::Yuv { luma, blue, red, step } => {
                let differences = blue.iter().step_by(step).zip(red.iter().step_by(step));
                for (pair, (&blue, &red)) in luma[..width].chunks(2).zip(differences) {
                    let colour = to_rgb.colour(blue, red);
                    pair.iter().for_each(|&luma| path.put(to_rgb.pixel(luma, colour)));
                }
            }
        }
    }
}
