//! Operations on each row, or over rows.

use crate::graph::Pairs;
use crate::math;

/// `(p / 255 − mean) / std`, channel by channel.
pub(super) fn pixels(x: &[f32], mean: &[f32], std: &[f32], out: &mut Vec<f32>) {
    for pixel in x.chunks_exact(mean.len()) {
        out.extend(pixel.iter().zip(mean.iter().zip(std)).map(|(p, (m, s))| {
            let value = (f64::from(*p) / 255.0 - f64::from(*m)) / f64::from(*s);
            value as f32
        }));
    }
}

/// `x[c] · scale[c] + offset[c]`.
pub(super) fn affine(x: &[f32], scale: &[f32], offset: &[f32], out: &mut Vec<f32>) {
    for row in x.chunks_exact(scale.len()) {
        out.extend(row.iter().zip(scale.iter().zip(offset)).map(|(x, (s, o))| x * s + o));
    }
}

/// `of(x, y)` in rows of `width`; `y` has all rows or one, and all elements of each or one.
pub(super) fn paired(
    x: &[f32],
    (y, y_rows): (&[f32], usize),
    width: usize,
    of: impl Fn(f32, f32) -> f32,
    out: &mut Vec<f32>,
) {
    let others = y.chunks_exact(y.len() / y_rows).cycle();
    for (row, others) in x.chunks_exact(width).zip(others) {
        out.extend(row.iter().zip(others.iter().cycle()).map(|(&x, &y)| of(x, y)));
    }
}

/// The length of each column, divided by the mean of the lengths and `eps`; 0 where that is 0.
pub(super) fn response_norm(x: &[f32], width: usize, eps: f32, out: &mut Vec<f32>) {
    let mut lengths = vec![0.0f64; width];
    for row in x.chunks_exact(width) {
        lengths.iter_mut().zip(row).for_each(|(sum, &v)| *sum += math::square(f64::from(v)));
    }
    lengths.iter_mut().for_each(|length| *length = length.sqrt());
    let mean = lengths.iter().sum::<f64>() / width as f64 + f64::from(eps);
    out.extend(lengths.into_iter().map(|length| if mean == 0.0 { 0.0 } else { (length / mean) as f32 }));
}

/// Each group of `gamma.len()` elements with mean 0, where it is `centred`, and variance 1, then γ and β.
pub(super) fn layer_norm(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    eps: f32,
    centred: bool,
    out: &mut Vec<f32>,
) {
    let n = gamma.len() as f64;
    for row in x.chunks_exact(gamma.len()) {
        let mean = if centred { row.iter().map(|&v| f64::from(v)).sum::<f64>() / n } else { 0.0 };
        let variance = row.iter().map(|&v| math::square(f64::from(v) - mean)).sum::<f64>() / n;
        let factor = 1.0 / (variance + f64::from(eps)).sqrt();
        out.extend(row.iter().zip(gamma.iter().zip(beta)).map(|(&v, (&g, &b))| {
            let normed = (f64::from(v) - mean) * factor;
            (normed * f64::from(g) + f64::from(b)) as f32
        }));
    }
}

/// Each of `groups` of consecutive channels with mean 0 and variance 1 over all rows of γ's length,
/// then γ and β.
pub(super) fn group_norm(
    x: &[f32],
    groups: usize,
    (gamma, beta): (&[f32], &[f32]),
    eps: f32,
    out: &mut Vec<f32>,
) {
    let (width, channels) = (gamma.len(), gamma.len() / groups);
    let mut moments = vec![[0.0f64; 2]; groups];
    let n = (x.len() / groups) as f64;
    let of_group = |c: usize| c / channels;
    for (at, &v) in x.iter().enumerate() {
        moments[of_group(at % width)][0] += f64::from(v) / n;
    }
    for (at, &v) in x.iter().enumerate() {
        let [mean, variance] = &mut moments[of_group(at % width)];
        *variance += math::square(f64::from(v) - *mean) / n;
    }
    out.extend(x.iter().enumerate().map(|(at, &v)| {
        let c = at % width;
        let [mean, variance] = moments[of_group(c)];
        let normed = (f64::from(v) - mean) / (variance + f64::from(eps)).sqrt();
        (normed * f64::from(gamma[c]) + f64::from(beta[c])) as f32
    }));
}

/// Softmax of one row, in place.
pub(super) fn softmax(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0f64;
    for value in row.iter_mut() {
        *value = math::expf(*value - max);
        sum += f64::from(*value);
    }
    let factor = (1.0 / sum) as f32;
    row.iter_mut().for_each(|value| *value *= factor);
}

/// 1 for what is at least `ratio` times the largest element of the row, else 0; in place.
pub(super) fn select(row: &mut [f32], ratio: f32) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|value| *value = f32::from(u8::from(*value >= ratio * max)));
}

/// Rows of `width` elements, `stride` apart.
pub(super) struct Strides {
    pub offset: usize,
    pub stride: usize,
    pub width: usize,
}

/// Pairs of channels turned by `angles`: for each row cosines, then sines, of a head of `head_dim`.
pub(super) fn rotary(
    x: &[f32],
    rows: Strides,
    pairs: Pairs,
    head_dim: usize,
    angles: &[f32],
    out: &mut Vec<f32>,
) {
    let half = head_dim / 2;
    for (row, angles) in angles.chunks_exact(head_dim).enumerate() {
        let values = &x[rows.offset + row * rows.stride..][..rows.width];
        let (cosines, sines) = angles.split_at(half);
        for head in values.chunks_exact(head_dim) {
            let start = out.len();
            out.extend_from_slice(head);
            for (pair, (cos, sin)) in cosines.iter().zip(sines).enumerate() {
                let (first, second) = pairs.channels(pair, half);
                out[start + first] = head[first] * cos - head[second] * sin;
                out[start + second] = head[second] * cos + head[first] * sin;
            }
        }
    }
}

/// Mean over the rows of `width`.
pub(super) fn mean(x: &[f32], width: usize, out: &mut Vec<f32>) {
    let mut sums = vec![0.0f64; width];
    for row in x.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
    }
    let rows = (x.len() / width) as f64;
    out.extend(sums.into_iter().map(|sum| (sum / rows) as f32));
}
