//! Dense layers: products with a constant matrix.

use float::{Dense, Geometry, Node};

use super::binary::snap;
use super::importer::{Importer, Result};
use super::store::Order;
use super::view::{Dim, View, coalesce, stored_places};

/// A constant matrix: `n` outputs of `k` inputs, row-major.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Outputs.
    pub n: usize,
    /// Inputs.
    pub k: usize,
    /// `n × k`.
    pub values: Vec<f32>,
}

impl Matrix {
    /// From `k × n` values.
    pub fn transposed(k: usize, n: usize, values: &[f32]) -> Self {
        let values = (0..n * k).map(|at| values[at % k * n + at / k]).collect();
        Self { n, k, values }
    }

    /// From `blocks` matrices of `n × k`, each for its own part of the inputs and outputs:
    /// zero elsewhere.
    pub fn diagonal(blocks: usize, n: usize, k: usize, values: Vec<f32>) -> Self {
        if blocks == 1 {
            return Self { n, k, values };
        }
        let mut all = vec![0.0; blocks * blocks * n * k];
        for (at, (row, out)) in values.chunks_exact(k).zip(all.chunks_exact_mut(blocks * k)).enumerate() {
            out[at / n * k..][..k].copy_from_slice(row);
        }
        Self { n: blocks * n, k: blocks * k, values: all }
    }

    /// Weights for inputs stored at other places, with a factor.
    fn dense(&self, places: &[usize], factor: f32) -> Dense {
        let mut weights = vec![0.0; self.values.len()];
        for (row, out) in self.values.chunks_exact(self.k).zip(weights.chunks_exact_mut(self.k)) {
            for (&value, &place) in row.iter().zip(places) {
                out[place] = value * factor;
            }
        }
        Dense { n: self.n, k: self.k, weights, bias: vec![0.0; self.n] }
    }
}

/// A view whose rows are patches of an image.
struct Patches {
    geometry: Geometry,
    /// Stride of vertical and of horizontal neighbours in the image.
    steps: [usize; 2],
}

impl Importer<'_> {
    /// The product of the last axis with `matrix`. The columns of the matrix are brought
    /// into the order of the stored elements; patches of an image become a convolution.
    pub fn linear(&mut self, view: &View, matrix: &Matrix) -> Result<View> {
        self.spend(matrix.values.len())?;
        self.check_inner(matrix.k)?;
        let last = view.rank() - 1;
        if view.len(last) != matrix.k {
            let found = view.shape();
            return Err(self.node.invalid(format!("{:?} does not match {} inputs", found, matrix.k)));
        }
        if let Some(patches) = self.patches(view) {
            return self.patch_convolution(view, matrix, &patches);
        }
        let others: Vec<usize> = (0..last).collect();
        let packed = self.pack(view, &others, &[last], Order::Stored)?;
        let (x, n, k) = (packed.tensor, matrix.n, matrix.k);
        let mut dense = matrix.dense(&stored_places(&packed.axes[last]), view.factor);
        snap(&mut dense);
        let rows = self.graph.tensors[x].rows;
        let tensor = self.emit("", rows, n, |out| Node::Linear { x, out, dense })?;
        let mut axes = packed.axes;
        for dim in axes[..last].iter_mut().flatten() {
            dim.stride = dim.stride / k * n;
        }
        axes[last] = coalesce(&[Dim { len: n, stride: 1 }]);
        Ok(View::laid_out(tensor, axes))
    }

    fn patches(&self, view: &View) -> Option<Patches> {
        let tensor = &self.graph.tensors[view.tensor];
        let (inner, outer) = view.axes.split_last()?;
        let mut window = inner.clone();
        window.sort_by_key(|dim| std::cmp::Reverse(dim.stride));
        let window = coalesce(&window);
        let [Dim { len: kernel_h, stride: line }, Dim { len: run, stride: 1 }] = *window.as_slice() else {
            return None;
        };
        let channels = tensor.width;
        if view.offset != 0 || !line.is_multiple_of(channels) || !run.is_multiple_of(channels) {
            return None;
        }
        let (width, kernel_w) = (line / channels, run / channels);
        if !tensor.rows.is_multiple_of(width) {
            return None;
        }
        let height = tensor.rows / width;
        let mut rows = outer.concat();
        rows.sort_by_key(|dim| std::cmp::Reverse(dim.stride));
        let rows = coalesce(&rows);
        let (mut vertical, mut horizontal) = (None, None);
        for dim in rows {
            let slot = if dim.stride.is_multiple_of(line) { &mut vertical } else { &mut horizontal };
            if dim.stride == 0 || !dim.stride.is_multiple_of(channels) || slot.replace(dim).is_some() {
                return None;
            }
        }
        let down = vertical.unwrap_or(Dim { len: 1, stride: kernel_h * line });
        let right = horizontal.unwrap_or(Dim { len: 1, stride: run });
        let stride = [down.stride / line, right.stride / channels];
        let fits = |count: usize, stride: usize, kernel: usize, size: usize| {
            (count - 1)
                .checked_mul(stride)
                .and_then(|last| last.checked_add(kernel))
                .is_some_and(|end| end <= size)
        };
        if !fits(down.len, stride[0], kernel_h, height) || !fits(right.len, stride[1], kernel_w, width) {
            return None;
        }
        let geometry = Geometry {
            input: [height as u32, width as u32, channels as u32],
            kernel: [kernel_h as u32, kernel_w as u32],
            stride: stride.map(|stride| stride as u32),
            padding: [0, 0],
            output: [down.len as u32, right.len as u32],
            groups: 1,
        };
        Some(Patches { geometry, steps: [down.stride, right.stride] })
    }

    fn patch_convolution(&mut self, view: &View, matrix: &Matrix, patches: &Patches) -> Result<View> {
        let last = view.rank() - 1;
        let dense = matrix.dense(&stored_places(&view.axes[last]), view.factor);
        let (x, n, geometry) = (view.tensor, matrix.n, patches.geometry);
        let [down, right] = patches.steps;
        let line = geometry.input[1] as usize * geometry.input[2] as usize;
        let rows = geometry.output.iter().product::<u32>() as usize;
        let tensor = self.emit("", rows, n, |out| Node::Conv { x, out, geometry, dense })?;
        let mut axes = view.axes.clone();
        for dim in axes[..last].iter_mut().flatten() {
            dim.stride = if dim.stride.is_multiple_of(line) {
                dim.stride / down * geometry.output[1] as usize * n
            } else {
                dim.stride / right * n
            };
        }
        axes[last] = coalesce(&[Dim { len: n, stride: 1 }]);
        Ok(View::laid_out(tensor, axes))
    }
}
