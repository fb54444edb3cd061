//! What the loops over panels of 16 channels read, on cores that have such loops.

use core::marker::PhantomData;

use quant::bits::BitWeights;

use super::linear::LANES;
use super::subsets::Tables;

/// What is to be added to what. The loops find the fields by their places.
#[repr(C)]
pub(crate) struct Work<'a> {
    tables: *const Tables,
    weights: *const u32,
    sums: *mut u32,
    /// Bytes from the end of a panel's word to the next panel's.
    skip: usize,
    /// Where the sums end.
    end: *mut u32,
    borrowed: PhantomData<(&'a Tables, &'a [u32], &'a mut [u32])>,
}

impl<'a> Work<'a> {
    /// For weights in panels, from `channel` and `word` on: at least one panel, and all of its
    /// words within the weights; else `None`.
    #[inline(always)]
    pub(crate) fn new(
        tables: &'a Tables,
        weights: &BitWeights<'a>,
        (channel, word): (usize, usize),
        sums: &'a mut [[u32; LANES]],
    ) -> Option<Self> {
        let from = weights.data.get(weights.pack.index(weights.words, channel, word)..).unwrap_or(&[]);
        let stride = LANES * weights.words;
        // A slice of as many panels as there are sums does not overflow it.
        let last = sums.len().wrapping_sub(1).wrapping_mul(stride);
        if sums.is_empty() || stride < LANES || from.len() < LANES || last > from.len() - LANES {
            return None;
        }
        let range = sums.as_mut_ptr_range();
        Some(Self {
            tables,
            weights: from.as_ptr(),
            sums: range.start.cast(),
            skip: 4 * (stride - LANES),
            end: range.end.cast(),
            borrowed: PhantomData,
        })
    }
}
