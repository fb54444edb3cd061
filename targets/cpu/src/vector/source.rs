//! Rows of activations, as products take them.

use core::ops::Range;

use quant::Fault;
use quant::ops::{LinearArgs, LinearOut};
use quant::slice::window;

use super::isa::{Isa, Staged};
use super::linear::{Block, products};

/// Rows of activations of one byte.
pub(super) trait Source {
    /// Writes inputs `first ..` of row number `row` to `to`, as many as it takes, each `^ flip`.
    fn stage(&self, row: usize, first: usize, flip: u8, to: &mut [u8]) -> Result<(), Fault>;

    /// Whether rows lie in memory: from the first element of row number `row` on, and elements from
    /// one row to the next. Only AMX asks.
    #[cfg(target_arch = "x86_64")]
    fn in_memory(&self, _row: usize) -> Option<(&[i8], usize)> {
        None
    }
}

impl<S: Source + ?Sized> Source for &S {
    #[inline(always)]
    fn stage(&self, row: usize, first: usize, flip: u8, to: &mut [u8]) -> Result<(), Fault> {
        S::stage(self, row, first, flip, to)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn in_memory(&self, row: usize) -> Option<(&[i8], usize)> {
        S::in_memory(self, row)
    }
}

/// Rows in memory.
pub(super) struct Dense<'a> {
    /// From the first element of the first row on.
    pub(super) x: &'a [i8],
    /// Elements from one row to the next.
    pub(super) stride: usize,
}

impl Source for Dense<'_> {
    #[inline(always)]
    fn stage(&self, row: usize, first: usize, flip: u8, to: &mut [u8]) -> Result<(), Fault> {
        copy(window(self.x, row * self.stride + first, to.len())?, flip, to);
        Ok(())
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn in_memory(&self, row: usize) -> Option<(&[i8], usize)> {
        Some((self.x.get(row * self.stride..)?, self.stride))
    }
}

/// Copies all words of the type, of as many bytes of both, and the last bytes of one, each byte `^ flip`.
macro_rules! words {
    ($word:ty, $x:ident, $flip:ident, $to:ident) => {
        let flip = <$word>::from_ne_bytes([$flip; size_of::<$word>()]);
        for (x, to) in $x.as_chunks().0.iter().zip($to.as_chunks_mut().0) {
            *to = (<$word>::from_ne_bytes(*x) ^ flip).to_ne_bytes();
        }
        if let (Some(x), Some(to)) = ($x.last_chunk(), $to.last_chunk_mut()) {
            *to = (<$word>::from_ne_bytes(*x) ^ flip).to_ne_bytes();
        }
    };
}

/// Copies activations, each `^ flip`: whole words, the last of which may overlap the one before.
#[inline(always)]
pub(super) fn copy(x: &[i8], flip: u8, to: &mut [u8]) {
    let len = x.len().min(to.len());
    let (x, to): (&[u8], _) = (bytemuck::cast_slice(&x[..len]), &mut to[..len]);
    if len >= 64 {
        for (x, to) in x.as_chunks().0.iter().zip(to.as_chunks_mut().0) {
            long_word(x, flip, to);
        }
        if let (Some(x), Some(to)) = (x.last_chunk(), to.last_chunk_mut()) {
            long_word(x, flip, to);
        }
    } else if len >= 16 {
        words!(u128, x, flip, to);
    } else if len >= 8 {
        words!(u64, x, flip, to);
    } else if len >= 4 {
        words!(u32, x, flip, to);
    } else {
        for (to, &x) in to.iter_mut().zip(x) {
            *to = x ^ flip;
        }
    }
}

/// 64 bytes.
#[inline(always)]
fn long_word(x: &[u8; 64], flip: u8, to: &mut [u8; 64]) {
    for i in 0..64 {
        to[i] = x[i] ^ flip;
    }
}

/// What a linear layer multiplies by its weights.
pub(super) trait Input {
    /// The sums of `rows` rows from `row` on, at most `R`, bias included.
    ///
    /// # Safety
    ///
    /// As [`Isa`] says.
    unsafe fn sums<I: Isa, const R: usize, const P: usize, const C: usize>(
        &self,
        block: &Block<'_, P, C>,
        at: (usize, usize),
        staged: &mut [Staged],
    ) -> Result<[[i32; C]; R], Fault>;

    /// `count` rows by `channels` of `args`, as [`Isa::channels`].
    ///
    /// # Safety
    ///
    /// As [`Isa`] says.
    #[inline(always)]
    unsafe fn channels<I: Isa>(
        &self,
        _args: &LinearArgs<'_>,
        _channels: Range<usize>,
        _count: usize,
        _out: &mut LinearOut<'_>,
    ) -> Result<bool, Fault> {
        Ok(false)
    }
}

/// int8 activations.
pub(super) struct Bytes<S>(pub(super) S);

impl<S: Source> Input for Bytes<S> {
    #[inline(always)]
    unsafe fn sums<I: Isa, const R: usize, const P: usize, const C: usize>(
        &self,
        block: &Block<'_, P, C>,
        at: (usize, usize),
        staged: &mut [Staged],
    ) -> Result<[[i32; C]; R], Fault> {
        // SAFETY: as the caller vouches.
        unsafe { products::<I, R, P, C>(&block.panels, block.k, &self.0, at, staged) }
    }

    #[inline(always)]
    unsafe fn channels<I: Isa>(
        &self,
        args: &LinearArgs<'_>,
        channels: Range<usize>,
        count: usize,
        out: &mut LinearOut<'_>,
    ) -> Result<bool, Fault> {
        // SAFETY: as the caller vouches.
        unsafe { I::channels(args, channels, &self.0, count, out) }
    }
}

/// int16 activations: `x = 256·h + l`, where `l` is unsigned.
///
/// Both sums of products fit int32, for `2¹⁶ · 255 · 127 < 2³¹`; the whole one is exact in 64 bits and
/// then saturates.
pub(super) struct Words<'a> {
    /// From the first element of the first row on.
    pub(super) x: &'a [i16],
    /// Elements from one row to the next.
    pub(super) stride: usize,
}

/// Inputs whose products sum to at most 2³⁰, so that no sum with a bias saturates.
const FEW: usize = 256;

/// The high bytes, signed.
struct High<'a>(&'a Words<'a>);
/// The low bytes, unsigned.
struct Low<'a>(&'a Words<'a>);

impl Source for High<'_> {
    #[inline(always)]
    fn stage(&self, row: usize, first: usize, flip: u8, to: &mut [u8]) -> Result<(), Fault> {
        let x = window(self.0.x, row * self.0.stride + first, to.len())?;
        to.iter_mut().zip(x).for_each(|(to, &x)| *to = (x >> 8) as u8 ^ flip);
        Ok(())
    }
}

impl Source for Low<'_> {
    #[inline(always)]
    fn stage(&self, row: usize, first: usize, flip: u8, to: &mut [u8]) -> Result<(), Fault> {
        let x = window(self.0.x, row * self.0.stride + first, to.len())?;
        // `flip` is that of signed activations.
        to.iter_mut().zip(x).for_each(|(to, &x)| *to = x as u8 ^ flip ^ 0x80);
        Ok(())
    }
}

impl Input for Words<'_> {
    /// `I` takes unsigned activations.
    #[inline(always)]
    unsafe fn sums<I: Isa, const R: usize, const P: usize, const C: usize>(
        &self,
        block: &Block<'_, P, C>,
        at: (usize, usize),
        staged: &mut [Staged],
    ) -> Result<[[i32; C]; R], Fault> {
        const { assert!(I::TAKES_UNSIGNED) };
        // SAFETY: as the caller vouches.
        let (high, low) = unsafe {
            let high = products::<I, R, P, C>(&block.panels, block.k, &High(self), at, staged)?;
            (high, products::<I, R, P, C>(&block.panels.unsigned(), block.k, &Low(self), at, staged)?)
        };
        let mut sums = [[0; C]; R];
        if block.k <= FEW {
            for (sums, (high, low)) in sums.iter_mut().zip(high.iter().zip(&low)) {
                for c in 0..C {
                    let high = high[c].wrapping_sub(block.bias[c]);
                    sums[c] = high.wrapping_mul(256).wrapping_add(low[c]).wrapping_add(block.bias[c]);
                }
            }
            return Ok(sums);
        }
        for (sums, (high, low)) in sums.iter_mut().zip(high.iter().zip(&low)) {
            for c in 0..C {
                let high = i64::from(high[c].wrapping_sub(block.bias[c]));
                let exact = 256 * high + i64::from(low[c]) + i64::from(block.bias[c]);
                sums[c] = exact.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
            }
        }
        Ok(sums)
    }
}
