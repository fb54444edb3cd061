//! Frames of the log that wait for the serial line.

use heapless::Deque;

/// Up to `N` bytes of frames. One for which there is no room is lost as a whole: nobody waits.
///
/// The frames are defmt's in the encoding rzCOBS, which has no zero within a frame.
#[derive(Debug)]
pub struct Ring<const N: usize> {
    /// Of each frame the number, little-endian, the bytes, and a zero.
    bytes: Deque<u8, N>,
    /// Bytes of the frames that are whole.
    whole: usize,
    /// Whether the frame that is being written has found room so far.
    fits: bool,
    /// Frames so far, with those that are lost.
    count: u32,
}

impl<const N: usize> Ring<N> {
    /// Without frames.
    pub const fn new() -> Self {
        Self { bytes: Deque::new(), whole: 0, fits: false, count: 0 }
    }

    /// Begins a frame.
    pub fn begin(&mut self) {
        self.fits = true;
        for byte in self.count.to_le_bytes() {
            self.push(byte);
        }
        self.lose(1);
    }

    /// Adds to the frame. Zeros are left out: they stand between frames.
    pub fn write(&mut self, encoded: &[u8]) {
        for &byte in encoded.iter().filter(|&&byte| byte != 0) {
            self.push(byte);
        }
    }

    /// Ends the frame.
    pub fn end(&mut self) {
        self.push(0);
        if self.fits {
            self.whole = self.bytes.len();
        } else {
            self.bytes.truncate(self.whole);
        }
    }

    /// Counts `frames` that are lost.
    pub fn lose(&mut self, frames: u32) {
        self.count = self.count.wrapping_add(frames);
    }

    /// Fills the front of `out` with the first whole frame and forgets it: its number, which
    /// counts lost frames too, and its length. A frame longer than `out` is lost.
    pub fn take(&mut self, out: &mut [u8]) -> Option<(u32, usize)> {
        while self.whole > 0 {
            let mut number = [0; 4];
            for place in &mut number {
                *place = self.pop()?;
            }
            let mut len = 0usize;
            while let Some(byte) = self.pop().filter(|&byte| byte != 0) {
                if let Some(place) = out.get_mut(len) {
                    *place = byte;
                }
                len = len.saturating_add(1);
            }
            if len <= out.len() {
                return Some((u32::from_le_bytes(number), len));
            }
        }
        None
    }

    fn push(&mut self, byte: u8) {
        self.fits = self.fits && self.bytes.push_back(byte).is_ok();
    }

    fn pop(&mut self) -> Option<u8> {
        self.whole = self.whole.checked_sub(1)?;
        self.bytes.pop_front()
    }
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    fn log<const N: usize>(ring: &mut Ring<N>, frame: &[u8]) {
        ring.begin();
        for part in frame.chunks(3) {
            ring.write(part);
        }
        ring.end();
    }

    fn taken<const N: usize>(ring: &mut Ring<N>, room: usize) -> Option<(u32, Vec<u8>)> {
        let mut out = vec![0xee; room];
        let (number, len) = ring.take(&mut out)?;
        out.truncate(len);
        Some((number, out))
    }

    #[test]
    fn frames_come_out_whole_and_in_order() {
        let mut ring = Ring::<64>::new();
        assert_eq!(taken(&mut ring, 64), None);
        // As defmt's encoder writes them: a zero in front of the first, and one behind each.
        ring.begin();
        ring.write(&[0]);
        ring.write(&[7, 8, 0]);
        ring.end();
        log(&mut ring, &[1, 2, 3, 4]);
        assert_eq!(taken(&mut ring, 64), Some((0, vec![7, 8])));
        assert_eq!(taken(&mut ring, 64), Some((1, vec![1, 2, 3, 4])));
        assert_eq!(taken(&mut ring, 64), None);
    }

    #[test]
    fn a_frame_is_taken_only_when_it_is_whole() {
        let mut ring = Ring::<64>::new();
        ring.begin();
        ring.write(&[5, 6]);
        assert_eq!(taken(&mut ring, 64), None);
        ring.end();
        assert_eq!(taken(&mut ring, 64), Some((0, vec![5, 6])));
    }

    /// Room for three frames of five bytes with number and zero, and for a part of a fourth.
    #[test]
    fn a_full_ring_loses_whole_frames_and_counts_them() {
        let mut ring = Ring::<36>::new();
        for value in 1..=5 {
            log(&mut ring, &[value; 5]);
        }
        for value in 1..=3 {
            assert_eq!(taken(&mut ring, 64), Some((u32::from(value) - 1, vec![value; 5])));
        }
        assert_eq!(taken(&mut ring, 64), None);
        // Lost were the numbers 3 and 4; then two that others counted.
        log(&mut ring, &[9]);
        ring.lose(2);
        log(&mut ring, &[8]);
        assert_eq!(taken(&mut ring, 64), Some((5, vec![9])));
        assert_eq!(taken(&mut ring, 64), Some((8, vec![8])));
    }

    #[test]
    fn what_is_too_long_is_lost_alone() {
        let mut ring = Ring::<36>::new();
        log(&mut ring, &[1; 40]);
        assert_eq!(taken(&mut ring, 64), None);
        log(&mut ring, &[2; 20]);
        log(&mut ring, &[3; 4]);
        assert_eq!(taken(&mut ring, 19), Some((2, vec![3; 4])), "the ring is not stuck");
    }

    /// Against a plain model: a queue of frames that knows how many bytes it has.
    #[test]
    fn any_order_of_writing_and_taking() {
        let (mut ring, mut model) = (Ring::<100>::new(), std::collections::VecDeque::new());
        let (mut seed, mut number) = (1u32, 0);
        let mut lost = 0;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if seed >> 30 == 0 {
                assert_eq!(taken(&mut ring, 100), model.pop_front());
                continue;
            }
            let frame = vec![(seed >> 8) as u8 | 1; (seed >> 16) as usize % 30];
            let used: usize = model.iter().map(|(_, frame): &(u32, Vec<u8>)| frame.len() + 5).sum();
            log(&mut ring, &frame);
            if used + frame.len() + 5 <= 100 {
                model.push_back((number, frame));
            } else {
                lost += 1;
            }
            number += 1;
        }
        assert!(lost > 1000 && lost < number);
    }
}
