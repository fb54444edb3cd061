//! Slice access that never panics.
//!
//! `chunks_exact(n)` and `split_at(n)` with a run-time `n` link a panic; these do not.

use bytemuck::Pod;

use crate::error::Fault;

/// All arrays of `N` elements, and the elements behind the last of them.
///
/// The `as_chunks` of slices, which Rust has from 1.88 on.
#[inline(always)]
pub fn chunks<const N: usize, T: Pod>(data: &[T]) -> (&[[T; N]], &[T]) {
    const { assert!(N > 0) };
    let (whole, rest) = data.split_at_checked(data.len() - data.len() % N).unwrap_or((&[], data));
    (bytemuck::try_cast_slice(whole).unwrap_or(&[]), rest)
}

/// The same, mutable.
#[inline(always)]
pub fn chunks_mut<const N: usize, T: Pod>(data: &mut [T]) -> (&mut [[T; N]], &mut [T]) {
    const { assert!(N > 0) };
    let whole = data.len() - data.len() % N;
    let Some((whole, rest)) = data.split_at_mut_checked(whole) else { return (&mut [], &mut []) };
    (bytemuck::try_cast_slice_mut(whole).unwrap_or(&mut []), rest)
}

/// Successive rows of `len` elements; a ragged tail and `len == 0` yield nothing more.
pub struct Rows<'a, T> {
    rest: &'a [T],
    len: usize,
}

/// The rows of `data`, each of `len` elements.
#[inline]
pub fn rows<T>(data: &[T], len: usize) -> Rows<'_, T> {
    Rows { rest: data, len }
}

impl<'a, T> Iterator for Rows<'a, T> {
    type Item = &'a [T];

    #[inline]
    fn next(&mut self) -> Option<&'a [T]> {
        if self.len == 0 {
            return None;
        }
        let (row, rest) = self.rest.split_at_checked(self.len)?;
        self.rest = rest;
        Some(row)
    }
}

/// Successive mutable rows; see [`Rows`].
pub struct RowsMut<'a, T> {
    rest: &'a mut [T],
    len: usize,
}

/// The mutable rows of `data`, each of `len` elements.
#[inline]
pub fn rows_mut<T>(data: &mut [T], len: usize) -> RowsMut<'_, T> {
    RowsMut { rest: data, len }
}

impl<'a, T> Iterator for RowsMut<'a, T> {
    type Item = &'a mut [T];

    #[inline]
    fn next(&mut self) -> Option<&'a mut [T]> {
        if self.len == 0 {
            return None;
        }
        let (row, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(self.len)?;
        self.rest = rest;
        Some(row)
    }
}

/// `data[start..start + len]`, or a [`Fault`].
#[inline]
pub fn window<T>(data: &[T], start: usize, len: usize) -> Result<&[T], Fault> {
    let end = start.checked_add(len).ok_or(Fault::Bounds)?;
    data.get(start..end).ok_or(Fault::Bounds)
}

/// `data[start..start + len]`, mutable, or a [`Fault`].
#[inline]
pub fn window_mut<T>(data: &mut [T], start: usize, len: usize) -> Result<&mut [T], Fault> {
    let end = start.checked_add(len).ok_or(Fault::Bounds)?;
    data.get_mut(start..end).ok_or(Fault::Bounds)
}

/// `data[index]`, or a [`Fault`].
#[inline]
pub fn at<T: Copy>(data: &[T], index: usize) -> Result<T, Fault> {
    data.get(index).copied().ok_or(Fault::Bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_those_of_the_standard_library() {
        let mut data: [i16; 23] = core::array::from_fn(|i| i as i16);
        for len in 0..data.len() {
            let data = &mut data[..len];
            assert_eq!(chunks::<4, _>(data), data.as_chunks());
            assert_eq!(chunks::<1, _>(data), data.as_chunks());
            assert_eq!(chunks::<32, _>(data), data.as_chunks());
            let mut copy = data.to_vec();
            assert_eq!(chunks_mut::<4, _>(data), copy.as_chunks_mut());
        }
    }
}
