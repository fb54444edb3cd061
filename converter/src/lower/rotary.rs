//! Rotary position embedding: cosines and sines in Q14.

use quant::Op;
use quant::ops::{Pairs, Rotary};

use super::lowering::{Lowering, Place};
use super::scales;
use crate::error::ConvertError;
use crate::graph::{self, Node};

/// Cosine 1.
const ONE: f64 = 16384.0;

impl Lowering<'_> {
    pub(super) fn rotary(&mut self, node: &Node) -> Result<(), ConvertError> {
        let Node::Rotary { x, out, offset, head_dim, pairs, angles } = node else { return Ok(()) };
        let (name, scale) = (self.name(*out), self.scale(*x) / self.scale(*out) / ONE);
        let [stride, width] = [*x, *out].map(|id| self.graph.tensors[id].width);
        let rows = self.rows(*out);
        let Place { region, start } = self.place(*x)?;
        let angles: Vec<i16> = angles.iter().map(|&angle| (f64::from(angle) * ONE).round() as i16).collect();
        let op = Rotary {
            rows,
            width,
            head_dim: *head_dim,
            pairs: match pairs {
                graph::Pairs::Halves => Pairs::Halves,
                graph::Pairs::Neighbours => Pairs::Neighbours,
            },
            x: self.part(*x, region, start + offset, (rows - 1) * stride + width)?,
            stride,
            angles: self.draft.blobs.push(&angles),
            scale: scales::multiplier(&name, scale)?,
            out: self.act(*out)?,
        };
        self.draft.push(name, Op::Rotary(op));
        Ok(())
    }
}
