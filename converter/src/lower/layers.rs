//! Layers with weights, and what is fused behind them.

use quant::Op;
use quant::ops::{Act, Conv2d, Destination, Linear, PerChannel, Residual};
use quant::pack::Pack;

use super::lowering::Lowering;
use super::scales;
use crate::error::ConvertError;
use crate::graph::{Geometry, Node, TensorId, Weights, Width};

impl Lowering<'_> {
    pub(super) fn per_channel(
        &mut self,
        name: &str,
        (bias, accumulator_scales): (&[i32], &[f64]),
        out_scale: f64,
    ) -> Result<PerChannel, ConvertError> {
        let ratios = accumulator_scales.iter().map(|s| s / out_scale);
        let scale = scales::channels(&mut self.draft.blobs, name, ratios)?;
        Ok(PerChannel { bias: self.draft.blobs.push(bias), scale })
    }

    pub(super) fn destination(&mut self, out: TensorId) -> Result<Destination, ConvertError> {
        Ok(match self.act(out)? {
            Act::I8(out) => Destination::I8 { out, table: None },
            Act::I16(out) => Destination::I16 { out, residual: None },
            Act::I32(out) => Destination::I32 { out },
        })
    }

    /// The name and destination of a layer that makes `out`, the table behind it included
    /// where only that reads `out`.
    pub(super) fn epilogue(
        &mut self,
        name: String,
        out: TensorId,
    ) -> Result<(String, Destination), ConvertError> {
        let graph = self.graph;
        let table = match self.readers[out].as_slice() {
            &[reader] if self.options.fuse => Some(reader),
            _ => None,
        };
        let is_output = graph.outputs.iter().any(|output| output.tensor == out);
        let narrow = graph.tensors[out].bits == Width::I8;
        if let Some(reader) = table.filter(|_| narrow && !is_output)
            && let Node::Table { out: active, table, .. } = &graph.nodes[reader]
        {
            self.absorbed[reader] = true;
            let table = Some(self.draft.blobs.push(table));
            let destination = Destination::I8 { out: self.i8(*active)?, table };
            return Ok((self.name(*active), destination));
        }
        Ok((name, self.destination(out)?))
    }

    pub(super) fn conv(
        &mut self,
        x: TensorId,
        out: TensorId,
        g: &Geometry,
        weights: &Weights,
    ) -> Result<(), ConvertError> {
        let name = self.name(out);
        let values = self.draft.blobs.push(&weights.values);
        let requant =
            self.per_channel(&name, (&weights.bias, &weights.accumulator_scales), self.scale(out))?;
        let (name, destination) = self.epilogue(name, out)?;
        let op = Conv2d {
            in_height: g.input[0],
            in_width: g.input[1],
            in_channels: g.input[2],
            out_channels: weights.n,
            kernel_h: g.kernel[0],
            kernel_w: g.kernel[1],
            stride_h: g.stride[0],
            stride_w: g.stride[1],
            pad_top: g.padding[0],
            pad_left: g.padding[1],
            out_height: g.output[0],
            out_width: g.output[1],
            groups: g.groups,
            x: self.i8(x)?,
            weights: values,
            pack: Pack::RowMajor,
            requant,
            out: destination,
        };
        self.draft.push(name, Op::Conv2d(op));
        Ok(())
    }

    pub(super) fn linear(
        &mut self,
        x: TensorId,
        out: TensorId,
        weights: &Weights,
    ) -> Result<(), ConvertError> {
        let name = self.name(out);
        let made = out;
        let requant =
            self.per_channel(&name, (&weights.bias, &weights.accumulator_scales), self.scale(out))?;
        let (name, out) = self.dense_epilogue(name, out)?;
        let op = Linear {
            rows: self.rows(made),
            k: weights.k,
            n: weights.n,
            x: self.read(x, made)?,
            weights: self.draft.blobs.push(&weights.values),
            pack: Pack::RowMajor,
            requant,
            out,
        };
        self.draft.push(name, Op::Linear(op));
        Ok(())
    }

    /// The name and destination of a dense layer that makes `out`, with the addition to the
    /// residual stream or the table behind it.
    pub(super) fn dense_epilogue(
        &mut self,
        name: String,
        out: TensorId,
    ) -> Result<(String, Destination), ConvertError> {
        let residual = if self.options.fuse { self.residual_of(out)? } else { None };
        match residual {
            Some((sum, destination)) => Ok((self.name(sum), destination)),
            None => self.epilogue(name, out),
        }
    }

    /// Where `branch` is only added to a stream that dies there: the sum, and the
    /// destination that adds it in place. Absorbs the addition.
    pub(super) fn residual_of(
        &mut self,
        branch: TensorId,
    ) -> Result<Option<(TensorId, Destination)>, ConvertError> {
        let &[reader] = self.readers[branch].as_slice() else { return Ok(None) };
        let Node::Add { x, y, out } = self.graph.nodes[reader] else { return Ok(None) };
        let is_output = self.graph.outputs.iter().any(|output| output.tensor == branch);
        let wide = self.graph.tensors[branch].bits == Width::I16;
        if y != branch || x == branch || is_output || !wide || !self.dies(x, reader) {
            return Ok(None);
        }
        self.absorbed[reader] = true;
        self.places[out] = Some(self.source(x, out)?);
        let name = self.name(out);
        let residual = Residual {
            branch: scales::multiplier(&name, self.scale(y) / self.scale(out))?,
            stream: scales::multiplier(&name, self.scale(x) / self.scale(out))?,
        };
        Ok(Some((out, Destination::I16 { out: self.i16(out)?, residual: Some(residual) })))
    }
}
