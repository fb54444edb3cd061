//! From the quantized graph to instructions over virtual memory.

mod attention;
mod norm;
mod scales;

use quant::Op;
use quant::mem::{DType, Slot};
use quant::ops::{
    Act, Add, Addend, Const, Conv2d, Destination, Linear, Load, PerChannel, Permute, QuantizeImage, Residual,
    ShiftGelu,
};
use quant::pack::Pack;
use runtime::{Bits, InputKind, OutputKind};

use crate::error::ConvertError;
use crate::graph::{Geometry, Graph, Node, TensorId, Weights, Width};
use crate::program::{Draft, InputSpec, OutputSpec, Region};

/// What lowering may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowerOptions {
    /// Fuse epilogues and attention, and skip rows that nothing reads.
    pub fuse: bool,
}

impl Default for LowerOptions {
    fn default() -> Self {
        Self { fuse: true }
    }
}

/// Where a tensor lies: rows from element `start` of a region on.
#[derive(Clone, Copy, Debug)]
struct Place {
    region: Region,
    start: u32,
}

/// A lowering in progress.
struct Lowering<'g> {
    graph: &'g Graph,
    options: LowerOptions,
    draft: Draft,
    places: Vec<Option<Place>>,
    /// Nodes that read each tensor.
    readers: Vec<Vec<usize>>,
    /// Nodes absorbed into an earlier one.
    absorbed: Vec<bool>,
    /// The only row of each tensor that anything reads, where it is one.
    needed: Vec<Option<u32>>,
}

/// Lowers `graph` to a program over virtual memory.
pub fn lower(graph: &Graph, options: LowerOptions) -> Result<Draft, ConvertError> {
    let mut readers = vec![Vec::new(); graph.tensors.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        for input in node.inputs() {
            readers[input].push(index);
        }
    }
    let mut lowering = Lowering {
        graph,
        options,
        draft: Draft::default(),
        places: vec![None; graph.tensors.len()],
        readers,
        absorbed: vec![false; graph.nodes.len()],
        needed: if options.fuse { needed_rows(graph) } else { vec![None; graph.tensors.len()] },
    };
    lowering.input()?;
    for index in 0..graph.nodes.len() {
        if !lowering.absorbed[index] {
            lowering.node(index)?;
        }
    }
    lowering.output()?;
    Ok(lowering.draft)
}

impl Lowering<'_> {
    fn input(&mut self) -> Result<(), ConvertError> {
        let place = self.place(0)?;
        let slot = place.region.handle(DType::U8);
        self.draft.inputs.push(InputSpec {
            name: "image".into(),
            slot,
            kind: InputKind::Image(self.graph.image),
        });
        Ok(())
    }

    fn output(&mut self) -> Result<(), ConvertError> {
        let logits = &self.graph.tensors[self.graph.logits];
        let place = self.place(self.graph.logits)?;
        self.draft.outputs.push(OutputSpec {
            name: "logits".into(),
            slot: place.region.handle(DType::I32),
            kind: OutputKind::Logits,
            shape: [logits.width, 1, 1, 1],
            scale: Bits((logits.scale as f32).to_bits()),
        });
        Ok(())
    }

    fn node(&mut self, index: usize) -> Result<(), ConvertError> {
        let graph = self.graph;
        match &graph.nodes[index] {
            Node::QuantizeImage { x, out, tables } => self.quantize_image(*x, *out, tables),
            Node::Conv { x, out, geometry, weights } => self.conv(*x, *out, geometry, weights),
            Node::Linear { x, out, weights } => self.linear(*x, *out, weights),
            Node::ClassToken { x, out, token } => self.class_token(*x, *out, token),
            Node::AddConstant { x, out, values, scale } => self.add_constant(index, *x, *out, values, *scale),
            Node::Add { x, y, out } => self.add(index, *x, *y, *out),
            Node::LayerNorm { x, out, gamma, beta, eps } => self.layer_norm(*x, *out, gamma, beta, *eps),
            Node::Attention { qkv, out, heads, product_scale, score_scale, exponential } => {
                let head = attention::Head { heads: *heads, product: *product_scale, score: *score_scale };
                self.attention(*qkv, *out, head, *exponential)
            }
            Node::ShiftGelu { x, out, bits } => self.shift_gelu(index, *x, *out, *bits),
            Node::Row { x, out, row } => self.row(*x, *out, *row),
        }
    }

    /// The place of tensor `id`, made if it has none. The input of a class token lies in its output.
    fn place(&mut self, id: TensorId) -> Result<Place, ConvertError> {
        if let Some(place) = self.places[id] {
            return Ok(place);
        }
        let tensor = &self.graph.tensors[id];
        let joined = self.readers[id].first().and_then(|&reader| match &self.graph.nodes[reader] {
            Node::ClassToken { out, .. } if self.readers[id].len() == 1 => Some(*out),
            _ => None,
        });
        let place = match joined {
            Some(out) => {
                let Place { region, start } = self.place(out)?;
                Place { region, start: start + tensor.width }
            }
            None => {
                let elements = u64::from(self.rows(id)) * u64::from(tensor.width);
                let region = match tensor.bits {
                    Width::I8 => self.draft.region::<i8>(elements)?,
                    Width::I16 => self.draft.region::<i16>(elements)?,
                    Width::I32 => self.draft.region::<i32>(elements)?,
                };
                Place { region, start: 0 }
            }
        };
        self.places[id] = Some(place);
        Ok(place)
    }

    /// The rows of tensor `id` that are computed.
    fn rows(&self, id: TensorId) -> u32 {
        if self.needed[id].is_some() { 1 } else { self.graph.tensors[id].rows }
    }

    /// Tensor `id` as activations: all rows, or the only one computed.
    fn act(&mut self, id: TensorId) -> Result<Act, ConvertError> {
        let tensor = &self.graph.tensors[id];
        let (bits, len) = (tensor.bits, self.rows(id) * tensor.width);
        let Place { region, start } = self.place(id)?;
        Ok(match bits {
            Width::I8 => Act::I8(region.part(start, len)),
            Width::I16 => Act::I16(region.part(start, len)),
            Width::I32 => Act::I32(region.part(start, len)),
        })
    }

    /// Where the rows of `x` lie that an operation making `out` row by row reads.
    fn source(&mut self, x: TensorId, out: TensorId) -> Result<Place, ConvertError> {
        let Place { region, start } = self.place(x)?;
        let skipped = match (self.needed[x], self.needed[out]) {
            (None, Some(row)) => row * self.graph.tensors[x].width,
            _ => 0,
        };
        Ok(Place { region, start: start + skipped })
    }

    /// The rows of `x` that an operation making `out` row by row reads, as activations.
    fn read(&mut self, x: TensorId, out: TensorId) -> Result<Act, ConvertError> {
        let Place { region, start } = self.source(x, out)?;
        let tensor = &self.graph.tensors[x];
        let len = self.rows(out) * tensor.width;
        Ok(match tensor.bits {
            Width::I8 => Act::I8(region.part(start, len)),
            Width::I16 => Act::I16(region.part(start, len)),
            Width::I32 => Act::I32(region.part(start, len)),
        })
    }

    fn i8(&mut self, id: TensorId) -> Result<Slot<i8>, ConvertError> {
        match self.act(id)? {
            Act::I8(slot) => Ok(slot),
            _ => Err(self.width_error(id, "int8")),
        }
    }

    fn i16(&mut self, id: TensorId) -> Result<Slot<i16>, ConvertError> {
        match self.act(id)? {
            Act::I16(slot) => Ok(slot),
            _ => Err(self.width_error(id, "int16")),
        }
    }

    fn width_error(&self, id: TensorId, expected: &str) -> ConvertError {
        ConvertError::Config { reason: format!("`{}` must be {expected}", self.graph.tensors[id].name) }
    }

    fn name(&self, id: TensorId) -> String {
        self.graph.tensors[id].name.clone()
    }

    fn scale(&self, id: TensorId) -> f64 {
        self.graph.tensors[id].scale
    }

    /// Makes `out` lie where `x` lies, for an operation in place; copies `x` first when a
    /// later node still reads it.
    fn alias(&mut self, node: usize, x: TensorId, out: TensorId) -> Result<(), ConvertError> {
        let last = self.readers[x].iter().all(|&reader| reader <= node || self.absorbed[reader]);
        if last {
            self.places[out] = Some(self.source(x, out)?);
            return Ok(());
        }
        let (from, to) = (self.read(x, out)?, self.act(out)?);
        let (rows, width) = (self.rows(out), self.graph.tensors[x].width);
        let copy = Permute { shape: [rows, 1, 1, width], strides: [width, 0, 0, 1], x: from, out: to };
        let name = format!("{}.copy", self.name(out));
        self.draft.push(name, Op::Permute(copy));
        Ok(())
    }

    fn quantize_image(&mut self, x: TensorId, out: TensorId, tables: &[i8]) -> Result<(), ConvertError> {
        let place = self.place(x)?;
        self.places[out] = Some(place);
        let frame = &self.graph.tensors[x];
        let op = QuantizeImage {
            pixels: frame.rows,
            channels: frame.width,
            x: place.region.slot(),
            tables: self.draft.blobs.push(tables),
        };
        self.draft.push(self.name(out), Op::QuantizeImage(op));
        Ok(())
    }

    fn per_channel(
        &mut self,
        name: &str,
        weights: &Weights,
        out_scale: f64,
    ) -> Result<PerChannel, ConvertError> {
        let ratios = weights.accumulator_scales.iter().map(|s| s / out_scale);
        let scale = scales::channels(&mut self.draft.blobs, name, ratios)?;
        Ok(PerChannel { bias: self.draft.blobs.push(&weights.bias), scale })
    }

    fn destination(&mut self, out: TensorId) -> Result<Destination, ConvertError> {
        Ok(match self.act(out)? {
            Act::I8(out) => Destination::I8 { out, table: None },
            Act::I16(out) => Destination::I16 { out, residual: None },
            Act::I32(out) => Destination::I32 { out },
        })
    }

    fn conv(
        &mut self,
        x: TensorId,
        out: TensorId,
        g: &Geometry,
        weights: &Weights,
    ) -> Result<(), ConvertError> {
        let name = self.name(out);
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
            weights: self.draft.blobs.push(&weights.values),
            pack: Pack::RowMajor,
            requant: self.per_channel(&name, weights, self.scale(out))?,
            out: self.destination(out)?,
        };
        self.draft.push(name, Op::Conv2d(op));
        Ok(())
    }

    fn linear(&mut self, x: TensorId, out: TensorId, weights: &Weights) -> Result<(), ConvertError> {
        let name = self.name(out);
        let residual = if self.options.fuse { self.residual_of(out)? } else { None };
        let requant = self.per_channel(&name, weights, self.scale(out))?;
        let made = out;
        let (name, out) = match residual {
            Some((sum, destination)) => (self.name(sum), destination),
            None => (name, self.destination(out)?),
        };
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

    /// Where `branch` is only added to a stream that dies there: the sum, and the
    /// destination that adds it in place. Absorbs the addition.
    fn residual_of(&mut self, branch: TensorId) -> Result<Option<(TensorId, Destination)>, ConvertError> {
        let &[reader] = self.readers[branch].as_slice() else { return Ok(None) };
        let Node::Add { x, y, out } = self.graph.nodes[reader] else { return Ok(None) };
        let dies = self.readers[x].iter().all(|&r| r <= reader);
        if y != branch || x == branch || !dies || self.places[x].is_none() {
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

    fn class_token(&mut self, x: TensorId, out: TensorId, token: &[i16]) -> Result<(), ConvertError> {
        debug_assert!(self.places[x].is_some(), "the other rows were written into the joined region");
        let Place { region, start } = self.place(out)?;
        let width = self.graph.tensors[out].width;
        let value = Const::I16(self.draft.blobs.push(token));
        let op = Load { rows: 1, width, value, out: Act::I16(region.part(start, width)) };
        self.draft.push(self.name(out), Op::Load(op));
        Ok(())
    }

    fn add_constant(
        &mut self,
        node: usize,
        x: TensorId,
        out: TensorId,
        values: &[i16],
        scale: f64,
    ) -> Result<(), ConvertError> {
        self.alias(node, x, out)?;
        let y = Addend::Blob(self.draft.blobs.push(values));
        self.push_add(x, out, y, scale)
    }

    fn add(&mut self, node: usize, x: TensorId, y: TensorId, out: TensorId) -> Result<(), ConvertError> {
        let y_slot = match self.read(y, out)? {
            Act::I16(slot) => Addend::Slot(slot),
            _ => return Err(self.width_error(y, "int16")),
        };
        self.alias(node, x, out)?;
        self.push_add(x, out, y_slot, self.scale(y))
    }

    fn push_add(&mut self, x: TensorId, out: TensorId, y: Addend, y_scale: f64) -> Result<(), ConvertError> {
        let name = self.name(out);
        let op = Add {
            rows: self.rows(out),
            width: self.graph.tensors[out].width,
            x: self.i16(out)?,
            x_scale: scales::multiplier(&name, self.scale(x) / self.scale(out))?,
            y,
            y_scale: scales::multiplier(&name, y_scale / self.scale(out))?,
        };
        self.draft.push(name, Op::Add(op));
        Ok(())
    }

    fn shift_gelu(&mut self, node: usize, x: TensorId, out: TensorId, bits: u8) -> Result<(), ConvertError> {
        let name = self.name(out);
        self.alias(node, x, out)?;
        let exp = scales::shift_exp(&name, self.scale(x) * 1.702, bits, 2, i32::MAX as u32)?;
        let op = ShiftGelu {
            rows: self.rows(out),
            width: self.graph.tensors[out].width,
            x: self.i8(out)?,
            exp: self.draft.blobs.push(&exp.table()),
            out: scales::multiplier(&name, self.scale(x) / 128.0 / self.scale(out))?,
        };
        self.draft.push(name, Op::ShiftGelu(op));
        Ok(())
    }

    /// A row is a view: no instruction.
    fn row(&mut self, x: TensorId, out: TensorId, row: u32) -> Result<(), ConvertError> {
        let width = self.graph.tensors[x].width;
        let skipped = if self.needed[x].is_some() { 0 } else { row * width };
        let Place { region, start } = self.place(x)?;
        self.places[out] = Some(Place { region, start: start + skipped });
        Ok(())
    }
}

/// The only row of each tensor that is read, directly or through operations that work
/// row by row: behind the last attention of a classifier, that of the class token.
fn needed_rows(graph: &Graph) -> Vec<Option<u32>> {
    let mut wanted: Vec<Wanted> = vec![Wanted::Nothing; graph.tensors.len()];
    wanted[graph.logits] = Wanted::All;
    for node in graph.nodes.iter().rev() {
        let made = wanted[node.output()];
        let (input, by_row) = match node {
            Node::Row { row, .. } => (Wanted::Row(*row), true),
            Node::Linear { .. } | Node::LayerNorm { .. } | Node::ShiftGelu { .. } | Node::Add { .. } => {
                (made, true)
            }
            Node::Attention { .. }
            | Node::QuantizeImage { .. }
            | Node::Conv { .. }
            | Node::ClassToken { .. }
            | Node::AddConstant { .. } => (Wanted::All, matches!(node, Node::Attention { .. })),
        };
        for x in node.inputs() {
            wanted[x] = wanted[x].and(input);
        }
        if !by_row {
            wanted[node.output()] = Wanted::All;
        }
    }
    wanted
        .into_iter()
        .zip(&graph.tensors)
        .map(|(w, tensor)| match w {
            Wanted::Row(row) if tensor.rows > 1 => Some(row),
            Wanted::Row(_) | Wanted::All | Wanted::Nothing => None,
        })
        .collect()
}

/// Rows of a tensor that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Nothing,
    Row(u32),
    All,
}

impl Wanted {
    fn and(self, other: Wanted) -> Wanted {
        match (self, other) {
            (Wanted::Nothing, only) | (only, Wanted::Nothing) => only,
            (a, b) if a == b => a,
            _ => Wanted::All,
        }
    }
}
