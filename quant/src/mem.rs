//! Typed handles into the two memories of a program, and access to them.
//!
//! A [`Slot`] is a range of the *arena*, the one mutable buffer the caller owns. A
//! [`Blob`] is a range of the *constants*, which stay where they are (flash, a
//! mapped file). Both hold byte offsets and element counts.

use core::marker::PhantomData;
use core::ops::Range;

use bytemuck::Pod;
use serde::{Deserialize, Serialize};

use crate::error::Fault;

/// Element types of slots and blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DType {
    /// Unsigned pixels.
    U8,
    /// Activations, weights.
    I8,
    /// Residual stream, 16-bit activations.
    I16,
    /// Accumulators, biases, logits.
    I32,
    /// Exponentials, indices, packed sign bits.
    U32,
}

impl DType {
    /// Size of one element in bytes.
    pub const fn size(self) -> u32 {
        match self {
            DType::U8 | DType::I8 => 1,
            DType::I16 => 2,
            DType::I32 | DType::U32 => 4,
        }
    }

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            DType::U8 => "u8",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::U32 => "u32",
        }
    }
}

/// A type that slots and blobs can hold.
pub trait Element: Pod {
    /// Its tag.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($type:ty => $tag:ident),*) => {
        $(impl Element for $type { const DTYPE: DType = DType::$tag; })*
    };
}
elements!(u8 => U8, i8 => I8, i16 => I16, i32 => I32, u32 => U32);

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(bound = "")]
        pub struct $name<T> {
            /// Byte offset from the start of the memory.
            pub offset: u32,
            /// Number of elements.
            pub len: u32,
            #[serde(skip)]
            element: PhantomData<fn() -> T>,
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $name<T> {}

        impl<T: Element> $name<T> {
            /// A handle to `len` elements at byte `offset`.
            pub const fn new(offset: u32, len: u32) -> Self {
                Self { offset, len, element: PhantomData }
            }

            /// Bytes covered; 64 bits because a hostile length may be anything.
            pub const fn bytes(&self) -> u64 {
                self.len as u64 * T::DTYPE.size() as u64
            }
        }
    };
}

/// The bytes of `len` elements of `size` bytes at byte `offset`.
// Like the other functions here that know no type, one copy for all ops: firmware is small.
#[inline(never)]
fn range(offset: u32, len: u32, size: u32) -> Result<Range<usize>, Fault> {
    let start = offset as usize;
    let len = (len as usize).checked_mul(size as usize).ok_or(Fault::Bounds)?;
    let end = start.checked_add(len).ok_or(Fault::Bounds)?;
    Ok(start..end)
}

handle! {
    /// A range of the arena holding elements of `T`.
    Slot
}
handle! {
    /// A range of the constants holding elements of `T`.
    Blob
}

impl<T: Element> Slot<T> {
    fn range(&self) -> Result<Range<usize>, Fault> {
        range(self.offset, self.len, T::DTYPE.size())
    }

    /// The `len` elements from element `start` on.
    pub fn sub(self, start: u32, len: u32) -> Result<Self, Fault> {
        Ok(Self::new(sub(self.offset, self.len, T::DTYPE.size(), start, len)?, len))
    }
}

/// The offset of the `len` elements from element `start` on, of `all` at `offset`.
#[inline(never)]
fn sub(offset: u32, all: u32, size: u32, start: u32, len: u32) -> Result<u32, Fault> {
    let end = start.checked_add(len).ok_or(Fault::Bounds)?;
    if end > all {
        return Err(Fault::Bounds);
    }
    let skip = start.checked_mul(size).ok_or(Fault::Bounds)?;
    offset.checked_add(skip).ok_or(Fault::Bounds)
}

/// The rows of an instruction that one step works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First row.
    pub start: u32,
    /// Number of rows, at least 1.
    pub count: u32,
    /// Rows of the whole instruction.
    pub total: u32,
}

impl Window {
    /// All rows of an instruction at once.
    pub const fn whole(total: u32) -> Self {
        Self { start: 0, count: total, total }
    }

    /// The part of `slot` that holds this window's rows of `width` elements each,
    /// `stride` elements apart. A slot long enough for every row is advanced to the
    /// window; a shorter one holds a single tile and is used from its start.
    pub fn of<T: Element>(self, slot: Slot<T>, stride: u32, width: u32) -> Result<Slot<T>, Fault> {
        let (start, len) = self.elements(slot.len, stride, width)?;
        slot.sub(start, len)
    }

    /// First element and number of elements of this window's rows in a slot of `len`.
    #[inline(never)]
    fn elements(self, len: u32, stride: u32, width: u32) -> Result<(u32, u32), Fault> {
        let full = span(self.total, stride, width).ok_or(Fault::Bounds)?;
        let start = if len == full { self.start.checked_mul(stride).ok_or(Fault::Bounds)? } else { 0 };
        Ok((start, span(self.count, stride, width).ok_or(Fault::Bounds)?))
    }
}

/// Elements from the first to the last of `rows` rows of `width`, `stride` apart;
/// `None` when zero rows or out of range.
pub const fn span(rows: u32, stride: u32, width: u32) -> Option<u32> {
    let Some(gaps) = rows.checked_sub(1) else { return None };
    let Some(skipped) = gaps.checked_mul(stride) else { return None };
    skipped.checked_add(width)
}

/// The arena and the constants of a running program.
pub struct Memory<'m> {
    arena: &'m mut [u8],
    blobs: &'m [u8],
}

/// What is left of the arena beside the slots that are borrowed mutably: read only.
pub struct Rest<'a> {
    parts: [(usize, &'a [u8]); 4],
}

impl<'m> Memory<'m> {
    /// Both memories; offsets in handles count from the starts of these slices.
    pub fn new(arena: &'m mut [u8], blobs: &'m [u8]) -> Self {
        Self { arena, blobs }
    }

    /// The constants' raw bytes.
    pub fn blobs(&self) -> &'m [u8] {
        self.blobs
    }

    /// A constant.
    pub fn blob<T: Element>(&self, blob: Blob<T>) -> Result<&'m [T], Fault> {
        read_blob(self.blobs, blob)
    }

    /// A slot to read or update, with nothing else of the arena.
    pub fn slot<T: Element>(&mut self, slot: Slot<T>) -> Result<&mut [T], Fault> {
        let bytes = self.arena.get_mut(slot.range()?).ok_or(Fault::Bounds)?;
        cast_mut(bytes)
    }

    /// One slot to write, and the rest of the arena to read.
    pub fn split<A: Element>(&mut self, a: Slot<A>) -> Result<(&mut [A], Rest<'_>), Fault> {
        let ([a], rest) = carve(self.arena, [a.range()?])?;
        Ok((cast_mut(a)?, rest))
    }

    /// Two disjoint slots to write, and the rest of the arena to read.
    pub fn split2<A: Element, B: Element>(
        &mut self,
        a: Slot<A>,
        b: Slot<B>,
    ) -> Result<(&mut [A], &mut [B], Rest<'_>), Fault> {
        let ([a, b], rest) = carve(self.arena, [a.range()?, b.range()?])?;
        Ok((cast_mut(a)?, cast_mut(b)?, rest))
    }

    /// Three disjoint slots to write, and the rest of the arena to read.
    #[expect(clippy::type_complexity, reason = "a tuple of what was asked for")]
    pub fn split3<A: Element, B: Element, C: Element>(
        &mut self,
        a: Slot<A>,
        b: Slot<B>,
        c: Slot<C>,
    ) -> Result<(&mut [A], &mut [B], &mut [C], Rest<'_>), Fault> {
        let ([a, b, c], rest) = carve(self.arena, [a.range()?, b.range()?, c.range()?])?;
        Ok((cast_mut(a)?, cast_mut(b)?, cast_mut(c)?, rest))
    }
}

impl<'a> Rest<'a> {
    /// A slot that overlaps none of the written ones.
    pub fn read<T: Element>(&self, slot: Slot<T>) -> Result<&'a [T], Fault> {
        bytemuck::try_cast_slice(self.bytes(slot.range()?)?).map_err(|_| Fault::Misaligned)
    }

    #[inline(never)]
    fn bytes(&self, range: Range<usize>) -> Result<&'a [u8], Fault> {
        for &(base, part) in &self.parts {
            let Some(start) = range.start.checked_sub(base) else { continue };
            let Some(end) = range.end.checked_sub(base) else { continue };
            if let Some(bytes) = part.get(start..end) {
                return Ok(bytes);
            }
        }
        Err(Fault::Overlap)
    }
}

/// The elements of `blob` in `blobs`.
pub fn read_blob<T: Element>(blobs: &[u8], blob: Blob<T>) -> Result<&[T], Fault> {
    bytemuck::try_cast_slice(part(blobs, blob.offset, blob.len, T::DTYPE.size())?)
        .map_err(|_| Fault::Misaligned)
}

#[inline(never)]
fn part(bytes: &[u8], offset: u32, len: u32, size: u32) -> Result<&[u8], Fault> {
    bytes.get(range(offset, len, size)?).ok_or(Fault::Bounds)
}

fn cast_mut<T: Element>(bytes: &mut [u8]) -> Result<&mut [T], Fault> {
    bytemuck::try_cast_slice_mut(bytes).map_err(|_| Fault::Misaligned)
}

/// Cuts `N ≤ 3` disjoint ranges out of `arena`; they come back in the order asked
/// for, with the `N + 1` gaps around them.
#[inline(never)]
fn carve<const N: usize>(
    arena: &mut [u8],
    ranges: [Range<usize>; N],
) -> Result<([&mut [u8]; N], Rest<'_>), Fault> {
    const { assert!(N <= 3) };
    let mut cut: [&mut [u8]; N] = [(); N].map(|()| -> &mut [u8] { &mut [] });
    let mut parts: [(usize, &[u8]); 4] = [(0, &[]); 4];
    let mut gaps = parts.iter_mut();
    let mut rest = arena;
    let mut base = 0usize;
    for _ in 0..N {
        // The lowest range not cut yet: the one with the smallest start at or past `base`.
        let mut lowest: Option<(usize, &Range<usize>)> = None;
        for (index, range) in ranges.iter().enumerate() {
            let done = cut.get(index).is_none_or(|c| !c.is_empty());
            if !done && lowest.is_none_or(|(_, l)| range.start < l.start) {
                lowest = Some((index, range));
            }
        }
        let Some((index, range)) = lowest else { return Err(Fault::Bounds) };
        let before = range.start.checked_sub(base).ok_or(Fault::Overlap)?;
        let len = range.end.checked_sub(range.start).ok_or(Fault::Bounds)?;
        let (gap, tail) = rest.split_at_mut_checked(before).ok_or(Fault::Bounds)?;
        let (bytes, tail) = tail.split_at_mut_checked(len).ok_or(Fault::Bounds)?;
        if let Some(place) = gaps.next() {
            *place = (base, gap);
        }
        if let Some(place) = cut.get_mut(index) {
            *place = bytes;
        }
        rest = tail;
        base = range.end;
    }
    if let Some(place) = gaps.next() {
        *place = (base, rest);
    }
    Ok((cut, Rest { parts }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(16))]
    struct Aligned([u8; 64]);

    fn arena() -> Aligned {
        let mut bytes = [0; 64];
        for (i, b) in bytes.iter_mut().enumerate() {
            *b = i as u8;
        }
        Aligned(bytes)
    }

    #[test]
    fn three_slots_in_any_order_and_the_gaps_between() {
        let mut arena = arena();
        let mut memory = Memory::new(&mut arena.0, &[]);
        let (a, b, c, rest) =
            memory.split3(Slot::<u8>::new(40, 8), Slot::<i16>::new(4, 2), Slot::<i32>::new(16, 1)).unwrap();
        assert_eq!((a[0], b.len(), c.len()), (40, 2, 1));
        assert_eq!(rest.read(Slot::<u8>::new(0, 4)).unwrap(), [0, 1, 2, 3]);
        assert_eq!(rest.read(Slot::<u8>::new(48, 16)).unwrap()[15], 63);
        assert_eq!(rest.read(Slot::<u8>::new(20, 20)).unwrap().len(), 20);
        assert_eq!(rest.read(Slot::<u8>::new(19, 2)), Err(Fault::Overlap));
        assert_eq!(rest.read(Slot::<i16>::new(21, 2)), Err(Fault::Misaligned));
    }

    #[test]
    fn overlapping_or_outside_is_a_fault() {
        let mut arena = arena();
        let mut memory = Memory::new(&mut arena.0, &[]);
        let s = |o, n| Slot::<u8>::new(o, n);
        assert_eq!(memory.split3(s(0, 8), s(4, 8), s(32, 1)).err(), Some(Fault::Overlap));
        assert_eq!(memory.split3(s(0, 8), s(8, 8), s(8, 1)).err(), Some(Fault::Overlap));
        assert_eq!(memory.split(s(60, 5)).err(), Some(Fault::Bounds));
        assert_eq!(memory.slot(Slot::<i32>::new(u32::MAX, u32::MAX)).err(), Some(Fault::Bounds));
        assert_eq!(memory.slot(Slot::<i32>::new(2, 1)).err(), Some(Fault::Misaligned));
    }

    #[test]
    fn window_advances_full_slots_and_reuses_tile_slots() {
        let window = Window { start: 4, count: 2, total: 10 };
        let full = Slot::<i16>::new(100, 30);
        let tile = Slot::<i16>::new(100, 12);
        assert_eq!(window.of(full, 3, 3).unwrap(), Slot::new(124, 6));
        assert_eq!(window.of(tile, 3, 3).unwrap(), Slot::new(100, 6));
        assert_eq!(window.of(Slot::<i16>::new(0, 3), 3, 3), Err(Fault::Bounds));
    }
}
