use proptest::prelude::*;

use super::write::ALIGN;
use super::*;

/// An array of version 1.0, in C order.
pub(crate) fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    with_header(&text, data)
}

fn with_header(text: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

fn parsed(bytes: &[u8]) -> Result<Array, FormatError> {
    parse(bytes, &Limits::default())
}

#[test]
fn written_logits_are_read_back() {
    let values = [1, -2, i32::MAX, i32::MIN, 5, 6];
    let mut bytes = Vec::new();
    write(&mut bytes, &[2, 3], &values).unwrap();
    assert_eq!((bytes.len() - 4 * values.len()) % ALIGN, 0);
    assert_eq!(
        bytes[..77],
        *b"\x93NUMPY\x01\x00\x76\x00{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }        "
    );
    let array = parsed(&bytes).unwrap();
    assert_eq!(array.shape(), [2, 3]);
    assert_eq!(array.to_i32().unwrap(), values);
    assert!(write(Vec::new(), &[2, 4], &values).is_err());
    assert!(write(Vec::new(), &[usize::MAX, 2], &values).is_err());
}

#[test]
fn every_integer_type_is_read() {
    for (descr, data, value) in [
        ("|u1", &[200][..], 200),
        ("|i1", &[200], -56),
        ("<i2", &[0xfe, 0xff], -2),
        (">i2", &[0xff, 0xfe], -2),
        ("<u2", &[0xfe, 0xff], 0xfffe),
        (">u4", &[0, 0, 1, 0], 256),
        ("<i8", &[0xff; 8], -1),
        ("<u8", &[7, 0, 0, 0, 0, 0, 0, 0], 7),
    ] {
        let array = parsed(&npy(descr, "(1,)", data)).unwrap();
        assert_eq!(array.to_i32().unwrap(), [value], "{descr}");
    }
    let large = parsed(&npy("<u8", "(1,)", &[0xff; 8])).unwrap();
    assert_eq!(
        large.to_u32(),
        Err(FormatError::Value {
            index: 0,
            value: u64::MAX.into(),
            expected: "a value from 0 to 4294967295",
        })
    );
}

#[test]
fn floats_of_either_order_are_read() {
    let little = parsed(&npy("<f4", "()", &1.5_f32.to_le_bytes())).unwrap();
    assert!(little.shape().is_empty());
    assert_eq!(little.to_f32().unwrap(), [1.5]);
    let big = parsed(&npy(">f4", "(1, 1)", &1.5_f32.to_be_bytes())).unwrap();
    assert_eq!(big.to_f32().unwrap(), [1.5]);
    let double = parsed(&npy("<f8", "(1,)", &[0; 8])).unwrap();
    assert!(matches!(double.to_f32(), Err(FormatError::DType { .. })));
    assert!(matches!(double.to_i32(), Err(FormatError::DType { .. })));
    assert!(matches!(double.into_u8(), Err(FormatError::DType { .. })));
}

#[test]
fn later_versions_have_a_longer_length() {
    let text = "{'shape':(2,),'fortran_order':False,\"descr\":'|u1'}";
    for version in [2, 3] {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend([3, 4]);
        assert_eq!(parsed(&bytes).unwrap().into_u8().unwrap(), [3, 4]);
    }
}

#[test]
fn malformed_headers_are_refused() {
    for text in [
        "",
        "{",
        "[]",
        "{'descr'",
        "{'descr': '|u1'}",
        "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1 2)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'more': 1}",
    ] {
        let refused = parsed(&with_header(text, &[1]));
        assert!(matches!(refused, Err(FormatError::Header(_))), "{text}: {refused:?}");
    }
    for descr in ["|O", "<f2", "<i3", "=i4", "u1", "<c8", "<M8[ns]", ""] {
        let refused = parsed(&npy(descr, "(1,)", &[1]));
        assert!(matches!(refused, Err(FormatError::DType { .. })), "{descr}");
    }
    let fortran = "{'descr': '|u1', 'fortran_order': True, 'shape': (1,)}";
    let refused = parsed(&with_header(fortran, &[1]));
    assert_eq!(refused, Err(FormatError::FortranOrder));
    let refused = parsed(b"PK\x03\x04");
    assert!(matches!(refused, Err(FormatError::Magic { .. })));
    let refused = parsed(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{");
    assert!(matches!(refused, Err(FormatError::Header(_))));
}

#[test]
fn the_data_is_exactly_as_announced() {
    let (expected, actual) = (6, 5);
    let short = parsed(&npy("|u1", "(2, 3)", &[0; 5]));
    assert_eq!(short, Err(FormatError::Truncated { expected, actual }));
    let long = parsed(&npy("|u1", "(2, 3)", &[0; 7]));
    assert_eq!(long, Err(FormatError::Trailing { expected }));
    let large = parsed(&npy("<f8", "(1000000000000, 1000000000000)", &[]));
    let (bytes, limit) = (u64::MAX, Limits::default().max_bytes);
    assert_eq!(large, Err(FormatError::TooLarge { bytes, limit }));
}

proptest! {
    #[test]
    fn arbitrary_headers_do_not_panic(
        text in r"\{?('descr'|'shape'|'fortran_order'|[:,(){}'<|iu0-9 ]|True|False){0,24}",
        data: Vec<u8>,
    ) {
        let limits = Limits { max_bytes: 1 << 16 };
        let _ = parse(&with_header(&text, &data), &limits);
    }

    #[test]
    fn arrays_survive_damage(at in 0..96_usize, byte: u8) {
        let mut bytes = npy("<i2", "(3, 2)", &[1; 12]);
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
        let limits = Limits { max_bytes: 1 << 16 };
        let _ = parse(&bytes, &limits).map(|array| (array.to_u32(), array.to_f32()));
    }
}
