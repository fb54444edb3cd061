//! Evaluation of nodes whose inputs are constants, with NumPy's broadcasting.
//!
//! Floats are computed in 32 bits and integers in 64 whatever their width in the model:
//! nothing is rounded to 16 bits, and narrow integers do not wrap.

mod create;
mod elementwise;
mod layout;
mod matmul;
mod reduce;
mod resize;
mod slice;
#[cfg(test)]
mod tests;
mod view;

use super::error::OnnxError;
use super::model::{Array, Data, Node, elements};

pub use view::{View, broadcast, broadcast_to};

/// Most elements of a computed constant.
pub const MAX_ELEMENTS: usize = 1 << 26;

type Folded<T> = Result<T, OnnxError>;

/// The outputs of `node` for constant `inputs` (none where one is absent); none if its op
/// is not one that is evaluated here. Trailing outputs that the op computes but the
/// importer never needs are missing.
///
/// # Errors
///
/// [`OnnxError::Node`] if the inputs break the rules of the op, [`OnnxError::Limit`] if an
/// output would exceed [`MAX_ELEMENTS`].
pub fn evaluate(node: &Node, inputs: &[Option<&Array>], opset: i64) -> Folded<Option<Vec<Array>>> {
    if !node.domain.is_empty() {
        return Ok(None);
    }
    let args = Args { node, inputs, opset };
    let one = match node.op.as_str() {
        "Constant" => create::constant(&args)?,
        "ConstantOfShape" => create::constant_of_shape(&args)?,
        "Range" => create::range(&args)?,
        "Shape" => create::shape(&args)?,
        "Size" => Array::integer(args.required(0)?.len() as i64),
        "Identity" => args.required(0)?.clone(),
        "Reshape" => layout::reshape(&args)?,
        "Flatten" => layout::flatten(&args)?,
        "Squeeze" => layout::squeeze(&args)?,
        "Unsqueeze" => layout::unsqueeze(&args)?,
        "Transpose" => layout::transpose(&args)?,
        "Expand" => layout::expand(&args)?,
        "Tile" => layout::tile(&args)?,
        "Concat" => layout::concat(&args)?,
        "Gather" => layout::gather(&args)?,
        "Pad" => layout::pad(&args)?,
        "Trilu" => layout::trilu(&args)?,
        "Slice" => slice::slice(&args)?,
        "Split" => return slice::split(&args).map(Some),
        "ReduceSum" | "ReduceMean" | "ReduceProd" | "ReduceMax" | "ReduceMin" => reduce::reduce(&args)?,
        "MatMul" => matmul::matmul(&args)?,
        "Gemm" => matmul::gemm(&args)?,
        "Resize" => return resize::resize(&args).map(|array| array.map(|array| vec![array])),
        _ => return elementwise::evaluate(&args).map(|array| array.map(|array| vec![array])),
    };
    Ok(Some(vec![one]))
}

/// What constants may cost in all, so that a small file cannot ask for hours or for all
/// memory.
#[derive(Clone, Debug)]
pub struct Budget {
    memory: u64,
    work: u64,
}

impl Budget {
    /// For a model that stores `stored` elements: 256 Mi elements of results more than
    /// four times that, and 4 Gi elementary steps more than 64 times that.
    pub fn new(stored: u64) -> Self {
        Self {
            memory: (1_u64 << 28).saturating_add(stored.saturating_mul(4)),
            work: (1_u64 << 32).saturating_add(stored.saturating_mul(64)),
        }
    }

    /// Evaluates as [`evaluate`] does, and charges for it.
    ///
    /// # Errors
    ///
    /// Those of [`evaluate`], and [`OnnxError::Limit`] if the budget is spent.
    pub fn evaluate(
        &mut self,
        node: &Node,
        inputs: &[Option<&Array>],
        opset: i64,
    ) -> Folded<Option<Vec<Array>>> {
        let before = inputs.iter().flatten().map(|array| array.len() as u64).sum::<u64>();
        let columns = match (node.op.as_str(), inputs.get(1)) {
            ("MatMul" | "Gemm", Some(Some(b))) => b.shape.iter().copied().max().unwrap_or(1) as u64,
            _ => 1,
        };
        self.spend(node, before.saturating_mul(columns), 0)?;
        let Some(outputs) = evaluate(node, inputs, opset)? else { return Ok(None) };
        let after = outputs.iter().map(|array| array.len() as u64).sum();
        self.spend(node, after, after)?;
        Ok(Some(outputs))
    }

    fn spend(&mut self, node: &Node, work: u64, memory: u64) -> Result<(), OnnxError> {
        let take = |left: u64, cost: u64, what: &str| {
            left.checked_sub(cost).ok_or_else(|| OnnxError::Limit {
                what: format!("{what}, spent at node `{}`", node.name),
                found: cost,
                limit: left,
            })
        };
        self.work = take(self.work, work, "work of computing constants")?;
        self.memory = take(self.memory, memory, "elements of computed constants")?;
        Ok(())
    }
}

/// A node with its inputs.
struct Args<'a> {
    node: &'a Node,
    inputs: &'a [Option<&'a Array>],
    opset: i64,
}

impl<'a> Args<'a> {
    fn optional(&self, index: usize) -> Option<&'a Array> {
        self.inputs.get(index).copied().flatten()
    }

    fn required(&self, index: usize) -> Folded<&'a Array> {
        self.optional(index).ok_or_else(|| self.invalid(format!("input {index} is missing")))
    }

    /// The integers of input `index`; none if it is absent.
    fn integers(&self, index: usize) -> Folded<Option<&'a [i64]>> {
        let Some(array) = self.optional(index) else { return Ok(None) };
        array.i64s().map(Some).ok_or_else(|| self.invalid(format!("input {index} must hold integers")))
    }

    /// The integers of attribute `name` or else of input `index`.
    fn list(&self, name: &str, index: usize) -> Folded<Option<&'a [i64]>> {
        match self.node.ints(name) {
            Some(list) => Ok(Some(list)),
            None => self.integers(index),
        }
    }

    /// The floats of input `index`.
    fn floats(&self, index: usize) -> Folded<&'a [f32]> {
        let array = self.required(index)?;
        array.f32s().ok_or_else(|| self.invalid(format!("input {index} must hold floats")))
    }

    fn invalid(&self, reason: impl Into<String>) -> OnnxError {
        self.node.invalid(reason)
    }

    /// An axis of `rank` dimensions, counted from the end if negative.
    fn axis(&self, axis: i64, rank: usize) -> Folded<usize> {
        axis_of(axis, rank).ok_or_else(|| self.invalid(format!("axis {axis} of {rank} dimensions")))
    }

    /// Which of `rank` dimensions `axes` names.
    fn axes(&self, axes: &[i64], rank: usize) -> Folded<Vec<bool>> {
        let mut named = vec![false; rank];
        for &axis in axes {
            let axis = self.axis(axis, rank)?;
            if std::mem::replace(&mut named[axis], true) {
                return Err(self.invalid(format!("axis {axis} is named twice")));
            }
        }
        Ok(named)
    }

    /// Checks the shape of an output before it is allocated; returns its elements.
    fn check(&self, shape: &[usize]) -> Folded<usize> {
        match elements(shape) {
            Some(len) if len <= MAX_ELEMENTS => Ok(len),
            Some(len) => Err(OnnxError::Limit {
                what: format!("elements of a constant, at node `{}`", self.node.name),
                found: len as u64,
                limit: MAX_ELEMENTS as u64,
            }),
            None => Err(self.invalid(format!("the shape {shape:?} is too large"))),
        }
    }

    /// A dimension from an integer.
    fn dim(&self, value: i64) -> Folded<usize> {
        usize::try_from(value).map_err(|_| self.invalid(format!("a dimension of {value}")))
    }

    /// The elements of `array` that `view` shows, as an array of its shape.
    fn show(&self, array: &Array, view: &View) -> Folded<Array> {
        self.check(&view.shape)?;
        self.array(view.shape.clone(), view.pick(&array.data))
    }

    /// `array` under another shape.
    fn reshaped(&self, array: &Array, shape: Vec<usize>) -> Folded<Array> {
        let reason = || self.invalid(format!("{:?} does not reshape to {shape:?}", array.shape));
        array.reshape(shape.clone()).ok_or_else(reason)
    }

    fn array(&self, shape: Vec<usize>, data: impl Into<Data>) -> Folded<Array> {
        Array::new(shape, data).ok_or_else(|| self.invalid("its output has no consistent shape"))
    }
}

/// An axis of `rank` dimensions, counted from the end if negative; none if there is no
/// such axis.
pub fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let from_start = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(from_start).ok().filter(|&axis| axis < rank)
}
