//! Padding.

use super::importer::{Importer, MAX_ELEMENTS, Result};
use super::op::{Handler, OnnxOp};
use super::view::View;
use crate::model::Array;

pub(super) const OPS: &[OnnxOp] = &[OnnxOp::new(
    "Pad",
    Handler::View(|i| i.pad()),
    "constant pads and value; neither cropping nor reflection",
)];

impl Importer<'_> {
    /// `Pad` with a constant: part of the convolution that reads it, else a concatenation.
    pub fn pad(&mut self) -> Result<View> {
        let node = self.node;
        let mut view = self.view(0)?;
        let mode = node.string("mode", "constant");
        let pads = self.integers("pads", 1)?.unwrap_or_default();
        let value = match node.input(2) {
            Some(_) => self.weights(2, "value")?.scalar_f32().unwrap_or(0.0),
            None => 0.0,
        };
        let axes: Vec<usize> = match node.input(3) {
            Some(_) => {
                let axes = self.weights(3, "axes")?.to_i64s();
                axes.into_iter().map(|axis| self.axis(axis, view.rank())).collect::<Result<_>>()?
            }
            None => (0..view.rank()).collect(),
        };
        if pads.len() != 2 * axes.len() {
            return Err(node.invalid(format!("{} pads for {} axes", pads.len(), axes.len())));
        }
        if pads.iter().all(|&pad| pad == 0) {
            return Ok(view);
        }
        if mode != "constant" || pads.iter().any(|pad| !(0..1 << 16).contains(pad)) {
            return Err(node.unsupported("only padding with a constant, and not cropping, is supported"));
        }
        let mut amounts = vec![(0, 0); view.rank()];
        for (at, &axis) in axes.iter().enumerate() {
            amounts[axis] = (pads[at] as usize, pads[at + axes.len()] as usize);
        }
        if value == 0.0 && view.rank() == 4 && amounts[..2] == [(0, 0); 2] && self.only_conv_reads() {
            let [(top, bottom), (left, right)] = [amounts[2], amounts[3]];
            self.paddings.insert(node.output().to_string(), [top, left, bottom, right]);
            return Ok(view);
        }
        for (axis, (before, after)) in amounts.into_iter().enumerate() {
            for (len, front) in [(before, true), (after, false)].into_iter().filter(|(len, _)| *len > 0) {
                let mut shape = view.shape();
                shape[axis] = len;
                let count = shape.iter().try_fold(1_usize, |n, &len| n.checked_mul(len));
                let Some(count) = count.filter(|&n| n <= MAX_ELEMENTS) else {
                    return Err(self.too_large());
                };
                self.spend(count)?;
                let fill = Array { shape, data: vec![value; count].into() };
                let parts = [fill.into(), view.into()];
                let parts = if front { parts.to_vec() } else { parts.iter().rev().cloned().collect() };
                view = self.join(parts, axis)?;
            }
        }
        Ok(view)
    }

    /// Whether the node's output is only the image of one convolution.
    fn only_conv_reads(&self) -> bool {
        let name = self.node.output();
        self.reads.get(name) == Some(&1)
            && self.readers.get(name).is_some_and(|node| node.is("Conv") && node.input(0) == Some(name))
    }
}
