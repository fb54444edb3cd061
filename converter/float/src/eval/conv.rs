//! Convolution: the pixels under each output pixel as a row, then a product.

use super::product::{self, Matrix, Size};
use crate::graph::Dense;
use crate::layout::Geometry;

/// Elements that a block of rows may take, so that memory does not grow with the image.
const BLOCK: usize = 1 << 20;

/// Appends the output pixels of a checked convolution.
pub(super) fn conv(geometry: &Geometry, dense: &Dense, x: &[f32], out: &mut Vec<f32>, rows: &mut Vec<f32>) {
    let Dense { n, k, ref weights, ref bias } = *dense;
    let groups = geometry.groups as usize;
    let pixels = geometry.output[0] as usize * geometry.output[1] as usize;
    let channels = n / groups;
    let block = (BLOCK / k).clamp(1, pixels);
    out.resize(pixels * n, 0.0);
    for first in (0..pixels).step_by(block) {
        let count = block.min(pixels - first);
        let made = &mut out[first * n..][..count * n];
        made.chunks_exact_mut(n).for_each(|pixel| pixel.copy_from_slice(bias));
        for group in 0..groups {
            rows.clear();
            (first..first + count).for_each(|pixel| gather(geometry, group, pixel, x, rows));
            let weights = Matrix::rows(&weights[group * channels * k..], k).transposed();
            let size = Size { m: count, n: channels, k };
            product::add(size, 1.0, Matrix::rows(rows, k), weights, &mut made[group * channels..], n);
        }
    }
}

/// Appends the inputs of one output pixel, in (kernel row, kernel column, channel) order.
fn gather(geometry: &Geometry, group: usize, pixel: usize, x: &[f32], rows: &mut Vec<f32>) {
    let [height, width, channels] = geometry.input.map(|d| d as usize);
    let each = channels / geometry.groups as usize;
    let columns = geometry.output[1] as usize;
    let start = |axis: usize, at: usize| at as i64 * i64::from(geometry.stride[axis]);
    let top = start(0, pixel / columns) - i64::from(geometry.padding[0]);
    let left = start(1, pixel % columns) - i64::from(geometry.padding[1]);
    let inside = |at: i64, len: usize| usize::try_from(at).ok().filter(|at| *at < len);
    for row in top..top + i64::from(geometry.kernel[0]) {
        for column in left..left + i64::from(geometry.kernel[1]) {
            match (inside(row, height), inside(column, width)) {
                (Some(row), Some(column)) => {
                    let at = (row * width + column) * channels + group * each;
                    rows.extend_from_slice(&x[at..at + each]);
                }
                _ => rows.resize(rows.len() + each, 0.0),
            }
        }
    }
}
