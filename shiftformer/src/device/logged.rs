//! A device's log, which comes between its answers.

use link::{Line, Receiver, log_of};

/// What a device's log brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A frame, as the device's logger made it.
    Frame(&'a [u8]),
    /// So many frames are missing: the device had no room, or the line lost them.
    Lost(u32),
}

/// A line whose log is listened to. The answers on it pass unchanged.
///
/// When it is dropped, what the device still logs is heard first, until it falls silent.
pub struct Logged<L: Line> {
    line: L,
    receiver: Receiver,
    /// Number of the next frame, where one was heard before.
    next: Option<u32>,
    sink: Box<dyn FnMut(Heard<'_>) + Send>,
}

/// Milliseconds without a byte that are the end of a log, and most bytes until then.
const SILENCE_MS: u32 = 50;
const LAST_BYTES: usize = 1 << 16;

impl<L: Line> Logged<L> {
    /// Gives to `sink` what is logged on `line`.
    pub fn new(line: L, sink: impl FnMut(Heard<'_>) + Send + 'static) -> Self {
        Self { line, receiver: Receiver::new(), next: None, sink: Box::new(sink) }
    }

    fn hear(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let Some(Ok(content)) = self.receiver.push(byte) else { continue };
            let Some(log) = log_of(content) else { continue };
            // A device that starts over counts from zero.
            let lost = self.next.map_or(0, |next| log.number.checked_sub(next).unwrap_or(log.number));
            if lost > 0 {
                (self.sink)(Heard::Lost(lost));
            }
            self.next = Some(log.number.wrapping_add(1));
            (self.sink)(Heard::Frame(log.frame));
        }
    }
}

impl<L: Line> Line for Logged<L> {
    type Error = L::Error;

    fn send(&mut self, bytes: &[u8]) -> Result<(), L::Error> {
        self.line.send(bytes)
    }

    fn receive(&mut self, out: &mut [u8], timeout_ms: u32) -> Result<usize, L::Error> {
        let count = self.line.receive(out, timeout_ms)?;
        self.hear(out.get(..count).unwrap_or(&[]));
        Ok(count)
    }
}

impl<L: Line> Drop for Logged<L> {
    fn drop(&mut self) {
        let (mut bytes, mut heard) = ([0; 256], 0);
        while let Ok(count @ 1..) = self.receive(&mut bytes, SILENCE_MS) {
            if heard >= LAST_BYTES {
                break;
            }
            heard += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use link::{Answer, Reply, Sender, ToHost};

    use super::*;

    struct Queue(VecDeque<u8>);

    impl Line for Queue {
        type Error = Infallible;

        fn send(&mut self, _: &[u8]) -> Result<(), Infallible> {
            Ok(())
        }

        fn receive(&mut self, out: &mut [u8], _: u32) -> Result<usize, Infallible> {
            let count = self.0.len().min(out.len()).min(3);
            for place in &mut out[..count] {
                *place = self.0.pop_front().unwrap();
            }
            Ok(count)
        }
    }

    fn frame(tag: u32, reply: Reply<'_>) -> Vec<u8> {
        Sender::new().frame(&ToHost { tag, reply }).unwrap().to_vec()
    }

    fn log(number: u32) -> Vec<u8> {
        // The third variant of `Reply`.
        Sender::new().frame(&(0u32, 2u32, number, [number as u8, 0, 7].as_slice())).unwrap().to_vec()
    }

    /// What is heard of `bytes` where `read` of them are asked for.
    fn heard(bytes: &[u8], read: usize) -> Vec<(Vec<u8>, u32)> {
        let all = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&all);
        let mut line = Logged::new(Queue(bytes.iter().copied().collect()), move |heard| {
            into.lock().unwrap().push(match heard {
                Heard::Frame(frame) => (frame.to_vec(), 0),
                Heard::Lost(count) => (Vec::new(), count),
            });
        });
        let mut passed = Vec::new();
        while passed.len() < read {
            let mut out = [0; 64];
            let Ok(count) = line.receive(&mut out, 0);
            passed.extend_from_slice(&out[..count]);
        }
        assert_eq!(passed, bytes[..passed.len()]);
        drop(line);
        std::mem::take(&mut *all.lock().unwrap())
    }

    #[test]
    fn the_log_is_heard_between_answers_and_after_the_last() {
        let answer = frame(7, Reply::Answer(Answer::Accepted));
        let bytes = [b"text\r\n".to_vec(), log(4), answer.clone(), log(5), answer, log(6)].concat();
        let expected: Vec<_> = (4..7).map(|number| (vec![number, 0, 7], 0)).collect();
        for read in [0, 30, bytes.len()] {
            assert_eq!(heard(&bytes, read), expected);
        }
    }

    #[test]
    fn gaps_and_starts_are_seen() {
        let mut damaged = log(2);
        damaged[4] ^= 1;
        let bytes = [log(0), log(1), damaged, log(3), log(0), log(9)].concat();
        let lost: Vec<u32> = heard(&bytes, 0).into_iter().map(|(_, lost)| lost).collect();
        assert_eq!(lost, [0, 0, 1, 0, 0, 8, 0]);
    }
}
