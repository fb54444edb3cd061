//! Padding.

use super::importer::{Importer, Result};
use super::op::{Handler, OnnxOp};
use super::view::View;

pub(super) const OPS: &[OnnxOp] = &[OnnxOp::new(
    "Pad",
    Handler::View(|i| i.pad()),
    "constant pads and value; negative pads, reflection, edges and wrapping too",
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
        if pads.iter().any(|pad| pad.unsigned_abs() >= 1 << 16) {
            return Err(node.unsupported("pads of 65,536 and more are not supported"));
        }
        for (at, &axis) in axes.iter().enumerate() {
            view = self.index(&view, axis, [pads[at], pads[at + axes.len()]], mode)?;
        }
        let fill = |pad: i64| if mode == "constant" { pad.max(0) as usize } else { 0 };
        let mut amounts = vec![(0, 0); view.rank()];
        for (at, &axis) in axes.iter().enumerate() {
            amounts[axis] = (fill(pads[at]), fill(pads[at + axes.len()]));
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
                let parts = [self.filled(shape, value)?, view.into()];
                let parts = if front { parts.to_vec() } else { parts.iter().rev().cloned().collect() };
                view = self.join(parts, axis)?;
            }
        }
        Ok(view)
    }

    /// The view without what negative `pads` cut off `axis`, and in modes other than `constant`
    /// with copies of its own elements.
    fn index(&mut self, view: &View, axis: usize, pads: [i64; 2], mode: &str) -> Result<View> {
        let len = view.len(axis) as i64;
        let pads = if mode == "constant" { pads.map(|pad| pad.min(0)) } else { pads };
        let count = len + pads[0] + pads[1];
        if pads == [0, 0] {
            return Ok(view.clone());
        }
        if count < 1 || (mode == "reflect" && pads.iter().any(|&pad| pad >= len)) {
            return Err(self.node.unsupported(format!("pads of {pads:?} on an axis of {len}")));
        }
        let source = |at: i64| match mode {
            "edge" => Some(at.clamp(0, len - 1)),
            "wrap" => Some(at.rem_euclid(len)),
            "reflect" if at < 0 => Some(-at),
            "reflect" if at >= len => Some(2 * (len - 1) - at),
            "constant" | "reflect" => Some(at),
            _ => None,
        };
        let picked: Option<Vec<usize>> = (0..count).map(|at| Some(source(at - pads[0])? as usize)).collect();
        match picked {
            Some(picked) => self.pick(view, axis, picked),
            None => Err(self
                .node
                .unsupported(format!("mode of `{mode}`; constant, reflect, edge and wrap are known"))),
        }
    }

    /// Whether the node's output is only the image of one convolution.
    fn only_conv_reads(&self) -> bool {
        let name = self.node.output();
        self.reads.get(name) == Some(&1)
            && self.readers.get(name).is_some_and(|node| node.is("Conv") && node.input(0) == Some(name))
    }
}
