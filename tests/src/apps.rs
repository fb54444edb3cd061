//! What programs in other languages check the library of apps with: models, frames, the reference's
//! logits, and frames of cameras with what becomes of them.
//!
//! A folder holds `manifest.txt`, whose lines are words with a space between them:
//!
//! ```text
//! frames FILE COUNT BYTES             COUNT frames of BYTES bytes, one after another
//! model FILE LOGITS VALUES            a container; LOGITS has VALUES numbers of each frame
//! camera FILE FRAME FORMAT WIDTH HEIGHT ROTATION MIRRORED MATRIX RANGE PLANES
//!                                     what a camera delivers; FRAME is what the models take of it
//! plane OFFSET BYTES ROW PIXEL        one of the PLANES lines behind it: where the plane lies in
//!                                     FILE, and its strides
//! ```
//!
//! Numbers of logits are i32, little-endian. FORMAT is one of `rgba`, `bgra`, `nv12`, `nv21` and
//! `i420`, ROTATION a number of degrees clockwise, MIRRORED 0 or 1, MATRIX `bt601` or `bt709`, RANGE
//! `full` or `video`.

use std::fmt::Write as _;
use std::fs;
use std::io::Result;
use std::path::Path;

use converter::BuildOptions;
use shiftformer::camera::{CameraFrame, Matrix, Pixels, Plane, Range, Rotation};
use shiftformer::{Cpu, Model};

use crate::data;

/// Writes all of it to `folder`, with the first `images` test images as frames.
pub fn write(folder: &Path, images: usize) -> Result<()> {
    let dataset = if images > 1000 { data::all_test_images() } else { data::test_images() };
    let frames = data::frames(&dataset, images);
    let mut manifest = format!("frames frames.bin {images} {}\n", frames[0].len());
    fs::write(folder.join("frames.bin"), frames.concat())?;
    let models = [("ivit", data::qat_graph()), ("bivit", data::recipe_graph())];
    for (name, mut graph) in models {
        let labels = fs::read_to_string(data::path("fmnist-labels.txt"))?;
        graph.labels = labels.lines().map(str::to_owned).collect();
        let container = converter::build(&graph, BuildOptions::default()).expect("a bundled checkpoint");
        fs::write(folder.join(format!("{name}.shf")), &container)?;
        let model = Model::from_bytes(name, &container).expect("a container of this build");
        fs::write(folder.join(format!("{name}.logits")), logits(&model, &frames))?;
        writeln!(manifest, "model {name}.shf {name}.logits {}", data::CLASSES).expect("memory");
        if name == "ivit" {
            cameras(folder, &model, &mut manifest)?;
        }
    }
    fs::write(folder.join("manifest.txt"), manifest)
}

/// What the reference says of every frame.
fn logits(model: &Model, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut session = model.session_on(&Cpu::reference()).expect("a session");
    let batch = session.run_batch(frames).expect("a run");
    let logits = batch.iter().flat_map(|outputs| outputs.logits().expect("a classifier").values());
    logits.flat_map(|logit| logit.to_le_bytes()).collect()
}

/// A plane of a camera's frame.
struct Rows {
    bytes: Vec<u8>,
    row_stride: usize,
    pixel_stride: usize,
}

impl Rows {
    /// `height` rows of `width` pixels, `pixel_stride` bytes apart, with `gap` bytes behind each row
    /// but the last.
    fn new([width, height]: [usize; 2], pixel_stride: usize, gap: usize, seed: usize) -> Self {
        let row = (width - 1) * pixel_stride + pixel_stride.min(4);
        let row_stride = row + gap;
        let bytes = (0..row_stride * (height - 1) + row).map(|at| noise(at + seed)).collect();
        Self { bytes, row_stride, pixel_stride }
    }

    fn plane(&self) -> Plane<'_> {
        Plane { bytes: &self.bytes, row_stride: self.row_stride }
    }
}

/// Bytes without a pattern.
fn noise(at: usize) -> u8 {
    ((at as u32).wrapping_mul(0x9e37_79b9).rotate_left(15).wrapping_mul(0x85eb_ca6b) >> 24) as u8
}

/// Writes what a camera may deliver: every format turned each way, odd sizes, gaps between rows.
fn cameras(folder: &Path, model: &Model, manifest: &mut String) -> Result<()> {
    const FORMATS: [&str; 5] = ["rgba", "bgra", "nv12", "nv21", "i420"];
    const TURNS: [(i32, Rotation); 4] = [
        (0, Rotation::None),
        (90, Rotation::Clockwise),
        (180, Rotation::Half),
        (270, Rotation::Anticlockwise),
    ];
    const SIZES: [[u16; 2]; 3] = [[64, 48], [33, 47], [28, 28]];
    const MATRICES: [(&str, Matrix); 2] = [("bt601", Matrix::Bt601), ("bt709", Matrix::Bt709)];
    const RANGES: [(&str, Range); 2] = [("full", Range::Full), ("video", Range::Video)];
    let image = model.image().expect("a model of one image");
    for (number, (format, (degrees, rotation))) in
        FORMATS.iter().flat_map(|format| TURNS.map(|turn| (format, turn))).enumerate()
    {
        let [width, height] = SIZES[number % SIZES.len()];
        let (mirrored, matrix, range) = (number % 2 == 1, MATRICES[number / 2 % 2], RANGES[number / 3 % 2]);
        let planes = planes(format, [width.into(), height.into()], number);
        let camera = CameraFrame {
            pixels: pixels(format, &planes),
            width,
            height,
            rotation,
            mirrored,
            matrix: matrix.1,
            range: range.1,
        };
        let frame = camera.frame(&image).expect("a frame that is what it says");
        let name = format!("camera-{number:02}");
        let bytes: Vec<&[u8]> = planes.iter().map(|rows| rows.bytes.as_slice()).collect();
        fs::write(folder.join(format!("{name}.bin")), bytes.concat())?;
        fs::write(folder.join(format!("{name}.frame")), frame)?;
        writeln!(
            manifest,
            "camera {name}.bin {name}.frame {format} {width} {height} {degrees} {} {} {} {}",
            u8::from(mirrored),
            matrix.0,
            range.0,
            planes.len(),
        )
        .expect("memory");
        let mut offset = 0;
        for Rows { bytes, row_stride, pixel_stride } in &planes {
            writeln!(manifest, "plane {offset} {} {row_stride} {pixel_stride}", bytes.len()).expect("memory");
            offset += bytes.len();
        }
    }
    Ok(())
}

/// The planes of a frame in `format`; every other one in `i420` has gaps between its pixels.
fn planes(format: &str, [width, height]: [usize; 2], number: usize) -> Vec<Rows> {
    let half = [width.div_ceil(2), height.div_ceil(2)];
    let gap = number * 7 % 13;
    let rows = |size, pixel, plane: usize| Rows::new(size, pixel, gap, 1000 * number + 100_000 * plane);
    match format {
        "rgba" | "bgra" => vec![rows([width, height], 4, 0)],
        "nv12" | "nv21" => vec![rows([width, height], 1, 0), rows(half, 2, 1)],
        _ => vec![rows([width, height], 1, 0), rows(half, 1 + number % 2, 1), rows(half, 1 + number % 2, 2)],
    }
}

fn pixels<'r>(format: &str, planes: &'r [Rows]) -> Pixels<'r> {
    let plane = |index: usize| planes[index].plane();
    match format {
        "rgba" => Pixels::Rgba(plane(0)),
        "bgra" => Pixels::Bgra(plane(0)),
        "nv12" => Pixels::Nv12 { luma: plane(0), chroma: plane(1) },
        "nv21" => Pixels::Nv21 { luma: plane(0), chroma: plane(1) },
        _ => Pixels::I420 {
            luma: plane(0),
            blue: plane(1),
            red: plane(2),
            pixel_stride: planes[1].pixel_stride,
        },
    }
}
