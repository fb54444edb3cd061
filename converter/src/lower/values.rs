//! Element by element: tables, ReLU, requantization, means and softmax.

use quant::Op;
use quant::arith::ShiftExp;
use quant::ops::{Act, Exponential, Interpolate, MeanTokens, PerChannel, Relu, Requantize, Shiftmax, Table};

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
