//! Frames: `0 | COBS(postcard message | CRC-32, little-endian) | 0`.
//!
//! The zero in front ends whatever the line left of an earlier frame.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use wire::crc32;

use crate::cobs;

/// Most bytes of inputs or outputs in one message, a multiple of 4.
pub const CHUNK: usize = 512;

/// Largest postcard message, in bytes: a chunk of data and what describes it.
pub const MAX_MESSAGE: usize = CHUNK + 32;
/// Largest frame, in bytes, with both delimiters.
pub const MAX_FRAME: usize = cobs::max_encoded(MAX_MESSAGE + CRC_LEN) + 2;

const CRC_LEN: usize = 4;

/// A frame that is not as it was sent, or longer than any that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the frame did not arrive as it was sent")]
pub struct Damaged;

/// Collects a frame from the bytes of a line.
#[derive(Clone, Debug)]
pub struct Receiver {
    buffer: [u8; MAX_FRAME],
    len: usize,
    overlong: bool,
    complete: bool,
}

impl Receiver {
    /// Between frames.
    pub const fn new() -> Self {
        Self { buffer: [0; MAX_FRAME], len: 0, overlong: false, complete: false }
    }

    /// Takes the next byte; the content of the frame that it ends, if it does.
    pub fn push(&mut self, byte: u8) -> Option<Result<&[u8], Damaged>> {
        if self.complete {
            (self.len, self.overlong, self.complete) = (0, false, false);
        }
        if byte != 0 {
            match self.buffer.get_mut(self.len) {
                Some(place) => {
                    *place = byte;
                    self.len += 1;
                }
                None => self.overlong = true,
            }
            return None;
        }
        if self.len == 0 {
            return None;
        }
        self.complete = true;
        Some(if self.overlong { Err(Damaged) } else { self.content().ok_or(Damaged) })
    }

    fn content(&mut self) -> Option<&[u8]> {
        let frame = self.buffer.get_mut(..self.len)?;
        let len = cobs::decode(frame)?;
        let (content, crc) = frame.get(..len)?.split_last_chunk::<CRC_LEN>()?;
        (crc32(content) == u32::from_le_bytes(*crc)).then_some(content)
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes frames of messages.
#[derive(Clone, Debug)]
pub struct Sender {
    message: [u8; MAX_MESSAGE + CRC_LEN],
    frame: [u8; MAX_FRAME],
}

impl Sender {
    /// With empty buffers.
    pub const fn new() -> Self {
        Self { message: [0; MAX_MESSAGE + CRC_LEN], frame: [0; MAX_FRAME] }
    }

    /// The frame of `message`, or `None` where it is larger than [`MAX_MESSAGE`].
    pub fn frame<T: Serialize>(&mut self, message: &T) -> Option<&[u8]> {
        let len = wire::to_slice(message, self.message.get_mut(..MAX_MESSAGE)?).ok()?;
        let crc = crc32(self.message.get(..len)?);
        let end = len.checked_add(CRC_LEN)?;
        self.message.get_mut(len..end)?.copy_from_slice(&crc.to_le_bytes());
        let stuffed = cobs::encode(self.message.get(..end)?, self.frame.get_mut(1..MAX_FRAME - 1)?)?;
        *self.frame.get_mut(stuffed + 1)? = 0;
        self.frame.get(..stuffed + 2)
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a whole message; `None` where bytes are left over or it is not one.
pub(crate) fn read<'b, T: Deserialize<'b>>(content: &'b [u8]) -> Option<T> {
    wire::from_bytes(content).ok()
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn received(receiver: &mut Receiver, bytes: &[u8]) -> Vec<Result<Vec<u8>, Damaged>> {
        let mut all = Vec::new();
        for &byte in bytes {
            all.extend(receiver.push(byte).map(|frame| frame.map(<[u8]>::to_vec)));
        }
        all
    }

    #[test]
    fn frames_arrive_after_noise_and_damage_is_seen() {
        let (mut sender, mut receiver) = (Sender::new(), Receiver::new());
        let frame = sender.frame(&[7u32, 0, 300]).expect("fits").to_vec();
        let content = postcard::to_slice(&[7u32, 0, 300], &mut [0; 16]).expect("fits").to_vec();
        let noise = [&[9, 8, 7][..], &frame, &frame].concat();
        let all = received(&mut receiver, &noise);
        assert_eq!(all, [Err(Damaged), Ok(content.clone()), Ok(content.clone())]);
        for at in 1..frame.len() - 1 {
            for bit in 0..8 {
                let mut bad = frame.clone();
                bad[at] ^= 1 << bit;
                assert!(received(&mut receiver, &bad).iter().all(|r| r.is_err()), "byte {at}, bit {bit}");
                assert_eq!(received(&mut receiver, &frame), [Ok(content.clone())]);
            }
        }
    }

    #[test]
    fn overlong_frames_are_damaged_and_overlong_messages_refused() {
        let mut receiver = Receiver::new();
        let mut bytes = [1; 2 * MAX_FRAME];
        bytes[2 * MAX_FRAME - 1] = 0;
        assert_eq!(received(&mut receiver, &bytes), [Err(Damaged)]);
        assert!(Sender::new().frame(&[u64::MAX; 200].as_slice()).is_none());
    }
}
