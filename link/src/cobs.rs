//! Consistent Overhead Byte Stuffing: no zero inside a frame, one byte more for each 254.
//!
//! Written here because no crate does it without a panic in firmware. Code bytes of encoding and
//! decoding on Armv6-M at opt-level "s" with link-time optimisation:
//!
//! | | bytes | links a panic | besides |
//! |---|---|---|---|
//! | this file | 224 | no | |
//! | `cobs` 0.5.1 | 572 | yes | asks for Rust 1.87, brings `heapless` |
//! | `corncobs` 0.1.4 | 2,300 | yes | MPL-2.0; decodes frames with zeros in them |
//! | `ucobs` 0.3.4 | 1,278 | yes | asks for Rust 1.93; decodes into a second buffer only |
//! | `cobs_codec_rs` 1.3.0 | 204 | yes | panics where the buffer is too small |

/// Most bytes that [`encode`] makes of `len`.
pub(crate) const fn max_encoded(len: usize) -> usize {
    len + len / 254 + 1
}

/// Stuffs `bytes` into the front of `out`; the number of bytes, or `None` where `out` is
/// too small.
pub(crate) fn encode(bytes: &[u8], out: &mut [u8]) -> Option<usize> {
    let (mut code_at, mut end, mut code) = (0, 1, 1u8);
    for &byte in bytes {
        if code == u8::MAX {
            *out.get_mut(code_at)? = code;
            (code_at, end, code) = (end, end + 1, 1);
        }
        if byte == 0 {
            *out.get_mut(code_at)? = code;
            (code_at, end, code) = (end, end + 1, 1);
        } else {
            *out.get_mut(end)? = byte;
            end += 1;
            code = code.wrapping_add(1);
        }
    }
    *out.get_mut(code_at)? = code;
    Some(end)
}

/// Unstuffs `frame`, without its delimiters, in place; the number of bytes at its front,
/// or `None` where it is not such a frame.
pub(crate) fn decode(frame: &mut [u8]) -> Option<usize> {
    let (mut from, mut to) = (0usize, 0usize);
    while from < frame.len() {
        let code = *frame.get(from)?;
        let next = from.checked_add(usize::from(code))?;
        if code == 0 || next > frame.len() {
            return None;
        }
        from += 1;
        while from < next {
            // Reading is always ahead of writing.
            let byte = *frame.get(from)?;
            *frame.get_mut(to)? = byte;
            from += 1;
            to += 1;
        }
        if code != u8::MAX && from < frame.len() {
            *frame.get_mut(to)? = 0;
            to += 1;
        }
    }
    Some(to)
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0; max_encoded(bytes.len())];
        let len = encode(bytes, &mut out).expect("the buffer is large enough");
        out.truncate(len);
        out
    }

    #[test]
    fn vectors_of_the_paper() {
        assert_eq!(encoded(&[]), [1]);
        assert_eq!(encoded(&[0]), [1, 1]);
        assert_eq!(encoded(&[0x11, 0x22, 0, 0x33]), [3, 0x11, 0x22, 2, 0x33]);
        let long: Vec<u8> = (1..=254).collect();
        assert_eq!(encoded(&long), [&[255][..], &long].concat());
    }

    #[test]
    fn a_small_buffer_is_refused() {
        assert_eq!(encode(&[1, 2, 3], &mut [0; 3]), None);
        assert_eq!(encode(&[], &mut []), None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..1200)) {
            let mut frame = encoded(&bytes);
            prop_assert!(!frame.contains(&0));
            let len = decode(&mut frame);
            prop_assert_eq!(len.map(|len| &frame[..len]), Some(&bytes[..]));
        }

        #[test]
        fn any_frame_is_decoded_or_refused(mut frame in proptest::collection::vec(any::<u8>(), 0..1200)) {
            let len = frame.len();
            prop_assert!(decode(&mut frame).is_none_or(|decoded| decoded <= len));
        }
    }
}
