//! Products of two computed matrices.

use quant::Op;
use quant::ops::{Act, MatMul};

use super::lowering::{Lowering, Place};
use super::scales;
use crate::error::ConvertError;
use crate::graph::{Node, Strided};

impl Lowering<'_> {
    pub(super) fn matmul(&mut self, node: &Node) -> Result<(), ConvertError> {
        let Node::MatMul { a, b, transpose_b, out, batch, m, n, k, product_scales } = node else {
            return Ok(());
        };
        let name = self.name(out.tensor);
        let ratios = product_scales.iter().map(|s| s / self.graph.tensors[out.tensor].scale);
        let requant = scales::channels(&mut self.draft.blobs, &name, ratios)?;
        let (b_rows, b_width) = if *transpose_b { (*n, *k) } else { (*k, *n) };
        let op = MatMul {
            batch: *batch,
            m: *m,
            n: *n,
            k: *k,
            a: self.matrices(*a, *batch, *m, *k)?,
            a_batch: a.batch as u32,
            a_row: a.row as u32,
            b: match self.matrices(*b, *batch, b_rows, b_width)? {
                Act::I8(slot) => slot,
                Act::I16(_) | Act::I32(_) => return Err(self.width_error(b.tensor, "int8")),
            },
            b_batch: b.batch as u32,
            b_row: b.row as u32,
            transpose_b: *transpose_b,
            out: self.matrices(*out, *batch, *m, *n)?,
            out_batch: out.batch as u32,
            out_row: out.row as u32,
            requant,
        };
        self.draft.push(name, Op::MatMul(op));
        Ok(())
    }

    /// From the first element of `batch` matrices to the last.
    fn matrices(&mut self, part: Strided, batch: u32, rows: u32, width: u32) -> Result<Act, ConvertError> {
        let Place { region, start } = self.place(part.tensor)?;
        let len = (batch - 1) * part.batch as u32 + (rows - 1) * part.row as u32 + width;
        self.part(part.tensor, region, start + part.offset as u32, len)
    }
}
