//! The order-free hash of an instruction's output.
//!
//! `H = Σ mix(logical index, value) mod 2⁶⁴`: a sum, so that tiles, packs, padding
//! and the order of computation cannot change it.

use crate::ops::Tensor;

/// Mixes one element: the finaliser of SplitMix64 over `index · 2³² + value`.
#[inline]
pub const fn mix(index: u32, value: i32) -> u64 {
    let mut z = ((index as u64) << 32) | value as u32 as u64;
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Hash of consecutive elements, the first of which has logical index `start`.
/// Partial hashes of one output add (wrapping) to its whole hash.
pub fn hash<T: Copy + Into<i32>>(start: u32, values: &[T]) -> u64 {
    let mut sum = 0u64;
    let mut index = start;
    for &value in values {
        sum = sum.wrapping_add(mix(index, value.into()));
        index = index.wrapping_add(1);
    }
    sum
}

/// [`hash`] of a tensor.
pub fn hash_tensor(start: u32, tensor: Tensor<'_>) -> u64 {
    let (mut sum, mut index) = (0u64, start);
    for i in 0..tensor.len() {
        sum = sum.wrapping_add(mix(index, tensor.get(i)));
        index = index.wrapping_add(1);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_add_up_and_position_matters() {
        let values: [i16; 5] = [3, -1, 0, 7, 7];
        let whole = hash(0, &values);
        assert_eq!(whole, hash(3, &values[3..]).wrapping_add(hash(0, &values[..3])));
        assert_ne!(whole, hash(0, &[-1i16, 3, 0, 7, 7]));
    }

    #[test]
    fn tensors_hash_as_their_values() {
        let (bytes, halves, words) = ([1i8, -128, 0], [-32768i16, 5], [i32::MIN, 9, -1]);
        assert_eq!(hash_tensor(7, Tensor::I8(&bytes)), hash(7, &bytes));
        assert_eq!(hash_tensor(0, Tensor::I16(&halves)), hash(0, &halves));
        assert_eq!(hash_tensor(u32::MAX, Tensor::I32(&words)), hash(u32::MAX, &words));
    }

    #[test]
    fn pinned() {
        assert_eq!(mix(0, 0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(hash(0, &[1i8, -1]), mix(0, 1).wrapping_add(mix(1, -1)));
    }
}
