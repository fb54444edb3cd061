//! From the quantized graph to instructions over virtual memory.

mod attention;
mod binary;
mod layers;
mod lowering;
mod movement;
mod norm;
mod paired;
mod products;
mod rotary;
mod scales;
mod values;

pub use lowering::LowerOptions;

use program::{Draft, InputSpec, OutputSpec, ProgramError};
use quant::Op;
use quant::mem::DType;
use quant::ops::{Act, Add, Addend, QuantizeImage, ShiftGelu};
use runtime::{FloatBits, InputKind, Note, SlotHandle};

use crate::error::ConvertError;
use crate::graph::{Graph, Node, TensorId};
use lowering::Lowering;

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
    lowering.notes()?;
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
            let scale = FloatBits((self.scale(output.tensor) as f32).to_bits());
            let spec =
                OutputSpec { name: output.name.clone(), slot, kind: output.kind, shape: output.shape, scale };
            self.draft.outputs.push(spec);
        }
        Ok(())
    }

    fn notes(&mut self) -> Result<(), ConvertError> {
        let graph = self.graph;
        for (index, described) in graph.outputs.iter().enumerate() {
            let Some(ending) = described.ending else { continue };
            let many = |_| ProgramError::TooLarge { what: "the number of outputs" };
            let output = u16::try_from(index).map_err(many)?;
            self.draft.notes.push(&Note::Ending { output, ending })?;
        }
        for (class, name) in (0u32..).zip(&graph.labels).filter(|(_, name)| !name.is_empty()) {
            self.draft.notes.push(&Note::Label { class, name })?;
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
            Node::Div { x, y, out } => self.div(index, *x, *y, *out),
            Node::ResponseNorm { x, out, eps } => self.response_norm(*x, *out, *eps),
            Node::LayerNorm { .. } => self.layer_norm(&graph.nodes[index]),
            Node::GroupNorm { .. } => self.group_norm(&graph.nodes[index]),
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
            Node::Rotary { .. } => self.rotary(&graph.nodes[index]),
        }
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
            Node::Mul { y, out, .. } | Node::Div { y, out, .. }
                if graph.tensors[*y].rows != graph.tensors[*out].rows =>
            {
                (Wanted::All, false)
            }
            Node::Linear { .. }
            | Node::LayerNorm { .. }
            | Node::Mul { .. }
            | Node::Div { .. }
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
            | Node::GroupNorm { .. }
            | Node::AddConstant { .. }
            | Node::MatMul { .. }
            | Node::Softmax { .. }
            | Node::Mean { .. }
            | Node::ResponseNorm { .. }
            | Node::Rows { .. }
            | Node::Permute { .. }
            | Node::Gather { .. }
            | Node::Rotary { .. } => (Wanted::All, false),
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
