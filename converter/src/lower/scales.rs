//! Real scales to the integers of instructions.

use float::math;
use quant::arith::{Multiplier, ShiftExp};
use quant::ops::Channels;

use crate::error::ConvertError;
use crate::graph::ExpBits;
use program::BlobStore;

/// The multiplier of one ratio.
pub fn multiplier(name: &str, ratio: f64) -> Result<Multiplier, ConvertError> {
    Multiplier::from_ratio(ratio).ok_or_else(|| ConvertError::Ratio { name: name.to_owned(), ratio })
}

/// The multipliers of many channels, stored as constants.
pub fn channels(
    blobs: &mut BlobStore,
    name: &str,
    ratios: impl Iterator<Item = f64>,
) -> Result<Channels, ConvertError> {
    let all = ratios.map(|ratio| multiplier(name, ratio)).collect::<Result<Vec<_>, _>>()?;
    let mantissa: Vec<i32> = all.iter().map(|m| m.mantissa).collect();
    let shift: Vec<u8> = all.iter().map(|m| m.shift).collect();
    Ok(Channels { mantissa: blobs.push(&mantissa), shift: blobs.push(&shift) })
}

/// Shift-exp for `scale` with at most `bits` fraction bits, such that `terms` values sum to at most `limit`.
pub fn shift_exp(name: &str, scale: f64, bits: u8, terms: u32, limit: u32) -> Result<ShiftExp, ConvertError> {
    ShiftExp::for_scale(scale, bits, terms, limit).ok_or_else(|| ConvertError::Exponential {
        name: name.to_owned(),
        scale,
        terms,
    })
}

/// The exponentials of all 256 distances between int8 scores of `scale`, such that `terms`
/// of them sum to at most the limit.
pub fn exp_table(name: &str, scale: f64, exp: ExpBits, terms: u32) -> Result<Vec<u32>, ConvertError> {
    let ExpBits { bits, limit, exact } = exp;
    if !exact {
        return Ok(shift_exp(name, scale, bits, terms, limit)?.table().to_vec());
    }
    let unit = math::power_of_two(bits.into());
    if unit * f64::from(terms) > f64::from(limit) {
        return Err(ConvertError::Exponential { name: name.to_owned(), scale, terms });
    }
    Ok((0..256)
        .map(|distance| (unit * math::exp(-scale * f64::from(distance))).round().max(1.0) as u32)
        .collect())
}
