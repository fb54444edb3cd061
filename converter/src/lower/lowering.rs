//! A lowering in progress: which memory each tensor has, and who may take it.

use program::{Draft, Region};
use quant::Op;
use quant::mem::Slot;
use quant::ops::{Act, Permute};

use crate::error::ConvertError;
use crate::graph::{Graph, Node, Part, Strided, TensorId, Width};

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
pub(super) struct Place {
    pub(super) region: Region,
    pub(super) start: u32,
}

/// What integers are, for messages.
pub(super) const INTEGERS: &str = "integers, not signs";

/// A lowering in progress.
pub(super) struct Lowering<'g> {
    pub(super) graph: &'g Graph,
    pub(super) options: LowerOptions,
    pub(super) draft: Draft,
    pub(super) places: Vec<Option<Place>>,
    /// Where it is kept which elements of a ternary tensor are not 0.
    pub(super) nonzero: Vec<Option<Region>>,
    /// Nodes that read each tensor.
    pub(super) readers: Vec<Vec<usize>>,
    /// Nodes absorbed into an earlier one.
    pub(super) absorbed: Vec<bool>,
    /// The only row of each tensor that anything reads, where it is one.
    pub(super) needed: Vec<Option<u32>>,
}

impl Lowering<'_> {
    /// The place of tensor `id`, made if it has none. The input of a class token lies in its output.
    pub(super) fn place(&mut self, id: TensorId) -> Result<Place, ConvertError> {
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
    pub(super) fn joined(&self, id: TensorId) -> Option<(TensorId, u32)> {
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

    pub(super) fn part_len(&self, part: &Part) -> u32 {
        match part {
            Part::Tensor(id) => self.graph.tensors[*id].rows * self.graph.tensors[*id].width,
            Part::Constant(values) => values.len() as u32,
        }
    }

    /// A part of a tensor of rows of `width` elements, int8.
    pub(super) fn strided(&mut self, part: Strided, rows: u32, width: u32) -> Result<Slot<i8>, ConvertError> {
        if self.graph.tensors[part.tensor].bits != Width::I8 {
            return Err(self.width_error(part.tensor, "int8"));
        }
        let Place { region, start } = self.place(part.tensor)?;
        Ok(region.part(start + part.offset as u32, (rows - 1) * part.row as u32 + width))
    }

    /// The rows of tensor `id` that are computed.
    pub(super) fn rows(&self, id: TensorId) -> u32 {
        if self.needed[id].is_some() { 1 } else { self.graph.tensors[id].rows }
    }

    /// Tensor `id` as activations: all rows, or the only one computed.
    pub(super) fn act(&mut self, id: TensorId) -> Result<Act, ConvertError> {
        let len = self.rows(id) * self.graph.tensors[id].width;
        let Place { region, start } = self.place(id)?;
        self.part(id, region, start, len)
    }

    /// `len` elements of a region from element `start` on, of the type of tensor `id`.
    pub(super) fn part(
        &self,
        id: TensorId,
        region: Region,
        start: u32,
        len: u32,
    ) -> Result<Act, ConvertError> {
        Ok(match self.graph.tensors[id].bits {
            Width::I8 => Act::I8(region.part(start, len)),
            Width::I16 => Act::I16(region.part(start, len)),
            Width::I32 => Act::I32(region.part(start, len)),
            Width::Sign | Width::Ternary => return Err(self.width_error(id, INTEGERS)),
        })
    }

    /// Where the rows of `x` lie that an operation making `out` row by row reads.
    pub(super) fn source(&mut self, x: TensorId, out: TensorId) -> Result<Place, ConvertError> {
        let Place { region, start } = self.place(x)?;
        let skipped = match (self.needed[x], self.needed[out]) {
            (None, Some(row)) => row * self.graph.tensors[x].width,
            _ => 0,
        };
        Ok(Place { region, start: start + skipped })
    }

    /// The rows of `x` that an operation making `out` row by row reads, as activations.
    pub(super) fn read(&mut self, x: TensorId, out: TensorId) -> Result<Act, ConvertError> {
        let Place { region, start } = self.source(x, out)?;
        let len = self.rows(out) * self.graph.tensors[x].width;
        self.part(x, region, start, len)
    }

    pub(super) fn i8(&mut self, id: TensorId) -> Result<Slot<i8>, ConvertError> {
        match self.act(id)? {
            Act::I8(slot) => Ok(slot),
            _ => Err(self.width_error(id, "int8")),
        }
    }

    pub(super) fn i16(&mut self, id: TensorId) -> Result<Slot<i16>, ConvertError> {
        match self.act(id)? {
            Act::I16(slot) => Ok(slot),
            _ => Err(self.width_error(id, "int16")),
        }
    }

    pub(super) fn width_error(&self, id: TensorId, expected: &str) -> ConvertError {
        ConvertError::Config { reason: format!("`{}` must be {expected}", self.graph.tensors[id].name) }
    }

    pub(super) fn name(&self, id: TensorId) -> String {
        self.graph.tensors[id].name.clone()
    }

    pub(super) fn scale(&self, id: TensorId) -> f64 {
        self.graph.tensors[id].scale
    }

    /// Makes `out` lie where `x` lies, for an operation in place; copies `x` first when a
    /// later node still reads it.
    pub(super) fn alias(&mut self, node: usize, x: TensorId, out: TensorId) -> Result<(), ConvertError> {
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
    pub(super) fn dies(&self, x: TensorId, node: usize) -> bool {
        let Some(Place { region, .. }) = self.places[x] else { return false };
        let shares = |id: &TensorId| self.places[*id].is_some_and(|place| place.region.base == region.base);
        let mut sharing = (0..self.places.len()).filter(shares);
        sharing.all(|id| {
            let read_before = |&reader: &usize| reader <= node || self.absorbed[reader];
            self.readers[id].iter().all(read_before)
                && self.graph.outputs.iter().all(|output| output.tensor != id)
        })
    }
}
