//! Moving rows: views, copies and constants.

use program::Region;
use quant::Op;
use quant::ops::{Const, Gather, Load, Permute};

use super::lowering::{INTEGERS, Lowering, Place};
use crate::error::ConvertError;
use crate::graph::{Part, TensorId, Width};

impl Lowering<'_> {
    /// Rows are a view: no instruction.
    pub(super) fn sub_rows(&mut self, x: TensorId, out: TensorId, first: u32) -> Result<(), ConvertError> {
        let width = self.graph.tensors[x].width;
        let skipped = if self.needed[x].is_some() { 0 } else { first * width };
        let Place { region, start } = self.place(x)?;
        self.places[out] = Some(Place { region, start: start + skipped });
        Ok(())
    }

    /// The part that was made where it belongs stays, others are copied, constants loaded:
    /// outwards from it, since the checker follows one contiguous range.
    pub(super) fn concat(&mut self, parts: &[Part], out: TensorId) -> Result<(), ConvertError> {
        let Place { region, start } = self.place(out)?;
        let mut starts = Vec::with_capacity(parts.len());
        let mut next = start;
        for part in parts {
            starts.push(next);
            next += self.part_len(part);
        }
        let made = |lowering: &Self, index: usize| match &parts[index] {
            Part::Tensor(x) => lowering.places[*x]
                .is_some_and(|place| (place.region.base, place.start) == (region.base, starts[index])),
            Part::Constant(_) => false,
        };
        let there = (0..parts.len()).find(|&index| made(self, index));
        let before = (0..there.unwrap_or(0)).rev();
        let behind = there.map_or(0, |index| index + 1)..parts.len();
        for index in before.chain(behind) {
            match &parts[index] {
                Part::Constant(values) => self.load(values, region, starts[index], out)?,
                Part::Tensor(x) => self.copy_rows(*x, region, starts[index])?,
            }
        }
        Ok(())
    }

    fn copy_rows(&mut self, x: TensorId, region: Region, start: u32) -> Result<(), ConvertError> {
        let from = self.act(x)?;
        let len = from.len();
        let to = self.part(x, region, start, len)?;
        let op = Permute { shape: [1, 1, 1, len], strides: [0, 0, 0, 1], x: from, out: to };
        self.draft.push(format!("{}.copy", self.name(x)), Op::Permute(op));
        Ok(())
    }

    fn load(
        &mut self,
        values: &[i32],
        region: Region,
        start: u32,
        out: TensorId,
    ) -> Result<(), ConvertError> {
        let width = values.len() as u32;
        let blobs = &mut self.draft.blobs;
        let bits = self.graph.tensors[out].bits;
        let value = match bits {
            Width::I8 => Const::I8(blobs.push(&values.iter().map(|&v| v as i8).collect::<Vec<_>>())),
            Width::I16 => Const::I16(blobs.push(&values.iter().map(|&v| v as i16).collect::<Vec<_>>())),
            Width::I32 => Const::I32(blobs.push(values)),
            Width::Sign | Width::Ternary => return Err(self.width_error(out, INTEGERS)),
        };
        let out_slot = self.part(out, region, start, width)?;
        let op = Load { rows: 1, width, value, out: out_slot };
        self.draft.push(self.name(out), Op::Load(op));
        Ok(())
    }

    pub(super) fn permute(
        &mut self,
        x: TensorId,
        out: TensorId,
        offset: u32,
        shape: [u32; 4],
        strides: [u32; 4],
    ) -> Result<(), ConvertError> {
        let reach: u32 = shape.iter().zip(&strides).map(|(size, stride)| (size - 1) * stride).sum();
        let Place { region, start } = self.place(x)?;
        let x = self.part(x, region, start + offset, reach + 1)?;
        let op = Permute { shape, strides, x, out: self.act(out)? };
        self.draft.push(self.name(out), Op::Permute(op));
        Ok(())
    }

    pub(super) fn gather(&mut self, x: TensorId, out: TensorId, rows: &[u32]) -> Result<(), ConvertError> {
        let tensor = &self.graph.tensors[x];
        let op = Gather {
            rows: rows.len() as u32,
            width: tensor.width,
            source_rows: tensor.rows,
            x: self.act(x)?,
            index: self.draft.blobs.push(rows),
            out: self.act(out)?,
        };
        self.draft.push(self.name(out), Op::Gather(op));
        Ok(())
    }
}
