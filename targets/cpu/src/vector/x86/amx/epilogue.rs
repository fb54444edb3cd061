//! The epilogue of a block, a row at a time between the products of the next block.
//!
//! One product of tiles takes sixteen cycles, in which the other units would stand still: between two
//! of them there is about as much of the epilogue as fits. Multipliers stay in registers, for the loads
//! of tiles leave little to other loads.

use core::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_sllv_epi32,
};
use core::marker::PhantomData;

use quant::Fault;
use quant::ops::{ChannelsRef, LinearOut};

use super::tiles::{ROWS, Sums};
use crate::portable::requantize::Multipliers;
use crate::vector::isa::LANES;
use crate::vector::linear::put;
use crate::vector::x86::avx512::{Avx512, HighHalf, Output};

/// Channels of a block: four panels.
pub(super) const CHANNELS: usize = 4 * LANES;

/// The sums of a block: of sixteen rows by four panels, and of the sixteen rows below them.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Block(pub(super) [[Sums; 4]; 2]);

impl Block {
    pub(super) const ZERO: Self = Self([[[[0; LANES]; ROWS]; 4]; 2]);
}

/// Where a block is, and what is to be done of it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Its first channel, and how many it has.
    pub(super) channel: usize,
    pub(super) count: usize,
    /// Its first row.
    pub(super) row: usize,
    /// Its rows from `done` to `rows` are to be done.
    pub(super) done: usize,
    pub(super) rows: usize,
}

/// The multipliers of the channels of the block before.
pub(super) struct ChannelMultipliers<'a> {
    all: &'a ChannelsRef<'a>,
    /// Bits by which sums can be shifted left.
    room: u32,
    channel: usize,
    some: Multipliers<CHANNELS>,
    /// Bits by which they are.
    up: u32,
    /// The multipliers as registers, where all shifts are high.
    high: [HighHalf; 4],
}

impl<'a> ChannelMultipliers<'a> {
    /// # Safety
    ///
    /// In a function that is compiled for AVX-512 as [`Avx512`] has it, like all functions here.
    #[inline(always)]
    pub(super) unsafe fn new(all: &'a ChannelsRef<'a>, room: u32) -> Self {
        // SAFETY: as the caller vouches.
        let high = unsafe { [HighHalf::uniform(0, 33); 4] };
        Self { all, room, channel: usize::MAX, some: Multipliers::uniform(0, 33), up: 0, high }
    }

    /// Becomes those of the block at `place`.
    ///
    /// # Safety
    ///
    /// As [`new`](Self::new).
    #[inline(always)]
    unsafe fn turn_to(&mut self, place: &Place) -> Result<(), Fault> {
        if place.channel != self.channel {
            self.some = Multipliers::new(self.all, place.channel, place.count)?;
            self.up = self.some.lift(self.room);
            self.channel = place.channel;
            for (panel, high) in self.high.iter_mut().enumerate() {
                // SAFETY: as the caller vouches.
                *high = unsafe { HighHalf::of(&self.some, panel * LANES) };
            }
        }
        Ok(())
    }
}

/// What is left to do of one block.
pub(super) struct Epilogue<'e, O> {
    out: O,
    borrowed: PhantomData<&'e mut LinearOut<'e>>,
    sums: &'e Block,
    by: &'e [HighHalf; 4],
    plan: Plan,
    pub(super) progress: Progress,
}

/// How the rows of a block are done.
#[derive(Clone, Copy, Default)]
struct Plan {
    /// Elements from one row to the next, and channels.
    n: usize,
    count: usize,
    /// So many rows, in the time of so many products.
    rows: usize,
    products: usize,
    /// Bits by which sums are shifted left.
    up: u32,
}

/// How far they are.
#[derive(Clone, Copy, Default)]
pub(super) struct Progress {
    /// The next row of the block, and where it goes to.
    row: usize,
    at: usize,
    /// The rows that there are, once for each product; a row is due when they are as many as the products.
    due: usize,
}

impl<'e, O: Output> Epilogue<'e, O> {
    /// Of the block `sums` at `place` in `out`, whose rows have `n` channels: spread over `products`
    /// products, where multipliers and `out` allow that, and else done here. Without a place there is
    /// nothing to do.
    ///
    /// # Safety
    ///
    /// As [`ChannelMultipliers::new`].
    #[inline(always)]
    pub(super) unsafe fn new(
        (sums, place): (&'e Block, Option<Place>),
        by: &'e mut ChannelMultipliers<'_>,
        (out, n): (&'e mut LinearOut<'_>, usize),
        products: usize,
    ) -> Result<Self, Fault> {
        let borrowed = PhantomData;
        // SAFETY: as the caller vouches.
        unsafe {
            if let Some(place) = &place {
                by.turn_to(place)?;
            }
            let by = &*by;
            if let Some(place) = place {
                let Place { channel, count, row, done, rows } = place;
                let end = (row + rows).saturating_mul(n).saturating_sub(n).saturating_add(channel + count);
                if end > out.len() || rows > 2 * ROWS || count > CHANNELS {
                    return Err(Fault::Bounds);
                }
                if let (true, Some(out)) = (by.some.is_high, O::new(out)) {
                    let plan = Plan { n, count, rows: rows - done, products, up: by.up };
                    let progress = Progress { row: done, at: (row + done) * n + channel, due: 0 };
                    return Ok(Self { out, borrowed, sums, by: &by.high, plan, progress });
                }
                at_once((sums, place), &by.some, (out, n))?;
            }
            let (plan, progress) = (Plan { products: 1, ..Plan::default() }, Progress::default());
            Ok(Self { out: O::nowhere(), borrowed, sums, by: &by.high, plan, progress })
        }
    }

    /// Whether sums are shifted left.
    #[inline(always)]
    pub(super) fn is_lifted(&self) -> bool {
        self.plan.up > 0
    }

    /// With all that it needs at hand; `UP` is whether it [is lifted](Self::is_lifted).
    ///
    /// # Safety
    ///
    /// As [`ChannelMultipliers::new`].
    #[inline(always)]
    pub(super) unsafe fn here<const UP: bool>(&self) -> Here<'e, O, UP> {
        let Self { out, sums, by, plan, progress, .. } = *self;
        // SAFETY: as the caller vouches.
        let up = unsafe { _mm512_set1_epi32(plan.up as i32) };
        Here { out, sums, up, by: *by, plan, progress }
    }

    /// All of it, where it was told of one product.
    ///
    /// # Safety
    ///
    /// As [`ChannelMultipliers::new`].
    #[inline(always)]
    pub(super) unsafe fn finish(&self) {
        // SAFETY: as the caller vouches.
        unsafe {
            if self.is_lifted() {
                self.here::<true>().advance();
            } else {
                self.here::<false>().advance();
            }
        }
    }
}

/// An [`Epilogue`] in registers.
pub(super) struct Here<'e, O, const UP: bool> {
    out: O,
    sums: &'e Block,
    up: __m512i,
    by: [HighHalf; 4],
    plan: Plan,
    pub(super) progress: Progress,
}

impl<O: Output, const UP: bool> Here<'_, O, UP> {
    /// Does what is due after one more product.
    ///
    /// # Safety
    ///
    /// As [`ChannelMultipliers::new`], and not after more products than were announced.
    #[inline(always)]
    pub(super) unsafe fn advance(&mut self) {
        self.progress.due += self.plan.rows;
        while self.progress.due >= self.plan.products {
            self.progress.due -= self.plan.products;
            // SAFETY: as the caller vouches.
            unsafe { self.next() };
        }
    }

    /// Does the next row.
    ///
    /// # Safety
    ///
    /// As [`advance`](Self::advance).
    #[inline(always)]
    unsafe fn next(&mut self) {
        let Progress { row: number, at, .. } = self.progress;
        let half = &self.sums.0[number / ROWS % 2];
        // SAFETY: four times 64 bytes are read, of arrays of as many; there are as many rows as products
        // make due, and `Epilogue::new` has seen that `out` has them.
        unsafe {
            let mut row = [_mm512_setzero_si512(); 4];
            for panel in 0..4 {
                let sums = &half[panel][number % ROWS];
                let mut z = _mm512_loadu_si512(sums.as_ptr().cast());
                if UP {
                    z = _mm512_sllv_epi32(z, self.up);
                }
                row[panel] = self.by[panel].apply(z);
            }
            self.out.put(at, self.plan.count, row);
        }
        self.progress.row += 1;
        self.progress.at += self.plan.n;
    }
}

/// All of a block's epilogue. Apart, so that it leaves the registers to what is done often.
///
/// # Safety
///
/// Where AVX-512 is as [`Avx512`] has it.
#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn at_once(
    (sums, place): (&Block, Place),
    by: &Multipliers<CHANNELS>,
    (out, n): (&mut LinearOut<'_>, usize),
) -> Result<(), Fault> {
    for number in place.done..place.rows {
        let mut row = [0; CHANNELS];
        for (row, sums) in row.as_chunks_mut::<LANES>().0.iter_mut().zip(&sums.0[number / ROWS % 2]) {
            *row = sums[number % ROWS];
        }
        let mut out = out.window((place.row + number) * n + place.channel, place.count)?;
        // SAFETY: this function is compiled for the instructions.
        unsafe { put::<Avx512, CHANNELS>(by, &row, &mut out) };
    }
    Ok(())
}
