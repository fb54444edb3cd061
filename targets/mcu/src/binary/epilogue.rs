//! What is done to the sums of a binary layer, in 32-bit registers where their bounds allow.

use quant::Fault;
use quant::ops::{BinaryLinearOut, LinearOut};

use crate::gemm::headroom;
use crate::requantize::Sum;

/// How the sums of one layer are stored.
pub(crate) struct Epilogue {
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
    pub(crate) fn new(out: &BinaryLinearOut<'_>, largest: u64) -> Self {
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
    pub(crate) fn up(&self) -> u32 {
        self.up
    }

    /// Bits by which a sum with its bias is to be shifted up for all shifts to be at least 33;
    /// `None` where the reference stores them.
    pub(crate) fn headroom(&self) -> Option<u32> {
        self.headroom
    }

    /// The multipliers of stream and branch, if there is a stream.
    pub(crate) fn residual(&self) -> Option<Sum> {
        self.residual
    }
}

/// Most sums that the reference stores at once.
const STORED: usize = 16;

/// Stores the products of consecutive channels of one row by the reference's code.
#[inline(always)]
pub(crate) fn store_as_reference(
    z: &[i32],
    (row, channel): (usize, usize),
    out: &mut BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    for (z, first) in z.chunks(STORED).zip((channel..).step_by(STORED)) {
        out.store(row, first, z)?;
    }
    Ok(())
}
