//! Frames of every format against a conversion in floating point that is written from the
//! standards, pixel by pixel.

use runtime::{ChannelOrder, Image};

use super::*;
use crate::{Picture, PictureError};

const MATRICES: [Matrix; 2] = [Matrix::Bt601, Matrix::Bt709];
const RANGES: [Range; 2] = [Range::Full, Range::Video];
const ROTATIONS: [Rotation; 4] =
    [Rotation::None, Rotation::Clockwise, Rotation::Half, Rotation::Anticlockwise];

/// ITU-R BT.601-7, 2.5.1, and BT.709-6, 3: inverted by Cramer's rule.
fn float(matrix: Matrix, range: Range, [y, u, v]: [u8; 3]) -> [f64; 3] {
    let (kr, kb) = match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
    };
    let (y, u, v) = match range {
        Range::Full => (f64::from(y) / 255.0, (f64::from(u) - 128.0) / 255.0, (f64::from(v) - 128.0) / 255.0),
        Range::Video => {
            ((f64::from(y) - 16.0) / 219.0, (f64::from(u) - 128.0) / 224.0, (f64::from(v) - 128.0) / 224.0)
        }
    };
    let red = v * 2.0 * (1.0 - kr) + y;
    let blue = u * 2.0 * (1.0 - kb) + y;
    let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
    [red, green, blue].map(|value| (255.0 * value).clamp(0.0, 255.0))
}

#[test]
fn every_brightness_and_colour_is_within_half_a_step_of_floating_point() {
    for (matrix, range) in MATRICES.into_iter().flat_map(|m| RANGES.map(|r| (m, r))) {
        let to_rgb = yuv::ToRgb::new(matrix, range);
        for (u, v) in (0..=255).flat_map(|u| (0..=255).map(move |v| (u, v))) {
            let colour = to_rgb.colour(u, v);
            for y in (0..=255).step_by(3) {
                let expected = float(matrix, range, [y, u, v]);
                for (found, expected) in to_rgb.pixel(y, colour).into_iter().zip(expected) {
                    let error = (f64::from(found) - expected).abs();
                    assert!(error < 0.51, "{matrix:?} {range:?} {y} {u} {v}: {found}, not {expected}");
                }
            }
        }
    }
}

/// Bytes that repeat late.
fn bytes(len: usize, seed: u32) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
}

/// A frame's planes with room between rows, and the value of each pixel, by hand.
struct Sample {
    planes: Vec<Vec<u8>>,
    strides: Vec<usize>,
    name: &'static str,
    size: [u16; 2],
}

const NAMES: [&str; 6] = ["rgba", "bgra", "nv12", "nv21", "i420", "yuv_420_888"];

impl Sample {
    fn new(name: &'static str, size @ [width, height]: [u16; 2], padding: usize) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        let (columns, rows) = (width.div_ceil(2), height.div_ceil(2));
        let shapes = match name {
            "rgba" | "bgra" => vec![(4 * width, height)],
            "nv12" | "nv21" => vec![(width, height), (2 * columns, rows)],
            "i420" => vec![(width, height), (columns, rows), (columns, rows)],
            // The plane of U ends with its last byte: what follows is the last V.
            _ => vec![(width, height), (2 * columns - 1, rows), (2 * columns - 1, rows)],
        };
        let plane = |(index, &(row, rows)): (usize, &(usize, usize))| {
            bytes((rows - 1) * (row + padding) + row, index as u32 * 77_777)
        };
        let planes = shapes.iter().enumerate().map(plane).collect();
        Self { planes, strides: shapes.iter().map(|(row, _)| row + padding).collect(), name, size }
    }

    fn plane(&self, index: usize) -> Plane<'_> {
        Plane { bytes: &self.planes[index], row_stride: self.strides[index] }
    }

    fn frame(&self) -> CameraFrame<'_> {
        let plane = |index| self.plane(index);
        let planar =
            |pixel_stride| Pixels::I420 { luma: plane(0), blue: plane(1), red: plane(2), pixel_stride };
        let pixels = match self.name {
            "rgba" => Pixels::Rgba(plane(0)),
            "bgra" => Pixels::Bgra(plane(0)),
            "nv12" => Pixels::Nv12 { luma: plane(0), chroma: plane(1) },
            "nv21" => Pixels::Nv21 { luma: plane(0), chroma: plane(1) },
            "i420" => planar(1),
            _ => planar(2),
        };
        CameraFrame::new(pixels, self.size[0], self.size[1])
    }

    /// Red, green and blue of the sensor's pixel at `row` and `column`.
    fn pixel(&self, row: usize, column: usize, matrix: Matrix, range: Range) -> [f64; 3] {
        let byte = |plane: usize, row: usize, at: usize| self.planes[plane][row * self.strides[plane] + at];
        let (r, c) = (row / 2, column / 2);
        let colour = |at: usize| f64::from(byte(0, row, 4 * column + at));
        let [u, v] = match self.name {
            "rgba" => return [colour(0), colour(1), colour(2)],
            "bgra" => return [colour(2), colour(1), colour(0)],
            "nv12" => [byte(1, r, 2 * c), byte(1, r, 2 * c + 1)],
            "nv21" => [byte(1, r, 2 * c + 1), byte(1, r, 2 * c)],
            "i420" => [byte(1, r, c), byte(2, r, c)],
            _ => [byte(1, r, 2 * c), byte(2, r, 2 * c)],
        };
        float(matrix, range, [byte(0, row, column), u, v])
    }
}

/// Turns a frame by 90 degrees clockwise.
fn turned(rows: &[Vec<[f64; 3]>]) -> Vec<Vec<[f64; 3]>> {
    (0..rows[0].len()).map(|column| rows.iter().rev().map(|row| row[column]).collect()).collect()
}

#[test]
fn every_format_stride_turn_and_mirror_is_within_a_step_of_floating_point() {
    let sizes = [[1, 1], [2, 3], [5, 4], [7, 7], [16, 9]];
    for (name, size) in NAMES.into_iter().flat_map(|name| sizes.map(|size| (name, size))) {
        for (padding, matrix, range) in [(0, Matrix::Bt601, Range::Full), (13, Matrix::Bt709, Range::Video)] {
            let sample = Sample::new(name, size, padding);
            let row =
                |row| (0..size[0].into()).map(|column| sample.pixel(row, column, matrix, range)).collect();
            let mut expected: Vec<Vec<[f64; 3]>> = (0..size[1].into()).map(row).collect();
            for rotation in ROTATIONS {
                for mirrored in [false, true] {
                    let frame = CameraFrame { rotation, mirrored, matrix, range, ..sample.frame() };
                    let mut rgb = Vec::new();
                    frame.upright(&mut rgb).unwrap();
                    let [height, width] = frame.upright_size().map(usize::from);
                    assert_eq!([height, width], [expected.len(), expected[0].len()]);
                    let mut found = rgb.iter();
                    for row in &expected {
                        let pixel = |at: usize| row[if mirrored { width - 1 - at } else { at }];
                        for value in (0..width).flat_map(pixel) {
                            let byte = f64::from(*found.next().unwrap());
                            assert!((byte - value).abs() < 0.51, "{name} {size:?} {rotation:?} {mirrored}");
                        }
                    }
                    assert_eq!(found.next(), None);
                }
                expected = turned(&expected);
            }
        }
    }
}

#[test]
fn a_fitter_gives_what_the_upright_picture_gives_and_uses_its_memory_again() {
    let image = Image::plain([3, 5], 3, ChannelOrder::Bgr);
    let mut fitter = Fitter::new(image);
    for (name, size) in [("nv21", [8, 6]), ("rgba", [31, 17]), ("i420", [2, 2])] {
        let sample = Sample::new(name, size, 3);
        let frame = CameraFrame { rotation: Rotation::Clockwise, ..sample.frame() };
        let mut rgb = Vec::new();
        frame.upright(&mut rgb).unwrap();
        let picture = Picture { pixels: &rgb, height: size[0], width: size[1], channels: 3 };
        let expected = picture.frame(&image).unwrap();
        assert_eq!(fitter.camera(&frame).unwrap(), expected);
        assert_eq!(frame.frame(&image).unwrap(), expected);
        assert_eq!(fitter.picture(&picture).unwrap(), expected);
    }
}

#[test]
fn frames_that_are_not_what_they_say_are_refused() {
    let mut rgb = Vec::new();
    let mut refused = |frame: CameraFrame<'_>| frame.upright(&mut rgb).unwrap_err();
    for name in NAMES {
        let whole = Sample::new(name, [6, 4], 2);
        for plane in 0..whole.planes.len() {
            let mut short = Sample::new(name, [6, 4], 2);
            short.planes[plane].pop();
            let found = short.planes[plane].len();
            assert_eq!(
                refused(short.frame()),
                CameraError::Short { plane, needed: found + 1, found },
                "{name}"
            );
            let mut tight = Sample::new(name, [6, 4], 2);
            tight.strides[plane] = 2;
            let error = refused(tight.frame());
            assert!(matches!(error, CameraError::Stride { plane: p, found: 2, .. } if p == plane), "{error}");
            let mut far = Sample::new(name, [6, 4], 2);
            far.strides[plane] = usize::MAX;
            assert!(matches!(refused(far.frame()), CameraError::Short { needed: usize::MAX, .. }), "{name}");
        }
        assert_eq!(refused(CameraFrame { width: 0, ..whole.frame() }), CameraError::Size(0));
        assert_eq!(refused(CameraFrame { height: 16_385, ..whole.frame() }), CameraError::Size(16_385));
    }
    let planar = Sample::new("i420", [6, 4], 0);
    let [luma, blue, red] = [0, 1, 2].map(|plane| planar.plane(plane));
    for (pixel_stride, expected) in
        [(0, "0 bytes from pixel to pixel"), (usize::MAX, "bytes from row to row")]
    {
        let pixels = Pixels::I420 { luma, blue, red, pixel_stride };
        let error = refused(CameraFrame::new(pixels, 6, 4)).to_string();
        assert!(error.contains(expected), "{error}");
    }
    let image = Image::plain([2, 2], 2, ChannelOrder::Other);
    let error = planar.frame().frame(&image).unwrap_err();
    assert!(matches!(error, PictureError::Fit(_)), "{error}");
}

#[test]
fn turns_are_by_multiples_of_90_degrees() {
    for (degrees, rotation) in [(0, 0), (90, 1), (180, 2), (270, 3), (360, 0), (-90, 3), (450, 1)] {
        assert_eq!(Rotation::from_degrees(degrees), Some(ROTATIONS[rotation]), "{degrees}");
    }
    assert_eq!(Rotation::from_degrees(45), None);
}
