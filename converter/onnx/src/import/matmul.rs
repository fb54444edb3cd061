//! Matrix products, with a constant and of two tensors.

use float::{Node, Strided};

use super::importer::{Importer, Result, Value};
use super::linear::Matrix;
use super::op::{Domain, Handler, OnnxOp};
use super::store::Order;
use super::view::{Axis, Dim, View, coalesce, dense, length, split};
use crate::error::OnnxError;
use crate::fold::broadcast;
use crate::model::Array;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new(
        "MatMul",
        Handler::View(|i| i.matmul()),
        "with a constant, or of two computed tensors; batches broadcast",
    ),
    OnnxOp::new(
        "FusedMatMul",
        Handler::View(|i| i.matmul()),
        "as `MatMul`, either side transposed, times `alpha`; no transposed batches",
    )
    .of(Domain::Microsoft),
    OnnxOp::new("Gemm", Handler::View(|i| i.gemm()), "either side transposed; `alpha`, `beta` and a bias"),
];

impl Importer<'_> {
    /// `MatMul` and `FusedMatMul`.
    pub fn matmul(&mut self) -> Result<View> {
        let fused = self.node.op == "FusedMatMul";
        let node = self.node;
        let flag = |name: &str| fused && node.int(name, 0) != 0;
        let [batch_a, batch_b, a, b] = ["transBatchA", "transBatchB", "transA", "transB"].map(flag);
        if batch_a || batch_b {
            return Err(node.unsupported("transBatchA and transBatchB are not supported; use MatMul"));
        }
        let mut out = self.product(self.value(0)?, self.value(1)?, [a, b])?;
        if fused {
            out.factor *= node.float("alpha", 1.0);
        }
        self.absorb_scalar(out)
    }

    /// `Gemm`.
    pub fn gemm(&mut self) -> Result<View> {
        let node = self.node;
        let flags = [node.int("transA", 0) != 0, node.int("transB", 0) != 0];
        let mut out = self.product(self.value(0)?, self.value(1)?, flags)?;
        out.factor *= node.float("alpha", 1.0);
        let out = self.absorb_scalar(out)?;
        let beta = node.float("beta", 1.0);
        if node.input(2).is_none() || beta == 0.0 {
            return Ok(out);
        }
        match self.value(2)? {
            Value::Constant(bias) => {
                let values: Vec<f32> = bias.to_f32s().into_iter().map(|value| value * beta).collect();
                let bias = Array { shape: bias.shape, data: values.into() };
                self.affine(&out, None, Some(&bias), 2)
            }
            Value::View(mut other) => {
                other.factor *= beta;
                self.sum(&other, &out)
            }
        }
    }

    /// A fresh product with its factor in the node.
    fn absorb_scalar(&mut self, view: View) -> Result<View> {
        if view.exclusive { self.settle(&view) } else { Ok(view) }
    }

    fn product(&mut self, a: Value, b: Value, [transpose_a, transpose_b]: [bool; 2]) -> Result<View> {
        match (a, b) {
            (Value::View(a), Value::Constant(b)) => {
                self.name_after(1);
                let a = if transpose_a { swap(&a) } else { a };
                if a.rank() == 0 {
                    return Err(self.node.invalid("a scalar has no matrix product"));
                }
                if is_stack(&b) {
                    return self.stacked(&a, &b, transpose_b);
                }
                let matrix = self.matrix(&b, transpose_b)?;
                let mut out = self.linear(&a, &matrix)?;
                if b.rank() == 1 {
                    out.axes.pop();
                }
                Ok(out)
            }
            (Value::Constant(a), Value::View(b)) => {
                self.name_after(0);
                // A · X = (Xᵀ · Aᵀ)ᵀ.
                let b = if transpose_b { b } else { swap(&b) };
                if b.rank() < 2 || a.rank() < 2 {
                    return Err(self
                        .node
                        .unsupported("products with vectors are not supported; use matrices"));
                }
                if is_stack(&a) {
                    return Ok(swap(&self.stacked(&b, &a, !transpose_a)?));
                }
                let matrix = self.matrix(&a, !transpose_a)?;
                Ok(swap(&self.linear(&b, &matrix)?))
            }
            (Value::View(a), Value::View(b)) => {
                let a = if transpose_a { swap(&a) } else { a };
                let b = if transpose_b { b } else { swap(&b) };
                self.batched(&a, &b)
            }
            (Value::Constant(_), Value::Constant(_)) => Err(self.unknown()),
        }
    }

    /// Constant `k × n` (or `n × k` if `transposed`) with dimensions of 1 in front, as weights.
    fn matrix(&mut self, array: &Array, transposed: bool) -> Result<Matrix> {
        array.check_finite(self.node.name)?;
        self.spend(array.len())?;
        let values = array.to_f32s();
        let (k, n) = match array.shape[array.rank().saturating_sub(2)..] {
            [k] => (k, 1),
            [k, n] if !transposed => (k, n),
            [n, k] => return if n * k > 0 { Ok(Matrix { n, k, values }) } else { Err(self.empty()) },
            _ => return Err(self.node.invalid("its constant is a scalar")),
        };
        if n * k == 0 { Err(self.empty()) } else { Ok(Matrix::transposed(k, n, &values)) }
    }

    /// The product with a stack of constant matrices, `k × n` each (or `n × k` if `transposed`),
    /// with NumPy's batches: one dense layer that is zero between the batches.
    fn stacked(&mut self, x: &View, array: &Array, transposed: bool) -> Result<View> {
        array.check_finite(self.node.name)?;
        let mut view = x.clone();
        let rank = view.rank().max(array.rank());
        view.axes.splice(0..0, vec![Vec::new(); rank - view.rank()]);
        let mut shape = vec![1; rank - array.rank()];
        shape.extend_from_slice(&array.shape);
        let (m, last) = (rank - 2, rank - 1);
        let (n_axis, k_axis) = if transposed { (m, last) } else { (last, m) };
        // Batches of both are blocks, those of the constant alone are outputs, and those of
        // `x` alone are rows.
        let (stack, mut rows): (Vec<usize>, Vec<usize>) = (0..m).partition(|&axis| shape[axis] != 1);
        let (blocks, outputs): (Vec<usize>, Vec<usize>) =
            stack.into_iter().partition(|&axis| view.len(axis) != 1);
        if blocks.iter().any(|&axis| view.len(axis) != shape[axis]) || view.len(last) != shape[k_axis] {
            return Err(self.node.invalid(format!("{:?} and {:?} have no product", x.shape(), array.shape)));
        }
        rows.push(m);
        let count = |axes: &[usize]| axes.iter().map(|&axis| shape[axis]).product::<usize>();
        let (parts, k) = (count(&blocks), shape[k_axis]);
        let n = count(&outputs) * shape[n_axis];
        self.spend(parts.saturating_mul(array.len()))?;
        if array.is_empty() {
            return Err(self.empty());
        }
        let order = [&blocks[..], &outputs[..], &[n_axis, k_axis]].concat();
        let values = self.to_storage(&dense(&shape, &order), array.len(), array)?;
        let inner = blocks.iter().chain([&last]).flat_map(|&axis| view.axes[axis].clone()).collect();
        let axes = rows.iter().map(|&axis| view.axes[axis].clone()).chain([inner]).collect();
        let out = self.linear(&view.with_axes(axes), &Matrix::diagonal(parts, n, k, values))?;
        let lens: Vec<usize> = order[..order.len() - 1].iter().map(|&axis| shape[axis]).collect();
        let columns = split(&out.axes[rows.len()], &lens).ok_or_else(|| self.unknown())?;
        let mut axes = vec![Vec::new(); rank];
        for (&axis, dims) in rows.iter().zip(&out.axes).chain(blocks.iter().chain(&outputs).zip(&columns)) {
            axes[axis].clone_from(dims);
        }
        axes[last].clone_from(&columns[columns.len() - 1]);
        Ok(out.with_axes(axes))
    }

    pub fn empty(&self) -> OnnxError {
        self.node.invalid("its constant is empty")
    }

    /// `A · Bᵀ` with NumPy's batches: `… × m × k` and `… × n × k`.
    pub(super) fn batched(&mut self, a: &View, b: &View) -> Result<View> {
        if a.rank() < 2 || b.rank() < 2 {
            return Err(self.node.unsupported("products with vectors are not supported; use matrices"));
        }
        let (lead_a, lead_b) = (a.rank() - 2, b.rank() - 2);
        let (shape_a, shape_b) = (a.shape(), b.shape());
        let Some(batch) = broadcast(&shape_a[..lead_a], &shape_b[..lead_b]) else {
            return Err(self.node.invalid(format!("batches of {shape_a:?} and {shape_b:?} do not match")));
        };
        let grouped = |view: &View, shape: &[usize]| {
            let mut wanted = batch.clone();
            wanted.extend_from_slice(&shape[shape.len() - 2..]);
            let view = view.expand(&wanted)?;
            let (lead, tail) = view.axes.split_at(batch.len());
            Some(view.with_axes(vec![lead.concat(), tail[0].clone(), tail[1].clone()]))
        };
        let (Some(a), Some(b)) = (grouped(a, &shape_a), grouped(b, &shape_b)) else {
            return Err(self.unknown());
        };
        let out = self.contract(&a, &b)?;
        let Some(mut axes) = split(&out.axes[0], &batch) else { return Err(self.unknown()) };
        axes.extend_from_slice(&out.axes[1..]);
        Ok(out.with_axes(axes))
    }

    /// `A · Bᵀ` for axes batch, m, k and batch, n, k: batch, m, n, stored with the batches
    /// side by side in rows of m.
    pub fn contract(&mut self, a: &View, b: &View) -> Result<View> {
        if a.len(0) != b.len(0) || a.len(2) != b.len(2) {
            return Err(self.node.invalid(format!("{:?} and {:?} have no product", a.shape(), b.shape())));
        }
        self.check_inner(a.len(2))?;
        let scale = a.factor * b.factor;
        let (batch, m, n, k) = (a.len(0), a.len(1), b.len(1), a.len(2));
        let left = match strided(a, 1, 2) {
            Some(left) => left,
            None => {
                let packed = self.pack(a, &[1], &[0, 2], Order::Logical)?;
                strided(&packed, 1, 2).ok_or_else(|| self.unknown())?
            }
        };
        let (right, transpose_b) = match (strided(b, 1, 2), strided(b, 2, 1)) {
            (Some(right), _) => (right, true),
            (None, Some(right)) => (right, false),
            (None, None) => {
                let packed = self.pack(b, &[1], &[0, 2], Order::Logical)?;
                (strided(&packed, 1, 2).ok_or_else(|| self.unknown())?, true)
            }
        };
        let Some(width) = batch.checked_mul(n) else { return Err(self.too_large()) };
        let tensor = self.emit("", m, width, |out| Node::MatMul {
            a: left,
            b: right,
            transpose_b,
            out: Strided { tensor: out, offset: 0, batch: n, row: width },
            batch,
            m,
            n,
            k,
            scales: vec![scale; batch],
        })?;
        let axis = |len, stride| coalesce(&[Dim { len, stride }]);
        Ok(View::laid_out(tensor, vec![axis(batch, n), axis(m, width), axis(n, 1)]))
    }
}

/// Whether a constant is several matrices.
fn is_stack(array: &Array) -> bool {
    array.shape.len() > 2 && array.shape[..array.shape.len() - 2].iter().any(|&len| len != 1)
}

/// The last two axes exchanged.
pub(super) fn swap(view: &View) -> View {
    let mut perm: Vec<usize> = (0..view.rank()).collect();
    if let [.., a, b] = perm.as_mut_slice() {
        std::mem::swap(a, b);
    }
    view.transpose(&perm)
}

/// Matrices of rows `row` and columns `column` for every index of axis 0, if columns are
/// consecutive and the others have one stride each.
fn strided(view: &View, row: usize, column: usize) -> Option<Strided> {
    let stride = |axis: &Axis, default: usize| match coalesce(axis).as_slice() {
        [] => Some(default),
        [dim] => Some(dim.stride),
        _ => None,
    };
    let columns = length(&view.axes[column]);
    if stride(&view.axes[column], 1)? != 1 {
        return None;
    }
    let step = stride(&view.axes[row], columns)?;
    let batch = stride(&view.axes[0], length(&view.axes[row]) * columns)?;
    let repeats = (step == 0 && length(&view.axes[row]) > 1) || (batch == 0 && length(&view.axes[0]) > 1);
    (!repeats).then_some(Strided { tensor: view.tensor, offset: view.offset, batch, row: step })
}
