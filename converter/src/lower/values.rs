//! Element by element: tables, ReLU, requantization, means and softmax.

use quant::Op;
use quant::arith::ShiftExp;
use quant::ops::{
    Act, Exponential, Interpolate, MeanTokens, Mul, PerChannel, Relu, Requantize, Shiftmax, Spread, Table,
};

use super::lowering::Lowering;
use super::scales;
use crate::error::ConvertError;
use crate::graph::{ExpBits, TensorId, Width};

impl Lowering<'_> {
    pub(super) fn table(
        &mut self,
        node: usize,
        x: TensorId,
        out: TensorId,
        table: &[i8],
    ) -> Result<(), ConvertError> {
        self.alias(node, x, out)?;
        let op = Table {
            rows: self.rows(out),
            width: self.graph.tensors[out].width,
            x: self.i8(out)?,
            table: self.draft.blobs.push(table),
        };
        self.draft.push(self.name(out), Op::Table(op));
        Ok(())
    }

    pub(super) fn interpolate(
        &mut self,
        node: usize,
        x: TensorId,
        out: TensorId,
        table: &[i16],
    ) -> Result<(), ConvertError> {
        self.alias(node, x, out)?;
        let op = Interpolate {
            rows: self.rows(out),
            width: self.graph.tensors[out].width,
            x: self.i16(out)?,
            table: self.draft.blobs.push(table),
        };
        self.draft.push(self.name(out), Op::Interpolate(op));
        Ok(())
    }

    pub(super) fn relu(&mut self, node: usize, x: TensorId, out: TensorId) -> Result<(), ConvertError> {
        self.alias(node, x, out)?;
        let width = self.graph.tensors[out].width;
        let op = Relu { rows: self.rows(out), width, x: self.act(out)? };
        self.draft.push(self.name(out), Op::Relu(op));
        Ok(())
    }

    pub(super) fn mul(
        &mut self,
        node: usize,
        x: TensorId,
        y: TensorId,
        out: TensorId,
    ) -> Result<(), ConvertError> {
        let (name, made, factors) = (self.name(out), &self.graph.tensors[out], &self.graph.tensors[y]);
        let scale = scales::multiplier(&name, self.scale(x) * self.scale(y) / made.scale)?;
        let (rows, width) = (self.rows(out), made.width);
        let same_rows = factors.rows == made.rows;
        let (rows, width, spread) = match (factors.rows, factors.width) {
            (_, wide) if same_rows && wide == width => (rows, width, Spread::Element),
            // One factor for all: a row of everything.
            (1, 1) => (1, rows * width, Spread::Row),
            (1, _) => (rows, width, Spread::Channel),
            _ => (rows, width, Spread::Row),
        };
        let (x, y) = match spread {
            Spread::Element if !self.is_replaceable(node, x, y, out)? => (y, x),
            Spread::Element | Spread::Channel | Spread::Row => (x, y),
        };
        let replaceable = self.is_replaceable(node, x, y, out)?;
        let y = if same_rows { self.read(y, out)? } else { self.act(y)? };
        let op = if replaceable {
            self.places[out] = Some(self.source(x, out)?);
            Mul { rows, width, x: self.act(out)?, y, spread, scale, out: None }
        } else {
            let (x, out) = (self.read(x, out)?, Some(self.act(out)?));
            Mul { rows, width, x, y, spread, scale, out }
        };
        self.draft.push(name, Op::Mul(op));
        Ok(())
    }

    /// Whether `out`, a product of `x` and `y`, can take the place of `x`.
    fn is_replaceable(
        &mut self,
        node: usize,
        x: TensorId,
        y: TensorId,
        out: TensorId,
    ) -> Result<bool, ConvertError> {
        let apart = self.place(x)?.region.base != self.place(y)?.region.base;
        Ok(apart && self.graph.tensors[x].bits == self.graph.tensors[out].bits && self.dies(x, node))
    }

    pub(super) fn requantize(
        &mut self,
        x: TensorId,
        out: TensorId,
        ratios: &[f64],
        bias: &[i32],
    ) -> Result<(), ConvertError> {
        let name = self.name(out);
        // One multiplier where all channels have the same.
        let same = ratios.windows(2).all(|w| w[0] == w[1]) && bias.windows(2).all(|w| w[0] == w[1]);
        let channels = if same { 1 } else { ratios.len() };
        let scale = scales::channels(&mut self.draft.blobs, &name, ratios[..channels].iter().copied())?;
        let bias = self.draft.blobs.push(&bias[..channels]);
        let op = Requantize {
            rows: self.rows(out),
            width: self.graph.tensors[out].width,
            x: self.read(x, out)?,
            requant: PerChannel { bias, scale },
            channels: channels as u32,
            out: self.act(out)?,
        };
        self.draft.push(name, Op::Requantize(op));
        Ok(())
    }

    pub(super) fn mean(&mut self, x: TensorId, out: TensorId) -> Result<(), ConvertError> {
        let (name, tensor) = (self.name(out), &self.graph.tensors[x]);
        let ratio = tensor.scale / (f64::from(tensor.rows) * self.scale(out));
        let op = MeanTokens {
            tokens: tensor.rows,
            width: tensor.width,
            x: self.act(x)?,
            scale: scales::multiplier(&name, ratio)?,
            out: self.act(out)?,
        };
        self.draft.push(name, Op::MeanTokens(op));
        Ok(())
    }

    pub(super) fn softmax(
        &mut self,
        x: TensorId,
        out: TensorId,
        width: u32,
        exponential: ExpBits,
    ) -> Result<(), ConvertError> {
        let (name, tensor) = (self.name(out), &self.graph.tensors[x]);
        let exp = match tensor.bits {
            Width::I8 => {
                let table = scales::exp_table(&name, tensor.scale, exponential, width)?;
                Exponential::Table(self.draft.blobs.push(&table))
            }
            Width::Sign | Width::Ternary => return Err(self.width_error(x, "int8 or int16")),
            Width::I16 | Width::I32 => {
                Exponential::Shift(self.shift(&name, tensor.scale, exponential, width)?)
            }
        };
        let rows = tensor.rows * tensor.width / width;
        let (x, out): (Act, Act) = (self.act(x)?, self.act(out)?);
        self.draft.push(name, Op::Shiftmax(Shiftmax { rows, width, x, exp, out }));
        Ok(())
    }

    fn shift(&self, name: &str, scale: f64, exp: ExpBits, terms: u32) -> Result<ShiftExp, ConvertError> {
        scales::shift_exp(name, scale, exp.bits, terms, exp.limit)
    }
}
