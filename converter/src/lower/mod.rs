//! From the quantized graph to instructions over virtual memory.

mod attention;
mod binary;
mod movement;
mod norm;
mod products;
mod scales;
mod values;

use quant::Op;
use quant::mem::{DType, Slot};
use quant::ops::{
    Act, Add, Addend, Conv2d, Destination, Linear, PerChannel, Permute, QuantizeImage, Residual, ShiftGelu,
};
use quant::pack::Pack;
use runtime::{Bits, InputKind, SlotHandle};

use crate::error::ConvertError;
use crate::graph::{Geometry, Graph, Node, Part, Strided, TensorId, Weights, Width};
use program::{Draft, InputSpec, OutputSpec, Region};

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

/// What integers are, for messages.
const INTEGERS: &str = "integers, not signs";

/// A lowering in progress.
struct Lowering<'g> {
    graph: &'g Graph,
    options: LowerOptions,
    draft: Draft,
    places: Vec<Option<Place>>,
    /// Where it is kept which elements of a ternary tensor are not 0.
    nonzero: Vec<Option<Region>>,
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
        nonzero: vec![None; graph.tensors.len()],
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
    lowering.outputs()?;
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

    fn outputs(&mut self) -> Result<(), ConvertError> {
        let graph = self.graph;
        for output in &graph.outputs {
            let slot = match self.act(output.tensor)? {
                Act::I8(slot) => SlotHandle { dtype: DType::I8, offset: slot.offset, len: slot.len },
                Act::I16(slot) => SlotHandle { dtype: DType::I16, offset: slot.offset, len: slot.len },
                Act::I32(slot) => SlotHandle { dtype: DType::I32, offset: slot.offset, len: slot.len },
            };
            let scale = Bits((self.scale(output.tensor) as f32).to_bits());
            let spec =
                OutputSpec { name: output.name.clone(), slot, kind: output.kind, shape: output.shape, scale };
            self.draft.outputs.push(spec);
        }
        Ok(())
    }

    fn node(&mut self, index: usize) -> Result<(), ConvertError> {
        let graph = self.graph;
        match &graph.nodes[index] {
            Node::QuantizeImage { x, out, tables } => self.quantize_image(*x, *out, tables),
            Node::Conv { x, out, geometry, weights } => self.conv(*x, *out, geometry, weights),
            Node::Linear { x, out, weights } => self.linear(*x, *out, weights),
            Node::Concat { parts, out } => self.concat(parts, *out),
            Node::AddConstant { x, out, values, scale } => self.add_constant(index, *x, *out, values, *scale),
            Node::Add { x, y, out } => self.add(index, *x, *y, *out),
            Node::Mul { x, y, out } => self.mul(index, *x, *y, *out),
            Node::LayerNorm { x, out, gamma, beta, eps } => self.layer_norm(*x, *out, gamma, beta, *eps),
            Node::Attention {
                q,
                k,
                v,
                keys,
                out,
                heads,
                head_dim,
                product_scales,
                score_scale,
                exponential,
            } => self.attention(attention::Heads {
                q: *q,
                k: *k,
                v: *v,
                keys: *keys,
                out: *out,
                heads: *heads,
                head_dim: *head_dim,
                products: product_scales,
                score: *score_scale,
                exponential: *exponential,
            }),
            Node::ShiftGelu { x, out, bits } => self.shift_gelu(index, *x, *out, *bits),
            Node::Rows { x, out, start } => self.sub_rows(*x, *out, *start),
            Node::MatMul { .. } => self.matmul(&graph.nodes[index]),
            Node::Softmax { x, out, width, exponential } => self.softmax(*x, *out, *width, *exponential),
            Node::Table { x, out, table } => self.table(index, *x, *out, table),
            Node::Interpolate { x, out, table } => self.interpolate(index, *x, *out, table),
            Node::Binarize { x, out, high } => self.binarize(*x, *out, high),
            Node::BinaryLinear { x, out, weights } => self.binary_linear(*x, *out, weights),
            Node::BinaryAttention { .. } => self.binary_attention(&graph.nodes[index]),
            Node::Relu { x, out } => self.relu(index, *x, *out),
            Node::Requantize { x, out, ratios, bias } => self.requantize(*x, *out, ratios, bias),
            Node::Mean { x, out } => self.mean(*x, *out),
            Node::Permute { x, out, offset, shape, strides } => {
                self.permute(*x, *out, *offset, *shape, *strides)
            }
            Node::Gather { x, out, rows } => self.gather(*x, *out, rows),
        }
    }

    /// The place of tensor `id`, made if it has none. The input of a class token lies in its output.
    fn place(&mut self, id: TensorId) -> Result<Place, ConvertError> {
        if let Some(place) = self.places[id] {
            return Ok(place);
        }
        let tensor = &self.graph.tensors[id];
        let place = match self.joined(id) {
            Some((out, before)) => {
                let Place { region, start } = self.place(out)?;
                Place { region, start: start + before }
            }
            None => {
                let elements = u64::from(self.rows(id)) * u64::from(tensor.width);
                let region = match tensor.bits {
                    Width::I8 => self.draft.region::<i8>(elements)?,
                    Width::I16 => self.draft.region::<i16>(elements)?,
                    Width::I32 => self.draft.region::<i32>(elements)?,
                    Width::Sign | Width::Ternary => {
                        let words = u64::from(self.words(id)?);
                        self.draft.region::<u32>(u64::from(self.rows(id)) * words)?
                    }
                };
                Place { region, start: 0 }
            }
        };
        self.places[id] = Some(place);
        Ok(place)
    }

    /// The concatenation that tensor `id` is made in, and the elements before it there: its
    /// largest part, if nothing else reads that.
    fn joined(&self, id: TensorId) -> Option<(TensorId, u32)> {
        let &[reader] = self.readers[id].as_slice() else { return None };
        let Node::Concat { parts, out } = &self.graph.nodes[reader] else { return None };
        let is_output = self.graph.outputs.iter().any(|output| output.tensor == id);
        let tensors = parts.iter().filter(|part| matches!(part, Part::Tensor(_)));
        let largest = tensors.map(|part| self.part_len(part)).max()?;
        let is_made_there = |part: &&Part| matches!(part, Part::Tensor(_)) && self.part_len(part) == largest;
        let first = parts.iter().find(is_made_there);
        if is_output || !matches!(first, Some(Part::Tensor(x)) if *x == id) {
            return None;
        }
        let before = parts.iter().take_while(|part| !is_made_there(part));
        Some((*out, before.map(|part| self.part_len(part)).sum()))
    }

    fn part_len(&self, part: &Part) -> u32 {
        match part {
            Part::Tensor(id) => self.graph.tensors[*id].rows * self.graph.tensors[*id].width,
            Part::Constant(values) => values.len() as u32,
        }
    }

    /// A part of a tensor of rows of `width` elements, int8.
    fn strided(&mut self, part: Strided, rows: u32, width: u32) -> Result<Slot<i8>, ConvertError> {
        if self.graph.tensors[part.tensor].bits != Width::I8 {
            return Err(self.width_error(part.tensor, "int8"));
        }
        let Place { region, start } = self.place(part.tensor)?;
        Ok(region.part(start + part.offset as u32, (rows - 1) * part.row as u32 + width))
    }

    /// The rows of tensor `id` that are computed.
    fn rows(&self, id: TensorId) -> u32 {
        if self.needed[id].is_some() { 1 } else { self.graph.tensors[id].rows }
    }

    /// Tensor `id` as activations: all rows, or the only one computed.
    fn act(&mut self, id: TensorId) -> Result<Act, ConvertError> {
        let len = self.rows(id) * self.graph.tensors[id].width;
        let Place { region, start } = self.place(id)?;
        self.part(id, region, start, len)
    }

    /// `len` elements of a region from element `start` on, of the type of tensor `id`.
    fn part(&self, id: TensorId, region: Region, start: u32, len: u32) -> Result<Act, ConvertError> {
        Ok(match self.graph.tensors[id].bits {
            Width::I8 => Act::I8(region.part(start, len)),
            Width::I16 => Act::I16(region.part(start, len)),
            Width::I32 => Act::I32(region.part(start, len)),
            Width::Sign | Width::Ternary => return Err(self.width_error(id, INTEGERS)),
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
        let len = self.rows(out) * self.graph.tensors[x].width;
        self.part(x, region, start, len)
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
        if self.dies(x, node) {
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

    /// Whether nothing after `node` reads the memory of `x`: neither `x` itself nor a view,
    /// a neighbour in a concatenation, or a program output that lies in the same region.
    fn dies(&self, x: TensorId, node: usize) -> bool {
        let Some(Place { region, .. }) = self.places[x] else { return false };
        let shares = |id: &TensorId| self.places[*id].is_some_and(|place| place.region.base == region.base);
        let mut sharing = (0..self.places.len()).filter(shares);
        sharing.all(|id| {
            let read_before = |&reader: &usize| reader <= node || self.absorbed[reader];
            self.readers[id].iter().all(read_before)
                && self.graph.outputs.iter().all(|output| output.tensor != id)
        })
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
        (bias, accumulator_scales): (&[i32], &[f64]),
        out_scale: f64,
    ) -> Result<PerChannel, ConvertError> {
        let ratios = accumulator_scales.iter().map(|s| s / out_scale);
        let scale = scales::channels(&mut self.draft.blobs, name, ratios)?;
        Ok(PerChannel { bias: self.draft.blobs.push(bias), scale })
    }

    fn destination(&mut self, out: TensorId) -> Result<Destination, ConvertError> {
        Ok(match self.act(out)? {
            Act::I8(out) => Destination::I8 { out, table: None },
            Act::I16(out) => Destination::I16 { out, residual: None },
            Act::I32(out) => Destination::I32 { out },
        })
    }

    /// The name and destination of a layer that makes `out`, the table behind it included
    /// where only that reads `out`.
    fn epilogue(&mut self, name: String, out: TensorId) -> Result<(String, Destination), ConvertError> {
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

    fn conv(
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

    fn linear(&mut self, x: TensorId, out: TensorId, weights: &Weights) -> Result<(), ConvertError> {
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
    fn dense_epilogue(&mut self, name: String, out: TensorId) -> Result<(String, Destination), ConvertError> {
        let residual = if self.options.fuse { self.residual_of(out)? } else { None };
        match residual {
            Some((sum, destination)) => Ok((self.name(sum), destination)),
            None => self.epilogue(name, out),
        }
    }

    /// Where `branch` is only added to a stream that dies there: the sum, and the
    /// destination that adds it in place. Absorbs the addition.
    fn residual_of(&mut self, branch: TensorId) -> Result<Option<(TensorId, Destination)>, ConvertError> {
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
}

/// The only row of each tensor that is read, directly or through operations that work
/// row by row: behind the last attention of a classifier, that of the class token.
pub(crate) fn needed_rows(graph: &Graph) -> Vec<Option<u32>> {
    let mut wanted: Vec<Wanted> = vec![Wanted::Nothing; graph.tensors.len()];
    for output in &graph.outputs {
        wanted[output.tensor] = Wanted::All;
    }
    for node in graph.nodes.iter().rev() {
        let made = wanted[node.output()];
        let (input, by_row) = match node {
            Node::Rows { start, out, .. } if graph.tensors[*out].rows == 1 => (Wanted::Row(*start), true),
            Node::LayerNorm { out, gamma, .. } if gamma.len() != graph.tensors[*out].width as usize => {
                (Wanted::All, false)
            }
            Node::Mul { y, out, .. } if graph.tensors[*y].rows != graph.tensors[*out].rows => {
                (Wanted::All, false)
            }
            Node::Linear { .. }
            | Node::LayerNorm { .. }
            | Node::Mul { .. }
            | Node::ShiftGelu { .. }
            | Node::Table { .. }
            | Node::Interpolate { .. }
            | Node::Binarize { .. }
            | Node::BinaryLinear { .. }
            | Node::Relu { .. }
            | Node::Requantize { .. }
            | Node::Add { .. } => (made, true),
            Node::Attention { q, k, v, head_dim, .. } => {
                (Wanted::All, attention::fusable([q, k, v], *head_dim))
            }
            Node::BinaryAttention { .. } => (Wanted::All, true),
            Node::QuantizeImage { .. }
            | Node::Conv { .. }
            | Node::Concat { .. }
            | Node::AddConstant { .. }
            | Node::MatMul { .. }
            | Node::Softmax { .. }
            | Node::Mean { .. }
            | Node::Rows { .. }
            | Node::Permute { .. }
            | Node::Gather { .. } => (Wanted::All, false),
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
