//! Look-ups one by one: there are no instructions for tables of more than 16 bytes.

use super::Vectors;
use crate::vector::isa::{Exponentials, Lookup};

// SAFETY: safe code.
unsafe impl Lookup for Vectors {
    #[inline(always)]
    unsafe fn table(table: &[i8; 256], x: &mut [i8]) {
        for x in x {
            *x = table[usize::from(*x as u8 ^ 0x80)];
        }
    }

    #[inline(always)]
    unsafe fn sum(exp: &Exponentials<'_>, max: i8, scores: &[i8]) -> u32 {
        let distance = |score: i8| usize::from(max.wrapping_sub(score) as u8);
        scores.iter().fold(0u32, |sum, &score| sum.wrapping_add(exp.values[distance(score)]))
    }

    #[inline(always)]
    unsafe fn distances(table: &[u16; 256], max: i8, scores: &[i8], high: &mut [u8], low: &mut [u8]) {
        for ((high, low), &score) in high.iter_mut().zip(low).zip(scores) {
            let value = table[usize::from(max.wrapping_sub(score) as u8)];
            (*high, *low) = ((value >> 8) as u8, value as u8);
        }
    }
}
