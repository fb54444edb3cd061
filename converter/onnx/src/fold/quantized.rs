//! Stored integers as the numbers that they stand for.

use super::args::{Args, Folded};
use super::op::FoldOp;
use super::view::View;
use crate::model::{Array, Data};
use crate::reader::Ignored;

pub(super) const OPS: &[FoldOp] = &[FoldOp::one("DequantizeLinear", dequantize)
    .ignoring(&[Ignored::new("output_dtype", "all floats are computed in 32 bits")])];

/// `DequantizeLinear`: `(x − zero point) · scale`, both for all elements, for each index of an
/// axis, or for each block of an axis.
fn dequantize(args: &Args) -> Folded<Array> {
    let (input, scale) = (args.required(0)?, args.required(1)?);
    let stored = args.integers(0)?.ok_or_else(|| args.invalid("input 0 is missing"))?;
    let scales = args.floats(1)?;
    let zeros = args.integers(2)?;
    if zeros.is_some_and(|zeros| zeros.len() != scales.len()) {
        return Err(args.invalid("its scales and zero points differ in number"));
    }
    let block = args.dim(args.node.int("block_size", 0))?;
    let axis = args.node.int("axis", 1);
    let places: Vec<usize> = if scales.len() == 1 {
        vec![0; input.len()]
    } else {
        let axis = args.axis(axis, input.rank())?;
        let dims = |block: usize| {
            let blocks = input.shape[axis].div_ceil(block);
            let mut shape = if scale.rank() == 1 { vec![1; input.rank()] } else { input.shape.clone() };
            shape[axis] = blocks;
            shape
        };
        let shape = dims(block.max(1));
        let count = shape.iter().product::<usize>();
        let fits = if block == 0 { scale.rank() == 1 } else { scale.shape == shape };
        if !fits || scales.len() != count {
            return Err(args.invalid(format!("scales of shape {:?} for {:?}", scale.shape, input.shape)));
        }
        let mut view = View::new(&shape);
        for (at, stride) in view.strides.iter_mut().enumerate() {
            if shape[at] == 1 || at == axis {
                *stride = 0;
            }
        }
        view.shape.clone_from(&input.shape);
        let (inner, step) =
            (input.shape[axis + 1..].iter().product::<usize>(), View::new(&shape).strides[axis]);
        let along = |at: usize| at / inner % input.shape[axis] / block.max(1) * step;
        view.indices().enumerate().map(|(at, base)| base + along(at)).collect()
    };
    let value = |(&x, &at): (&i64, &usize)| {
        let zero = zeros.map_or(0, |zeros| zeros[at]);
        x.wrapping_sub(zero) as f32 * scales[at]
    };
    let values = stored.iter().zip(&places).map(value).collect();
    args.array(input.shape.clone(), Data::F32(values))
}
