//! Bits: signs, layers of ±1 weights, attention over signs.

use program::Region;
use quant::Op;
use quant::bits::{BitPack, place, row_words};
use quant::mem::Slot;
use quant::ops::{
    Act, Binarize, BinaryAttention, BinaryAttentionDestination, BinaryLinear, BinaryOut, BitAct, BitOut,
    BitTranspose,
};

use super::lowering::{Lowering, Place};
use crate::error::ConvertError;
use crate::graph::{BinaryWeights, Node, Strided, Sums, TensorId, Width};

impl Lowering<'_> {
    /// Words of a row of the signs `id`.
    pub(super) fn words(&self, id: TensorId) -> Result<u32, ConvertError> {
        let tensor = &self.graph.tensors[id];
        row_words(tensor.width, tensor.group)
            .ok_or_else(|| self.width_error(id, "a whole number of groups wide"))
    }

    /// The bit rows of `signs` that an operation making `out` row by row reads or writes.
    fn bit_rows(&mut self, signs: TensorId, out: TensorId) -> Result<Slot<u32>, ConvertError> {
        let words = self.words(signs)?;
        let region = self.place(signs)?.region;
        Ok(region.part(self.skipped(signs, out) * words, self.rows(out) * words))
    }

    /// Rows of `x` before those that an operation making `out` row by row reads.
    fn skipped(&self, x: TensorId, out: TensorId) -> u32 {
        match (self.needed[x], self.needed[out]) {
            (None, Some(row)) => row,
            _ => 0,
        }
    }

    /// Which elements of a ternary tensor are not 0, as [`Self::bit_rows`].
    fn nonzero_rows(&mut self, signs: TensorId, out: TensorId) -> Result<Slot<u32>, ConvertError> {
        let words = self.words(signs)?;
        let region = self.nonzero_region(signs)?;
        Ok(region.part(self.skipped(signs, out) * words, self.rows(out) * words))
    }

    fn nonzero_region(&mut self, id: TensorId) -> Result<Region, ConvertError> {
        if let Some(region) = self.nonzero[id] {
            return Ok(region);
        }
        let words = u64::from(self.rows(id)) * u64::from(self.words(id)?);
        let region = self.draft.region::<u32>(words)?;
        self.nonzero[id] = Some(region);
        Ok(region)
    }

    fn sign_output(&mut self, out: TensorId, high: &[i32]) -> Result<BitOut, ConvertError> {
        let (bits, group) = (self.graph.tensors[out].bits, self.graph.tensors[out].group);
        match bits {
            Width::Sign => {
                let high = self.draft.blobs.push(high);
                Ok(BitOut::Sign { out: self.bit_rows(out, out)?, group, high })
            }
            Width::I8 | Width::I16 | Width::I32 | Width::Ternary => Err(self.width_error(out, "signs")),
        }
    }

    pub(super) fn binarize(&mut self, x: TensorId, out: TensorId, high: &[i32]) -> Result<(), ConvertError> {
        let op = Binarize {
            rows: self.rows(out),
            width: self.graph.tensors[out].width,
            x: self.read(x, out)?,
            out: self.sign_output(out, high)?,
        };
        self.draft.push(self.name(out), Op::Binarize(op));
        Ok(())
    }

    pub(super) fn binary_linear(
        &mut self,
        x: TensorId,
        out: TensorId,
        weights: &BinaryWeights,
    ) -> Result<(), ConvertError> {
        let (name, made) = (self.name(out), out);
        let read = match self.graph.tensors[x].bits {
            Width::Sign => BitAct::Sign(self.bit_rows(x, out)?),
            Width::Ternary => {
                BitAct::Ternary { sign: self.bit_rows(x, out)?, nonzero: self.nonzero_rows(x, out)? }
            }
            Width::I8 | Width::I16 | Width::I32 => match self.read(x, out)? {
                Act::I8(slot) => BitAct::I8(slot),
                Act::I16(slot) => BitAct::I16(slot),
                Act::I32(_) => return Err(self.width_error(x, "int8 or int16")),
            },
        };
        let group = match read {
            BitAct::Sign(_) | BitAct::Ternary { .. } => self.graph.tensors[x].group,
            BitAct::I8(_) | BitAct::I16(_) => weights.k,
        };
        let (name, out) = match &weights.sums {
            Sums::Signs { high } => (name, BinaryOut::Bits(self.sign_output(out, high)?)),
            Sums::Dense { up, bias, accumulator_scales } => {
                let requant = self.per_channel(&name, (bias, accumulator_scales), self.scale(out))?;
                let (name, out) = self.dense_epilogue(name, out)?;
                let out = match *up {
                    0 => BinaryOut::Dense { requant, out },
                    up => BinaryOut::Shifted { up, requant, out },
                };
                (name, out)
            }
        };
        let op = BinaryLinear {
            rows: self.rows(made),
            k: weights.k,
            n: weights.n,
            group,
            x: read,
            weights: self.draft.blobs.push(&packed(weights, group)),
            pack: BitPack::Rows,
            out,
        };
        self.draft.push(name, Op::BinaryLinear(op));
        Ok(())
    }

    pub(super) fn binary_attention(&mut self, node: &Node) -> Result<(), ConvertError> {
        let Node::BinaryAttention { q, k, v, keys, out, heads, head_dim, ref distance } = *node else {
            return Ok(());
        };
        let (name, row) = (self.name(out), heads * head_dim.div_ceil(u32::BITS));
        let values = self.values(v, keys, heads * head_dim, head_dim, &name)?;
        let queries = self.rows(out);
        let first = self.needed[out].unwrap_or(0);
        let (q, q_stride) = self.heads(q, head_dim, (first, queries), row)?;
        let (k, k_stride) = self.heads(k, head_dim, (0, keys), row)?;
        let destination = match self.graph.tensors[out].bits {
            Width::Ternary => BinaryAttentionDestination::Ternary {
                sign: self.bit_rows(out, out)?,
                nonzero: self.nonzero_rows(out, out)?,
            },
            Width::I16 => BinaryAttentionDestination::I16(self.i16(out)?),
            Width::I8 | Width::I32 | Width::Sign => return Err(self.width_error(out, "ternary or int16")),
        };
        let selected = self.draft.region::<u32>(keys.div_ceil(u32::BITS).into())?.slot();
        let op = BinaryAttention {
            queries,
            keys,
            heads,
            head_dim,
            q,
            q_stride,
            k,
            k_stride,
            v: values,
            distance: self.draft.blobs.push(distance),
            out: destination,
            selected,
        };
        self.draft.push(name, Op::BinaryAttention(op));
        Ok(())
    }

    /// The values of an attention as one bit row of all keys for each channel.
    fn values(
        &mut self,
        v: Strided,
        keys: u32,
        width: u32,
        group: u32,
        name: &str,
    ) -> Result<Slot<u32>, ConvertError> {
        let row = width / group * group.div_ceil(u32::BITS);
        let (x, stride) = self.heads(v, group, (0, keys), row)?;
        let words = u64::from(width) * u64::from(keys.div_ceil(u32::BITS));
        let out = self.draft.region::<u32>(words)?.slot();
        let op = BitTranspose { rows: keys, width, group, x, stride, out };
        self.draft.push(format!("{name}.values"), Op::BitTranspose(op));
        Ok(out)
    }

    /// `rows` (the first, and how many) of queries, keys or values, `words` words of each,
    /// and the words from one row to the next.
    fn heads(
        &mut self,
        part: Strided,
        head_dim: u32,
        (first, rows): (u32, u32),
        words: u32,
    ) -> Result<(Slot<u32>, u32), ConvertError> {
        let Strided { tensor: id, offset, batch, row } = part;
        let tensor = &self.graph.tensors[id];
        let offset = offset as u32;
        let side_by_side = batch == head_dim as usize && row == tensor.width as usize;
        let whole = tensor.bits == Width::Sign && tensor.group == head_dim && offset.is_multiple_of(head_dim);
        if !(side_by_side && whole && offset < tensor.width) {
            return Err(self.width_error(id, "signs with the heads of each row side by side"));
        }
        let stride = self.words(id)?;
        let Place { region, .. } = self.place(id)?;
        let start = first * stride + offset / head_dim * head_dim.div_ceil(u32::BITS);
        Ok((region.part(start, (rows - 1) * stride + words), stride))
    }
}

/// Bit rows of the weights, grouped as the activations.
fn packed(weights: &BinaryWeights, group: u32) -> Vec<u32> {
    let words = row_words(weights.k, group).unwrap_or(0) as usize;
    let mut bits = vec![0u32; weights.n as usize * words];
    for (row, channel) in weights.positive.chunks(weights.k as usize).zip(bits.chunks_mut(words.max(1))) {
        for (column, _) in row.iter().enumerate().filter(|(_, positive)| **positive) {
            let (word, bit) = place(column, group as usize);
            channel[word] |= 1 << bit;
        }
    }
    bits
}
