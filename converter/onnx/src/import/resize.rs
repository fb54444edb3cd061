//! `Resize`: rows picked for the nearest neighbour, a constant product along each axis for
//! linear and cubic interpolation.

use float::Node;

use super::importer::{Importer, MAX_ELEMENTS, Result};
use super::linear::Matrix;
use super::op::{Handler, OnnxOp};
use super::store::Order;
use super::view::{View, dense};
use crate::model::{self, Array};
use crate::reader::Ignored;

pub(super) const OPS: &[OnnxOp] = &[OnnxOp::new(
    "Resize",
    Handler::View(|i| i.resize()),
    "constant sizes or scales; nearest, linear and cubic, no antialiasing where it shrinks",
)
.ignoring(&[Ignored::new(
    "extrapolation_value",
    "only `tf_crop_and_resize` has places outside of the image, and is refused",
)])];

/// The attributes of a `Resize` of one axis of a constant.
const MODES: [&str; 5] =
    ["coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside", "mode", "nearest_mode"];

impl Importer<'_> {
    /// `Resize` of the spatial axes.
    pub fn resize(&mut self) -> Result<View> {
        let mut view = self.view(0)?;
        let mode = self.node.string("mode", "nearest").to_string();
        let maps = self.maps(&view)?;
        if mode != "nearest" {
            for (axis, map) in maps.into_iter().enumerate() {
                let Some(map) = map else { continue };
                let last = view.rank() - 1;
                let mut perm: Vec<usize> = (0..=last).collect();
                perm.swap(axis, last);
                let name = self.name.clone();
                self.name = format!("{name}.axis{axis}");
                view = self.linear(&view.transpose(&perm), &map)?.transpose(&perm);
                self.name = name;
            }
            return Ok(view);
        }
        self.nearest(&view, &maps)
    }

    fn nearest(&mut self, view: &View, maps: &[Option<Matrix>]) -> Result<View> {
        let moved: Vec<usize> = (0..view.rank()).filter(|&axis| maps[axis].is_some()).collect();
        if moved.is_empty() {
            return Ok(view.clone());
        }
        let spatial: Vec<usize> =
            if moved.iter().all(|&axis| axis >= 2) { (2..view.rank()).collect() } else { moved };
        let others: Vec<usize> = (0..view.rank()).filter(|axis| !spatial.contains(axis)).collect();
        let packed = self.pack(view, &spatial, &others, Order::Logical)?;
        let mut rows: Vec<u32> = vec![0];
        let mut shape = view.shape();
        for &axis in &spatial {
            let sources: Vec<u32> = match &maps[axis] {
                None => (0..shape[axis] as u32).collect(),
                Some(map) => map
                    .values
                    .chunks_exact(map.k)
                    .map(|row| row.iter().position(|&weight| weight != 0.0).unwrap_or(0) as u32)
                    .collect(),
            };
            let Some(count) = rows.len().checked_mul(sources.len()).filter(|&n| n <= MAX_ELEMENTS) else {
                return Err(self.too_large());
            };
            self.spend(count)?;
            let len = shape[axis] as u32;
            rows = rows.iter().flat_map(|row| sources.iter().map(move |source| row * len + source)).collect();
            shape[axis] = sources.len();
        }
        let (x, count) = (packed.tensor, rows.len());
        let width = self.graph.tensors[x].width;
        let tensor = self.emit("", count, width, |out| Node::Gather { x, out, rows })?;
        let order: Vec<usize> = spatial.into_iter().chain(others).collect();
        Ok(View { factor: view.factor, ..View::laid_out(tensor, dense(&shape, &order)) })
    }

    /// The weights of each axis that changes.
    fn maps(&mut self, view: &View) -> Result<Vec<Option<Matrix>>> {
        let node = self.node;
        let unsupported = || {
            node.unsupported(
                "this kind of interpolation is not supported; nearest, linear and cubic without antialiasing are",
            )
        };
        let axes: Vec<usize> = match node.ints("axes") {
            Some(axes) => axes.iter().map(|&axis| self.axis(axis, view.rank())).collect::<Result<_>>()?,
            None => (0..view.rank()).collect(),
        };
        let sizes =
            node.input(3).map(|_| self.weights(3, "sizes")).transpose()?.filter(|sizes| !sizes.is_empty());
        let scales = node.input(2).map(|_| self.weights(2, "scales")).transpose()?;
        let mut maps: Vec<Option<Matrix>> = vec![None; view.rank()];
        if node.string("keep_aspect_ratio_policy", "stretch") != "stretch" {
            return Err(unsupported());
        }
        // One row of the identity after the other, resized as a constant.
        let mut probe = model::Node::new("Resize", Vec::new(), node.output());
        probe.name = node.name.into();
        for name in MODES {
            probe.attributes.extend(node.attribute(name).map(|value| (name.into(), value.clone())));
        }
        // The region of interest belongs to `tf_crop_and_resize` alone.
        node.ignore_input(1);
        let antialias = node.int("antialias", 0) != 0;
        for (at, &axis) in axes.iter().enumerate() {
            let len = view.len(axis);
            let size = sizes.as_ref().map(|sizes| sizes.to_i64s().get(at).copied().unwrap_or(0));
            let scale = scales.as_ref().map(|scales| scales.to_f32s().get(at).copied().unwrap_or(0.0));
            let shrinks = size.map_or(scale.unwrap_or(1.0) < 1.0, |size| size < len as i64);
            if shrinks && antialias {
                return Err(unsupported());
            }
            if size == Some(len as i64) || (size.is_none() && scale == Some(1.0)) {
                continue;
            }
            let Some(square) = len.checked_mul(len).filter(|&square| square <= MAX_ELEMENTS) else {
                return Err(self.too_large());
            };
            self.spend(square)?;
            let eye: Vec<f32> = (0..square).map(|at| f32::from(u8::from(at / len == at % len))).collect();
            let eye = Array { shape: vec![len, len], data: eye.into() };
            let sizes = size.map(|size| Array::vector(vec![len as i64, size]));
            let scales = Array::vector(vec![1.0, scale.unwrap_or(1.0)]);
            let inputs =
                [Some(&eye), None, if sizes.is_some() { None } else { Some(&scales) }, sizes.as_ref()];
            let Some(out) = self.folding.fold(&probe, &inputs, self.model.opset)? else {
                return Err(unsupported());
            };
            let Some(array) = out.into_iter().next() else { return Err(unsupported()) };
            let &[k, n] = array.shape.as_slice() else { return Err(unsupported()) };
            maps[axis] = Some(Matrix::transposed(k, n, &array.to_f32s()));
        }
        Ok(maps)
    }
}
