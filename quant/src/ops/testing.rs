//! Constants and an arena for tests that run whole records.

use std::{vec, vec::Vec};

use crate::error::Fault;
use crate::kernels::Reference;
use crate::mem::{Blob, Element, Memory, Slot, Window};
use crate::op::Op;
use crate::ops::Act;

/// Bytes aligned to 8.
#[derive(Clone)]
pub struct Buffer {
    words: Vec<u64>,
    len: usize,
}

impl Buffer {
    pub fn new() -> Self {
        Self { words: Vec::new(), len: 0 }
    }

    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.len]
    }

    fn push<T: Element>(&mut self, values: &[T]) -> (u32, u32) {
        let offset = self.words.len() * 8;
        let bytes: &[u8] = bytemuck::cast_slice(values);
        self.words.extend(vec![0; bytes.len().div_ceil(8)]);
        self.len = self.words.len() * 8;
        self.bytes_mut()[offset..][..bytes.len()].copy_from_slice(bytes);
        (offset as u32, values.len() as u32)
    }

    pub fn blob<T: Element>(&mut self, values: &[T]) -> Blob<T> {
        let (offset, len) = self.push(values);
        Blob::new(offset, len)
    }

    pub fn slot<T: Element>(&mut self, values: &[T]) -> Slot<T> {
        let (offset, len) = self.push(values);
        Slot::new(offset, len)
    }

    pub fn get<T: Element>(&self, slot: Slot<T>) -> Vec<T> {
        bytemuck::cast_slice(&self.bytes()[slot.offset as usize..][..slot.bytes() as usize]).to_vec()
    }

    /// Stores `values` as int16 if `wide`, else truncated to int8, and gives them as they are there.
    pub fn act(&mut self, values: &[i16], wide: bool) -> (Act, Vec<i16>) {
        if wide {
            return (Act::I16(self.slot(values)), values.to_vec());
        }
        let bytes: Vec<i8> = values.iter().map(|&v| v as i8).collect();
        (Act::I8(self.slot(&bytes)), bytes.into_iter().map(i16::from).collect())
    }

    pub fn values(&self, act: Act) -> Vec<i128> {
        match act {
            Act::I8(slot) => self.get(slot).into_iter().map(i128::from).collect(),
            Act::I16(slot) => self.get(slot).into_iter().map(i128::from).collect(),
            Act::I32(slot) => self.get(slot).into_iter().map(i128::from).collect(),
        }
    }
}

/// Runs `op` over a copy of `arena`, `tile` rows at a time.
pub fn run(op: impl Into<Op>, arena: &Buffer, consts: &Buffer, tile: u32) -> Result<Buffer, Fault> {
    let op = op.into();
    let mut arena = arena.clone();
    let mut memory = Memory::new(arena.bytes_mut(), consts.bytes());
    let total = op.rows();
    let mut start = 0;
    while start < total {
        let count = tile.min(total - start);
        op.run(&mut Reference, &mut memory, Window { start, count, total })?;
        start += count;
    }
    Ok(arena)
}

macro_rules! from_records {
    ($($name:ident),* $(,)?) => {
        $(impl From<super::$name> for Op {
            fn from(op: super::$name) -> Self {
                Op::$name(op)
            }
        })*
    };
}
crate::ops!(from_records);

/// A row of values −1, 0 and 1 as words: signs, and which are not 0.
pub fn pack_row(values: &[i64], group: usize) -> (Vec<u32>, Vec<u32>) {
    let words = crate::bits::row_words(values.len() as u32, group as u32).unwrap() as usize;
    let (mut sign, mut nonzero) = (vec![0u32; words], vec![0u32; words]);
    for (element, &value) in values.iter().enumerate() {
        let at = element / group * group.div_ceil(32) + element % group / 32;
        sign[at] |= u32::from(value == 1) << (element % group % 32);
        nonzero[at] |= u32::from(value != 0) << (element % group % 32);
    }
    (sign, nonzero)
}

/// Rows of `width` values as [`pack_row`] packs them.
pub fn pack_rows(values: &[i64], width: usize, group: usize) -> (Vec<u32>, Vec<u32>) {
    let (sign, nonzero): (Vec<_>, Vec<_>) = values.chunks(width).map(|row| pack_row(row, group)).unzip();
    (sign.concat(), nonzero.concat())
}

/// The largest integer whose square is not above `x`, by bisection.
pub fn root(x: u128) -> u128 {
    let (mut low, mut high) = (0u128, 1 << 63);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if middle * middle <= x { low = middle } else { high = middle - 1 }
    }
    low
}
