//! Binary layers on cores without instructions for them.

mod attention;
mod sums;
mod tables;

use quant::Fault;
use quant::bits::BitWeights;

use crate::binary::linear::{LANES, panels};
use crate::binary::subsets::Tables;

pub(crate) use crate::binary::signs::at_least;
pub(crate) use attention::{distances, select, shorten, signs, sum};
pub(crate) use sums::Sums;
pub(crate) use tables::{count, fill, fill_low};

/// Panels of 16 channels that share the tables of a word: a matter of how much faster than making
/// tables looking them up is, and of the stack.
pub(crate) const PANELS: usize = 12;

/// Adds the sums of word `at.1` with the channels from `at.0` on; to 0 if `fresh`.
#[inline(always)]
pub(crate) fn add(
    tables: &Tables,
    weights: &BitWeights<'_>,
    at: (usize, usize),
    fresh: bool,
    packed: &mut [[u32; LANES]],
) -> Result<(), Fault> {
    panels(weights, at, fresh, packed, |weights, sums| tables.add(weights, sums))
}
