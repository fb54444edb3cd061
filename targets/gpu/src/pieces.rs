//! Copies of slots, for the processor to read.

use quant::mem::DType;
use runtime::SlotHandle;

/// A slot, and where a copy of it lies among the results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    slot: SlotHandle,
    /// First byte of the copy, which begins with the word that the slot begins in.
    at: u64,
}

impl Piece {
    /// Bytes of the copy, whole words.
    fn bytes(&self) -> u64 {
        (u64::from(self.slot.offset % 4) + self.slot.bytes()).next_multiple_of(4)
    }

    /// Copies it from the frame that begins at byte `frame` of `arena` to `to`, whose copies of that
    /// frame begin at byte `at`.
    pub(crate) fn copy(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        (arena, frame): (&wgpu::Buffer, u64),
        (to, at): (&wgpu::Buffer, u64),
    ) {
        let from = frame + u64::from(self.slot.offset & !3);
        encoder.copy_buffer_to_buffer(arena, from, to, at + self.at, self.bytes());
    }

    /// Its elements in `copy`, widened with their sign; a word of bits as the int32 of the same
    /// bits.
    pub(crate) fn values<'c>(&self, copy: &'c [u8]) -> impl Iterator<Item = i32> + 'c {
        let start = self.at as usize + self.slot.offset as usize % 4;
        let bytes = &copy[start..start + self.slot.bytes() as usize];
        let dtype = self.slot.dtype;
        bytes.chunks_exact(dtype.size() as usize).map(move |element| match (dtype, element) {
            (DType::I8, &[a]) => a.cast_signed().into(),
            (DType::I16, &[a, b]) => i16::from_le_bytes([a, b]).into(),
            (DType::I32 | DType::U32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]),
            (DType::U8, &[a]) => a.into(),
            _ => unreachable!("chunks of an element's bytes"),
        })
    }
}

/// Slots one after another.
pub(crate) struct Pieces {
    pub all: Vec<Piece>,
    /// Of all copies, a multiple of 8.
    pub bytes: u64,
}

impl Pieces {
    /// `slots` in this order.
    pub(crate) fn of(slots: &[SlotHandle]) -> Self {
        let mut pieces = Self { all: Vec::with_capacity(slots.len()), bytes: 0 };
        for &slot in slots {
            let piece = Piece { slot, at: pieces.bytes };
            pieces.bytes += piece.bytes();
            pieces.all.push(piece);
        }
        // Where the next frame's copies begin: a mapped range begins at a multiple of 8.
        pieces.bytes = pieces.bytes.next_multiple_of(8);
        pieces
    }

    /// Copies all of them; see [`Piece::copy`].
    pub(crate) fn copy(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        from: (&wgpu::Buffer, u64),
        to: (&wgpu::Buffer, u64),
    ) {
        for piece in &self.all {
            piece.copy(encoder, from, to);
        }
    }
}
