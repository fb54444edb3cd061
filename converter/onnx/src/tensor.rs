//! Tensors of an ONNX file to [`Array`]s, with external data.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use half::{bf16, f16};

use super::error::OnnxError;
use super::model::{Array, Data, Element, MAX_RANK, elements};
use super::proto::TensorProto;

/// `DataType` of ONNX, where it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    F16,
    Bf16,
    F32,
    F64,
    Bool,
    /// A signed integer of so many bytes.
    Int(usize),
    /// An unsigned integer of so many bytes.
    Uint(usize),
}

impl Type {
    fn of(code: i32) -> Option<Self> {
        Some(match code {
            1 => Type::F32,
            2 => Type::Uint(1),
            3 => Type::Int(1),
            4 => Type::Uint(2),
            5 => Type::Int(2),
            6 => Type::Int(4),
            7 => Type::Int(8),
            9 => Type::Bool,
            10 => Type::F16,
            11 => Type::F64,
            12 => Type::Uint(4),
            13 => Type::Uint(8),
            16 => Type::Bf16,
            _ => return None,
        })
    }

    /// Bytes of an element in raw data.
    fn size(self) -> usize {
        match self {
            Type::Bool => 1,
            Type::F16 | Type::Bf16 => 2,
            Type::F32 => 4,
            Type::F64 => 8,
            Type::Int(size) | Type::Uint(size) => size,
        }
    }
}

/// The name of a `DataType` that is not read.
fn type_name(code: i32) -> String {
    let name = match code {
        0 => "undefined",
        8 => "string",
        14 => "complex64",
        15 => "complex128",
        17..=20 => "float8",
        21 | 22 => "int4 or uint4",
        23 => "float4",
        _ => return format!("number {code}"),
    };
    name.into()
}

/// What the importer tells apart of the `DataType` of an input; none if it is not read.
pub(super) fn element(code: i32) -> Option<Element> {
    Some(match Type::of(code)? {
        Type::F16 | Type::Bf16 | Type::F32 | Type::F64 => Element::Float,
        Type::Uint(1) => Element::U8,
        Type::Int(_) | Type::Uint(_) => Element::Int,
        Type::Bool => Element::Bool,
    })
}

/// Most bytes of external data in all: as many tensors may share one file.
const MAX_EXTERNAL: u64 = 1 << 34;

/// Reads external data from one directory, and nowhere else.
pub(super) struct External<'a> {
    directory: Option<&'a Path>,
    /// Bytes read so far.
    total: u64,
    files: HashMap<String, (File, u64)>,
}

impl<'a> External<'a> {
    /// Data lies in `directory`; without one, a tensor with external data is refused.
    pub(super) fn new(directory: Option<&'a Path>) -> Self {
        Self { directory, total: 0, files: HashMap::new() }
    }

    /// The bytes of `tensor`, which are `expected` many.
    fn read(&mut self, tensor: &TensorProto, expected: u64) -> Result<Vec<u8>, OnnxError> {
        let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
        let location = entry("location").unwrap_or("");
        let fail = |reason: String| OnnxError::ExternalData {
            tensor: tensor.name.clone(),
            file: location.into(),
            reason,
        };
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| fail(format!("`{key}` is `{text}`"))),
        };
        let offset: u64 = number("offset")?.unwrap_or(0);
        let length: Option<u64> = number("length")?;
        if length.is_some_and(|length| length != expected) {
            let length = length.unwrap_or(0);
            return Err(fail(format!("it states {length} bytes, its shape and type ask for {expected}")));
        }
        if !self.files.contains_key(location) {
            let path = self.resolve(location).map_err(&fail)?;
            let file = File::open(path).map_err(|error| fail(error.to_string()))?;
            let metadata = file.metadata().map_err(|error| fail(error.to_string()))?;
            if !metadata.is_file() {
                return Err(fail("it is not a file".into()));
            }
            self.files.insert(location.into(), (file, metadata.len()));
        }
        let Some((file, len)) = self.files.get_mut(location) else { return Err(fail("it is gone".into())) };
        if offset.checked_add(expected).is_none_or(|end| end > *len) {
            return Err(fail(format!("{expected} bytes at {offset} lie outside its {len} bytes")));
        }
        self.total += expected;
        if self.total > MAX_EXTERNAL {
            let what = "bytes of external data".into();
            return Err(OnnxError::Limit { what, found: self.total, limit: MAX_EXTERNAL });
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(expected).read_to_end(&mut bytes))
            .map_err(|error| fail(error.to_string()))?;
        if bytes.len() as u64 != expected {
            return Err(fail("it ends early".into()));
        }
        Ok(bytes)
    }

    /// The path of `location`, if that stays inside the directory, links included.
    fn resolve(&self, location: &str) -> Result<PathBuf, String> {
        let Some(directory) = self.directory else {
            return Err("a model from memory has no directory".into());
        };
        let inside = Path::new(location)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if location.is_empty() || location.contains('\\') || !inside {
            return Err("a location must be relative and stay in the model's directory".into());
        }
        let path = directory.join(location).canonicalize().map_err(|error| error.to_string())?;
        let directory = directory.canonicalize().map_err(|error| error.to_string())?;
        if !path.starts_with(&directory) {
            return Err("it links out of the model's directory".into());
        }
        Ok(path)
    }
}

/// The array of `tensor`; `name` is what errors call it.
///
/// Allocates at most eight bytes for every element that is really there.
pub(super) fn array(tensor: &TensorProto, name: &str, external: &mut External) -> Result<Array, OnnxError> {
    let fail = |reason: String| OnnxError::Tensor { tensor: name.into(), reason };
    if tensor.dims.len() > MAX_RANK {
        return Err(fail(format!("it has {} dimensions, at most {MAX_RANK} are read", tensor.dims.len())));
    }
    let shape: Vec<usize> = tensor
        .dims
        .iter()
        .map(|&dim| usize::try_from(dim).map_err(|_| fail(format!("it has a dimension of {dim}"))))
        .collect::<Result<_, _>>()?;
    let kind = Type::of(tensor.data_type)
        .ok_or_else(|| OnnxError::ElementType { tensor: name.into(), found: type_name(tensor.data_type) })?;
    let size = |len: usize| len.checked_mul(kind.size());
    let (len, bytes) = elements(&shape)
        .and_then(|len| Some((len, size(len)?)))
        .ok_or_else(|| fail(format!("the shape {shape:?} is too large")))?;
    let data = if tensor.data_location == 1 {
        from_raw(kind, &external.read(tensor, bytes as u64)?)
    } else if !tensor.raw_data.is_empty() {
        if tensor.raw_data.len() != bytes {
            let found = tensor.raw_data.len();
            return Err(fail(format!("it has {found} bytes, its shape and type ask for {bytes}")));
        }
        from_raw(kind, &tensor.raw_data)
    } else {
        from_fields(kind, tensor)
    };
    let found = data.len();
    Array::new(shape, data).ok_or_else(|| fail(format!("it has {found} elements, its shape asks for {len}")))
}

fn from_raw(kind: Type, bytes: &[u8]) -> Data {
    match kind {
        Type::F32 => Data::F32(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()),
        Type::F64 => Data::F32(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect()),
        Type::F16 => Data::F32(bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect()),
        Type::Bf16 => {
            Data::F32(bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect())
        }
        Type::Bool => Data::Bool(bytes.iter().map(|&b| b != 0).collect()),
        Type::Int(size) => Data::I64(bytes.chunks_exact(size).map(|b| integer(b, true)).collect()),
        Type::Uint(size) => Data::I64(bytes.chunks_exact(size).map(|b| integer(b, false)).collect()),
    }
}

/// The typed field that the format prescribes for `kind`.
fn from_fields(kind: Type, tensor: &TensorProto) -> Data {
    let ints = &tensor.int32_data;
    match kind {
        Type::F32 => Data::F32(tensor.float_data.as_slice().into()),
        Type::F64 => Data::F32(tensor.double_data.iter().map(|&value| value as f32).collect()),
        Type::F16 => Data::F32(ints.iter().map(|&bits| f16::from_bits(bits as u16).to_f32()).collect()),
        Type::Bf16 => Data::F32(ints.iter().map(|&bits| bf16::from_bits(bits as u16).to_f32()).collect()),
        Type::Bool => Data::Bool(ints.iter().map(|&value| value != 0).collect()),
        Type::Int(8) => Data::I64(tensor.int64_data.as_slice().into()),
        Type::Uint(4 | 8) => Data::I64(tensor.uint64_data.iter().map(|&value| saturate(value)).collect()),
        Type::Int(_) | Type::Uint(_) => Data::I64(ints.iter().map(|&value| value.into()).collect()),
    }
}

/// The value of a little-endian integer of up to eight bytes; unsigned ones saturate.
fn integer(bytes: &[u8], signed: bool) -> i64 {
    let value = bytes.iter().rev().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
    if !signed {
        return saturate(value);
    }
    let unused = 64 - 8 * bytes.len() as u32;
    ((value << unused) as i64) >> unused
}

fn saturate(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::StringStringEntryProto;

    fn read(tensor: &TensorProto) -> Result<Array, OnnxError> {
        array(tensor, "t", &mut External::new(None))
    }

    fn raw(data_type: i32, bytes: &[u8], dims: &[i64]) -> TensorProto {
        TensorProto {
            data_type,
            dims: dims.to_vec(),
            raw_data: bytes.to_vec().into(),
            ..TensorProto::default()
        }
    }

    #[test]
    fn halves_have_their_ieee_values() {
        let half = |bits: u16| read(&raw(10, &bits.to_le_bytes(), &[1])).unwrap().to_f32s()[0];
        // From the table of examples of IEEE 754 binary16.
        for (bits, value) in [
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555_e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x3c00, 1.0),
            (0x3c01, 1.000_976_6),
            (0x7bff, 65504.0),
            (0xc000, -2.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!(half(0x8000).to_bits(), (-0.0_f32).to_bits());
    }

    #[test]
    fn every_type_is_read_raw() {
        let f32s = |t| read(&t).unwrap().to_f32s();
        let i64s = |t| read(&t).unwrap().i64s().unwrap().to_vec();
        assert_eq!(f32s(raw(1, &1.5_f32.to_le_bytes(), &[1])), [1.5]);
        assert_eq!(f32s(raw(10, &[0x00, 0x3c, 0x00, 0xc0], &[2])), [1.0, -2.0]);
        assert_eq!(f32s(raw(16, &[0x80, 0x3f], &[])), [1.0]);
        assert_eq!(f32s(raw(11, &(-0.25_f64).to_le_bytes(), &[1])), [-0.25]);
        assert_eq!(i64s(raw(2, &[255, 1], &[2])), [255, 1]);
        assert_eq!(i64s(raw(3, &[255, 1], &[2])), [-1, 1]);
        assert_eq!(i64s(raw(5, &(-2_i16).to_le_bytes(), &[1])), [-2]);
        assert_eq!(i64s(raw(6, &(-70_000_i32).to_le_bytes(), &[1])), [-70_000]);
        assert_eq!(i64s(raw(7, &i64::MIN.to_le_bytes(), &[1])), [i64::MIN]);
        assert_eq!(i64s(raw(12, &u32::MAX.to_le_bytes(), &[1])), [i64::from(u32::MAX)]);
        assert_eq!(i64s(raw(13, &u64::MAX.to_le_bytes(), &[1])), [i64::MAX]);
        assert_eq!(read(&raw(9, &[0, 2], &[2])).unwrap().bools(), Some(&[false, true][..]));
    }

    #[test]
    fn typed_fields_are_read() {
        let base = |data_type| TensorProto { data_type, dims: vec![1], ..TensorProto::default() };
        let t = TensorProto { float_data: vec![2.5], ..base(1) };
        assert_eq!(read(&t).unwrap().f32s(), Some(&[2.5][..]));
        let t = TensorProto { int64_data: vec![-9], ..base(7) };
        assert_eq!(read(&t).unwrap().i64s(), Some(&[-9][..]));
        let t = TensorProto { int32_data: vec![0x3c00], ..base(10) };
        assert_eq!(read(&t).unwrap().f32s(), Some(&[1.0][..]));
        let t = TensorProto { int32_data: vec![-3], ..base(3) };
        assert_eq!(read(&t).unwrap().i64s(), Some(&[-3][..]));
        let t = TensorProto { double_data: vec![0.5], ..base(11) };
        assert_eq!(read(&t).unwrap().f32s(), Some(&[0.5][..]));
    }

    #[test]
    fn inconsistent_tensors_are_refused() {
        assert!(matches!(read(&raw(1, &[0; 4], &[2])), Err(OnnxError::Tensor { .. })));
        assert!(matches!(read(&raw(1, &[0; 4], &[-1])), Err(OnnxError::Tensor { .. })));
        assert!(matches!(read(&raw(1, &[], &[i64::MAX, i64::MAX])), Err(OnnxError::Tensor { .. })));
        assert!(matches!(read(&raw(1, &[], &[0, i64::MAX, i64::MAX])), Err(OnnxError::Tensor { .. })));
        assert!(matches!(read(&raw(1, &[0; 4], &[1; 9])), Err(OnnxError::Tensor { .. })));
        let error = read(&raw(8, &[0; 4], &[1])).unwrap_err().to_string();
        assert!(error.contains("`t`") && error.contains("string"), "{error}");
        assert!(read(&raw(1, &[], &[0, 3])).unwrap().is_empty());
    }

    fn external(location: &str, offset: &str, length: &str) -> TensorProto {
        let pair = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
        TensorProto {
            data_type: 1,
            dims: vec![1],
            name: "w".into(),
            data_location: 1,
            external_data: vec![pair("location", location), pair("offset", offset), pair("length", length)],
            ..TensorProto::default()
        }
    }

    #[test]
    fn external_data_stays_in_the_directory() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("model");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(home.path().join("secret"), [0; 64]).unwrap();
        let bytes: Vec<u8> = [1.0_f32, 2.0, 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(directory.join("weights"), bytes).unwrap();
        let mut source = External::new(Some(&directory));
        let mut read = |t: TensorProto| array(&t, "w", &mut source);
        assert_eq!(read(external("weights", "4", "4")).unwrap().f32s(), Some(&[2.0][..]));
        assert_eq!(read(external("./weights", "8", "4")).unwrap().f32s(), Some(&[3.0][..]));
        let absolute = home.path().join("secret");
        for (location, offset, length) in [
            ("../secret", "0", "4"),
            ("a/../../secret", "0", "4"),
            (absolute.to_str().unwrap(), "0", "4"),
            ("", "0", "4"),
            (".", "0", "4"),
            ("weights", "12", "4"),
            ("weights", "18446744073709551615", "4"),
            ("weights", "-1", "4"),
            ("weights", "0", "8"),
            ("elsewhere", "0", "4"),
        ] {
            let error = read(external(location, offset, length)).unwrap_err().to_string();
            assert!(error.contains("`w`"), "{location} {offset} {length}: {error}");
            assert!(error.contains(&format!("`{location}`")), "{location} {offset} {length}: {error}");
        }
        let error = array(&external("weights", "0", "4"), "w", &mut External::new(None)).unwrap_err();
        assert!(matches!(error, OnnxError::ExternalData { .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_directory_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("model");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(home.path().join("secret"), [0; 64]).unwrap();
        std::os::unix::fs::symlink(home.path().join("secret"), directory.join("link")).unwrap();
        let mut source = External::new(Some(&directory));
        let error = array(&external("link", "0", "4"), "w", &mut source).unwrap_err().to_string();
        assert!(error.contains("links out"), "{error}");
    }
}
