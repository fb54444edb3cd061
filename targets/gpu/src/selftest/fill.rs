//! What small instructions compute with: extremes of every type among numbers of every size.

use quant::Op;
use quant::bits::used;
use quant::hash::mix;
use quant::mem::DType;
use quant::operand::{BlobOperand, Layout, SlotOperand};
use quant::ops::BinaryLinear;

/// Neighbours that are of one kind: all the least, all the greatest, both, or small with few
/// extremes among them.
const KIND: u32 = 24;

/// An element of `bits` bits of the kind that `neighbours` draw together, itself drawn as `draw`.
fn value(neighbours: u64, draw: u64, bits: u32) -> i32 {
    let least = i32::MIN >> (32 - bits);
    let extreme = if draw >> 63 == 0 { least } else { !least };
    match neighbours % 8 {
        0 => least,
        1 => !least,
        2 => extreme,
        _ if draw.is_multiple_of(32) => extreme,
        kind => (draw >> 8) as i32 >> (32 - bits + (kind as u32 - 3) * bits / 8),
    }
}

/// Writes what `slot`, number `number` of the slots of `op`, holds before the run to `bytes`.
pub(super) fn slot(op: &Op, number: usize, slot: &SlotOperand, seed: i32, bytes: &mut [u8]) {
    let size = slot.dtype.size();
    let group = group(op, number);
    let mut neighbours = 0;
    for (index, element) in (0u32..).zip(bytes.chunks_exact_mut(size as usize)) {
        if index.is_multiple_of(KIND) {
            neighbours = mix(index, !seed);
        }
        let value = match slot.dtype {
            DType::U32 => mix(index, seed) as i32 & used(index, group).cast_signed(),
            DType::U8 | DType::I8 | DType::I16 | DType::I32 => value(neighbours, mix(index, seed), 8 * size),
        };
        element.copy_from_slice(&value.to_le_bytes()[..size as usize]);
    }
}

/// Bits that begin a word each in slot number `number` of `op`: behind the last of them lie zeros.
fn group(op: &Op, number: usize) -> u32 {
    match op {
        Op::BinaryLinear(op) => op.group,
        Op::BitTranspose(op) => op.group,
        // Queries and keys, and for each channel of the values all keys.
        Op::BinaryAttention(op) => {
            if number < 2 {
                op.head_dim
            } else {
                op.keys
            }
        }
        Op::Tile(_)
        | Op::Linear(_)
        | Op::Conv2d(_)
        | Op::MatMul(_)
        | Op::Attention(_)
        | Op::Shiftmax(_)
        | Op::ShiftGelu(_)
        | Op::Table(_)
        | Op::Relu(_)
        | Op::LayerNorm(_)
        | Op::Add(_)
        | Op::Requantize(_)
        | Op::MeanTokens(_)
        | Op::QuantizeImage(_)
        | Op::Permute(_)
        | Op::Gather(_)
        | Op::Load(_)
        | Op::Binarize(_)
        | Op::Interpolate(_)
        | Op::Mul(_)
        | Op::RmsNorm(_)
        | Op::Rotary(_)
        | Op::GroupNorm(_)
        | Op::ResponseNorm(_)
        | Op::Div(_) => u32::BITS,
    }
}

/// The constant `blob` of `op`, made of `own`, that of the instruction in whose place `op` is: its
/// elements over and over.
pub(super) fn constant(op: &Op, blob: &BlobOperand, own: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = own.iter().copied().cycle().take(blob.bytes() as usize).collect();
    match (op, blob.matrix.map(|matrix| (matrix.layout, matrix.k))) {
        // A channel of the greatest weights and one of the least.
        (_, Some((Layout::Int8(_), k))) => {
            for (channel, weight) in bytes.chunks_exact_mut(k as usize).zip([i8::MAX, -i8::MAX]) {
                channel.fill(weight.cast_unsigned());
            }
        }
        (&Op::BinaryLinear(BinaryLinear { group, .. }), Some((Layout::Bits(_), words))) => {
            for (index, word) in (0..).zip(bytes.chunks_exact_mut(4)) {
                let bits = mix(index, 0) as u32 & used(index % words, group);
                word.copy_from_slice(&bits.to_le_bytes());
            }
        }
        (Op::Gather(op), None) => {
            for (index, word) in (0..).zip(bytes.chunks_exact_mut(4)) {
                word.copy_from_slice(&(mix(index, 0) as u32 % op.source_rows).to_le_bytes());
            }
        }
        // Shifts: kernels differ by the least of them.
        (_, None) if blob.dtype == DType::U8 => {
            if let (Some(first), Some(&least)) = (bytes.first_mut(), own.iter().min()) {
                *first = least;
            }
        }
        (_, None | Some((Layout::Bits(_), _))) => {}
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_elements_hold_the_extremes_and_small_numbers() {
        for bits in [8, 16, 32] {
            let values: Vec<i32> =
                (0..300).map(|index| value(mix(index / KIND, 0), mix(index, 1), bits)).collect();
            let greatest = i32::MAX >> (32 - bits);
            for of in [greatest, !greatest] {
                assert!(values.contains(&of), "{of} of {bits} bits");
            }
            assert!(values.iter().all(|&value| (!greatest..=greatest).contains(&value)), "{bits} bits");
            let small =
                values.iter().filter(|&&value| value.unsigned_abs() <= greatest.unsigned_abs() / 8).count();
            assert!(small > 60, "{small} of {bits} bits");
        }
    }
}
