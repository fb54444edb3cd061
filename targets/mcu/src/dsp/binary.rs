//! Binary layers: as on plain cores, but for panels.

use quant::Fault;
use quant::bits::{BitPack, BitWeights};

use super::asm::add_panels;
use crate::binary::linear::LANES;
use crate::binary::subsets::Tables;
use crate::plain;

pub(crate) use crate::plain::binary::{
    PANELS, Sums, at_least, count, distances, fill, fill_low, select, shorten, signs, sum,
};

/// Adds the sums of word `at.1` with the channels from `at.0` on; to 0 if `fresh`.
#[inline(always)]
pub(crate) fn add(
    tables: &Tables,
    weights: &BitWeights<'_>,
    at: (usize, usize),
    fresh: bool,
    packed: &mut [[u32; LANES]],
) -> Result<(), Fault> {
    match weights.pack {
        BitPack::Panel16 if add_panels(tables, weights, at, fresh, packed) => Ok(()),
        BitPack::Panel16 => Err(Fault::Bounds),
        BitPack::Rows => plain::binary::add(tables, weights, at, fresh, packed),
    }
}
