//! What is done to the sums of a binary layer, in 32-bit registers where their bounds allow.

use quant::Fault;
use quant::ops::{BinaryLinearOut, LinearOut};
#[cfg(not(all(target_arch = "arm", feature = "mve")))]
use quant::slice::window_mut;

use crate::gemm::headroom;
use crate::requantize::Sum;

/// How the sums of one layer are stored.
pub(super) struct Epilogue {
    /// Bits that sums with their bias are shifted up for shifts of at least 33; `None` where
    /// there is no room, or another reason to store them as the reference does.
    headroom: Option<u32>,
    /// Bits that sums are shifted up before that; 0 where they are stored as the reference does.
    up: u32,
    /// The multipliers of stream and branch.
    residual: Option<Sum>,
}

impl Epilogue {
    /// For sums of at most `largest`.
    pub(super) fn new(out: &BinaryLinearOut<'_>, largest: u64) -> Self {
        let BinaryLinearOut::Dense { up, bias, requant, out, .. } = out else {
            return Self { headroom: None, up: 0, residual: None };
        };
        let (fits, residual) = match out {
            LinearOut::I16 { residual: Some(r), .. } => {
                let sum = Sum::new(r.stream, r.branch);
                (sum.is_some(), sum)
            }
            LinearOut::I8 { .. } | LinearOut::I16 { residual: None, .. } => (true, None),
            LinearOut::I32 { .. } => (false, None),
        };
        let headroom = headroom(bias, requant.shift, largest << (up & 31)).filter(|_| fits);
        Self { headroom, up: headroom.map_or(0, |_| up & 31), residual }
    }

    /// Bits by which sums and offsets are to be shifted up.
    pub(super) fn up(&self) -> u32 {
        self.up
    }

    /// Bits by which a sum with its bias is to be shifted up for all shifts to be at least 33;
    /// `None` where [`write`](Self::write) does not apply.
    pub(super) fn headroom(&self) -> Option<u32> {
        self.headroom
    }

    /// The multipliers of stream and branch, if there is a stream.
    #[cfg(all(target_arch = "arm", feature = "mve"))]
    pub(super) fn residual(&self) -> Option<Sum> {
        self.residual
    }

    /// Saturates and writes what was requantized.
    #[cfg(not(all(target_arch = "arm", feature = "mve")))]
    #[inline(never)]
    pub(super) fn write(&self, from: &[i32], at: usize, to: &mut LinearOut<'_>) -> Result<(), Fault> {
        match (to, self.residual) {
            (LinearOut::I8 { out, table: None }, _) => {
                let out = window_mut(out, at, from.len())?;
                out.iter_mut().zip(from).for_each(|(y, &t)| *y = t.clamp(-128, 127) as i8);
            }
            (LinearOut::I8 { out, table: Some(table) }, _) => {
                let out = window_mut(out, at, from.len())?;
                let index = |t: i32| (t.clamp(-128, 127) + 128) as u8;
                out.iter_mut().zip(from).for_each(|(y, &t)| *y = table[usize::from(index(t))]);
            }
            (LinearOut::I16 { out, residual: None }, _) => {
                let out = window_mut(out, at, from.len())?;
                out.iter_mut().zip(from).for_each(|(y, &t)| *y = t.clamp(-32768, 32767) as i16);
            }
            (LinearOut::I16 { out, residual: Some(_) }, Some(sum)) => {
                let out = window_mut(out, at, from.len())?;
                let branch = |t: i32| t.clamp(-32768, 32767) as i16;
                out.iter_mut().zip(from).for_each(|(y, &t)| *y = sum.apply(*y, branch(t)));
            }
            (LinearOut::I16 { .. } | LinearOut::I32 { .. }, _) => return Err(Fault::Instruction),
        }
        Ok(())
    }
}

/// Most sums that the reference stores at once.
const STORED: usize = 16;

/// Stores the products of consecutive channels of one row by the reference's code.
#[inline(always)]
pub(super) fn store_as_reference(
    z: &[i32],
    (row, channel): (usize, usize),
    out: &mut BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    for (z, first) in z.chunks(STORED).zip((channel..).step_by(STORED)) {
        out.store(row, first, z)?;
    }
    Ok(())
}
