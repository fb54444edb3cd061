//! `Resize` of constants: position embeddings interpolated to another grid.

use super::args::{Args, Folded};
use super::op::{Evaluate, FoldOp};
use super::view::View;
use crate::model::Array;
use crate::reader::Ignored;

pub(super) const OPS: &[FoldOp] =
    &[FoldOp::new("Resize", Evaluate::Maybe(resize)).ignoring(&[Ignored::new(
        "extrapolation_value",
        "only `tf_crop_and_resize` has places outside of the image, and is refused",
    )])];

/// How an output position maps to an input position.
#[derive(Clone, Copy)]
enum Mapping {
    HalfPixel,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
}

/// `Resize` with linear, cubic or nearest interpolation; none for a mode that is not
/// computed here (antialiasing, cropping).
fn resize(args: &Args) -> Folded<Option<Array>> {
    let node = args.node;
    let mapping = match node.string("coordinate_transformation_mode", "half_pixel") {
        "half_pixel" => Mapping::HalfPixel,
        "pytorch_half_pixel" => Mapping::PytorchHalfPixel,
        "align_corners" => Mapping::AlignCorners,
        "asymmetric" => Mapping::Asymmetric,
        _ => return Ok(None),
    };
    let nearest = (node.string("mode", "nearest"), node.string("nearest_mode", "round_prefer_floor"));
    let plain = node.int("antialias", 0) == 0
        && node.int("exclude_outside", 0) == 0
        && node.ints("axes").is_none()
        && node.string("keep_aspect_ratio_policy", "stretch") == "stretch";
    // The region of interest belongs to `tf_crop_and_resize` alone.
    node.ignore_input(1);
    let Some(kernel) = Kernel::of(nearest, node.float("cubic_coeff_a", -0.75)).filter(|_| plain) else {
        return Ok(None);
    };
    let input = args.required(0)?;
    let mut values = args.floats(0)?.to_vec();
    let targets = targets(args, input)?;
    let mut shape = input.shape.clone();
    if input.is_empty() || targets.iter().any(|&(length, _)| length == 0) {
        return Err(args.invalid("its input or output is empty"));
    }
    // Shrinking axes first keeps every intermediate result under the size of an end.
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_key(|&axis| targets[axis].0 > shape[axis]);
    for axis in order {
        let (length, scale) = targets[axis];
        if length == shape[axis] && scale == 1.0 {
            continue;
        }
        let from = shape[axis];
        shape[axis] = length;
        args.check(&shape)?;
        let taps: Vec<Vec<(usize, f32)>> =
            (0..length).map(|at| kernel.taps(mapping.position(at, from, length, scale), from)).collect();
        values = along(&values, &shape, axis, from, &taps);
    }
    args.array(shape, values).map(Some)
}

/// The length of every dimension, and its scale.
fn targets(args: &Args, input: &Array) -> Folded<Vec<(usize, f64)>> {
    let rank = input.rank();
    // Before opset 13 scales may be there, and empty, beside sizes.
    let scaled = args.optional(2).is_some_and(|scales| !scales.is_empty());
    if let Some(sizes) = args.integers(3)?.filter(|sizes| !sizes.is_empty()) {
        if scaled {
            return Err(args.invalid("it has sizes and scales"));
        }
        if sizes.len() != rank || input.is_empty() {
            return Err(args.invalid(format!("{} sizes for {rank} dimensions", sizes.len())));
        }
        let target =
            |(&size, &dim): (&i64, &usize)| args.dim(size).map(|size| (size, size as f64 / dim as f64));
        return sizes.iter().zip(&input.shape).map(target).collect();
    }
    let scales = args.floats(2)?;
    if scales.len() != rank || !scales.iter().all(|&scale| scale > 0.0 && scale.is_finite()) {
        return Err(args.invalid(format!("scales {scales:?} for {rank} dimensions")));
    }
    let target = |(&scale, &dim): (&f32, &usize)| {
        let scale = f64::from(scale);
        ((dim as f64 * scale).floor() as usize, scale)
    };
    Ok(scales.iter().zip(&input.shape).map(target).collect())
}

impl Mapping {
    /// The input position of output `at`; `from` and `to` are the lengths.
    fn position(self, at: usize, from: usize, to: usize, scale: f64) -> f64 {
        let at = at as f64;
        match self {
            Mapping::PytorchHalfPixel if to <= 1 => 0.0,
            Mapping::HalfPixel | Mapping::PytorchHalfPixel => (at + 0.5) / scale - 0.5,
            Mapping::AlignCorners if to <= 1 => 0.0,
            Mapping::AlignCorners => at * (from as f64 - 1.0) / (to as f64 - 1.0),
            Mapping::Asymmetric => at / scale,
        }
    }
}

/// How an input position becomes a weighted sum of elements.
enum Kernel {
    /// The element that the function picks.
    Nearest(fn(f64) -> f64),
    Linear,
    /// Keys' cubic with this coefficient.
    Cubic(f64),
}

impl Kernel {
    fn of((mode, nearest): (&str, &str), coefficient: f32) -> Option<Self> {
        Some(match (mode, nearest) {
            ("linear", _) => Kernel::Linear,
            ("cubic", _) => Kernel::Cubic(coefficient.into()),
            ("nearest", "floor") => Kernel::Nearest(f64::floor),
            ("nearest", "ceil") => Kernel::Nearest(f64::ceil),
            ("nearest", "round_prefer_floor") => Kernel::Nearest(|x| (x - 0.5).ceil()),
            ("nearest", "round_prefer_ceil") => Kernel::Nearest(|x| (x + 0.5).floor()),
            _ => return None,
        })
    }

    /// The elements of `from` that count at `position`, with their weights; those outside
    /// are the edge.
    fn taps(&self, position: f64, from: usize) -> Vec<(usize, f32)> {
        let edge = |at: f64| at.clamp(0.0, from.saturating_sub(1) as f64) as usize;
        let base = position.floor();
        let t = position - base;
        match self {
            Kernel::Nearest(pick) => vec![(edge(pick(position)), 1.0)],
            Kernel::Linear => vec![(edge(base), (1.0 - t) as f32), (edge(base + 1.0), t as f32)],
            Kernel::Cubic(a) => {
                let near = |t: f64| ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
                let far = |t: f64| ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a;
                let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
                (0..4).map(|tap| (edge(base + tap as f64 - 1.0), weights[tap] as f32)).collect()
            }
        }
    }
}

/// Resamples one axis, which had `from` elements; `shape` is that of the result.
fn along(values: &[f32], shape: &[usize], axis: usize, from: usize, taps: &[Vec<(usize, f32)>]) -> Vec<f32> {
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    let view = View { offset: 0, shape: vec![outer, taps.len(), inner], strides: vec![from * inner, 0, 1] };
    let tap = |(at, start): (usize, usize)| {
        taps[at / inner % taps.len()].iter().map(|&(row, weight)| values[start + row * inner] * weight).sum()
    };
    view.indices().enumerate().map(tap).collect()
}
