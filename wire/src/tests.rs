//! The `postcard` crate is the truth.

use std::vec::Vec;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

/// Everything that records and messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Record<'a> {
    flag: bool,
    bytes: (u8, i8),
    words: (u16, i16),
    long: (u32, i32),
    longest: u64,
    newtype: Newtype,
    option: Option<u32>,
    array: [u16; 3],
    kind: Kind,
    text: &'a str,
    data: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(u32);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    Newtype(i32),
    Tuple(u8, u32),
    Struct { a: u16, b: Option<i8> },
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Unit),
        any::<i32>().prop_map(Kind::Newtype),
        any::<(u8, u32)>().prop_map(|(a, b)| Kind::Tuple(a, b)),
        any::<(u16, Option<i8>)>().prop_map(|(a, b)| Kind::Struct { a, b }),
    ]
}

/// Bytes as records are: many short numbers, some that go on, some that go on for too long.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => 0u8..4, 2 => any::<u8>(), 1 => Just(0x80), 1 => Just(0xff)];
    prop::collection::vec(byte, 0..60)
}

/// What `postcard` makes of bytes that have to be one value.
fn truth<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}

proptest! {
    #[test]
    fn writes_and_reads_as_postcard(
        (flag, bytes, words) in any::<(bool, (u8, i8), (u16, i16))>(),
        (long, longest) in any::<((u32, i32), u64)>(),
        small in 0u32..300,
        (newtype, option, array) in any::<(u32, Option<u32>, [u16; 3])>(),
        kind in kind(),
        text in ".{0,40}",
        data in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let newtype = Newtype(newtype.checked_shr(small).unwrap_or(small));
        let record = Record {
            flag, bytes, words, long, longest, newtype, option, array, kind, text: &text, data: &data,
        };
        let (mut ours, mut theirs) = ([0; 600], [0; 600]);
        let len = to_slice(&record, &mut ours).expect("fits");
        let theirs = postcard::to_slice(&record, &mut theirs).expect("fits");
        prop_assert_eq!(&ours[..len], &*theirs);
        prop_assert_eq!(from_bytes::<Record<'_>>(theirs), Ok(record));
        prop_assert_eq!(from_bytes::<Record<'_>>(&ours[..len - 1]), Err(Error));
        prop_assert_eq!(to_slice(&record, &mut [0; 600][..len - 1]), Err(Error));
        let longer = &ours[..=len];
        prop_assert_eq!(from_bytes::<Record<'_>>(longer), Err(Error));
    }

    #[test]
    fn refuses_what_postcard_refuses(bytes in bytes()) {
        prop_assert_eq!(from_bytes(&bytes).ok(), truth::<Record<'_>>(&bytes));
        prop_assert_eq!(from_bytes(&bytes).ok(), truth::<Kind>(&bytes));
        prop_assert_eq!(from_bytes(&bytes).ok(), truth::<u16>(&bytes));
        prop_assert_eq!(from_bytes(&bytes).ok(), truth::<i16>(&bytes));
        prop_assert_eq!(from_bytes(&bytes).ok(), truth::<u32>(&bytes));
        prop_assert_eq!(from_bytes(&bytes).ok(), truth::<i32>(&bytes));
        prop_assert_eq!(from_bytes(&bytes).ok(), truth::<u64>(&bytes));
        prop_assert_eq!(from_bytes(&bytes).ok(), truth::<(bool, Option<u8>)>(&bytes));
        prop_assert_eq!(from_bytes(&bytes).ok(), truth::<(&str, u8)>(&bytes));
    }
}

#[test]
fn numbers_of_every_length() {
    for bits in 0..64 {
        for value in [(1u64 << bits) - 1, 1 << bits, (1 << bits) + 1] {
            let mut bytes = [0; 10];
            let len = to_slice(&value, &mut bytes).expect("fits");
            assert_eq!(&bytes[..len], postcard::to_slice(&value, &mut [0; 10]).expect("fits"));
            assert_eq!(from_bytes(&bytes[..len]), Ok(value));
            assert_eq!(from_bytes::<u32>(&bytes[..len]).ok(), u32::try_from(value).ok());
            assert_eq!(from_bytes::<u16>(&bytes[..len]).ok(), u16::try_from(value).ok());
        }
    }
}

#[test]
fn types_that_records_do_not_have_are_refused() {
    assert_eq!(to_slice(&1.5f32, &mut [0; 16]), Err(Error));
    assert_eq!(to_slice(&'a', &mut [0; 16]), Err(Error));
    assert_eq!(from_bytes::<f64>(&[0; 8]), Err(Error));
    assert_eq!(from_bytes::<()>(&[]), Err(Error));
}
