//! Named tensors of a safetensors file, with errors that name them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::LAYOUTS;
use super::layout::{Family, Naming};
use super::unread::{Unused, meaning};
use crate::error::ConvertError;

/// The tensors of a model. Reads F32, F16 and BF16 tensors, I32 integers and packed bits; allocates
/// no more than the files' size.
///
/// It records which tensors were read, so that an importer leaves none by oversight.
pub struct Tensors<'a> {
    /// By the names that importers ask for.
    tensors: BTreeMap<String, Entry<'a>>,
    /// Names that the layout does not have.
    strange: Vec<String>,
    metadata: HashMap<String, String>,
    naming: Naming,
    read: RefCell<BTreeSet<String>>,
}

struct Entry<'a> {
    /// As the file has it.
    name: String,
    view: TensorView<'a>,
}

impl<'a> Tensors<'a> {
    /// Parses `bytes`; `path` is for messages.
    pub fn parse(bytes: &'a [u8], path: &str) -> Result<Self, ConvertError> {
        Self::parse_all(&[(bytes, path)])
    }

    /// Parses the files of one model; the paths are for messages. A name that two files have is
    /// refused at the end.
    pub fn parse_all(files: &[(&'a [u8], &str)]) -> Result<Self, ConvertError> {
        let (mut all, mut metadata) = (Vec::new(), HashMap::new());
        for &(bytes, path) in files {
            let bad = |e: safetensors::SafeTensorError| ConvertError::Safetensors {
                path: path.to_owned(),
                reason: e.to_string(),
            };
            let (_, header) = SafeTensors::read_metadata(bytes).map_err(bad)?;
            all.extend(SafeTensors::deserialize(bytes).map_err(bad)?.tensors());
            metadata.extend(header.metadata().clone().unwrap_or_default());
        }
        let naming = Naming::find(LAYOUTS, all.iter().map(|(name, _)| name.as_str()));
        let (mut tensors, mut strange) = (BTreeMap::new(), Vec::new());
        for (name, view) in all {
            match naming.unwrapped(&name).and_then(|name| naming.inward(name)) {
                Some(inner) if !tensors.contains_key(&inner) => {
                    tensors.insert(inner, Entry { name, view });
                }
                Some(_) | None => strange.push(name),
            }
        }
        Ok(Self { tensors, strange, metadata, naming, read: RefCell::default() })
    }

    /// Who named the tensors, if it is known.
    pub fn family(&self) -> Option<Family> {
        self.naming.layout.map(|layout| layout.family)
    }

    fn tensor(&self, name: &str) -> Option<&TensorView<'a>> {
        self.tensors.get(name).map(|entry| &entry.view)
    }

    /// Refuses the file if a tensor was not read that is not `unused`: the end of every import.
    pub fn finish(&self, unused: &[&[Unused]]) -> Result<(), ConvertError> {
        let read = self.read.borrow();
        let unread = self.tensors.iter().filter(|(inner, _)| !read.contains(*inner));
        let all = unread.map(|(_, entry)| &entry.name).chain(&self.strange);
        let covered = |name: &str| unused.iter().copied().flatten().any(|row| row.covers(name, &read));
        let left = all.filter(|name| !self.naming.unwrapped(name).is_some_and(covered));
        let left: BTreeSet<&str> = left.map(String::as_str).collect();
        match left.is_empty() {
            true => Ok(()),
            false => Err(ConvertError::UnreadTensors {
                meaning: meaning(&left),
                names: left.into_iter().map(str::to_owned).collect(),
            }),
        }
    }

    /// A metadata value.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Whether a tensor is there.
    pub fn contains(&self, name: &str) -> bool {
        self.tensor(name).is_some()
    }

    /// Refuses a model without the tensor `name`.
    pub fn need(&self, name: &str) -> Result<(), ConvertError> {
        match self.contains(name) {
            true => Ok(()),
            false => Err(ConvertError::MissingTensor { name: self.outward(name) }),
        }
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensor(name).map(|tensor| tensor.shape().to_vec())
    }

    /// What the model itself calls the tensor `name`.
    pub fn outward(&self, name: &str) -> String {
        let named = self.tensors.get(name).and_then(|entry| self.naming.unwrapped(&entry.name));
        named.map_or_else(|| self.naming.outward(name), str::to_owned)
    }

    /// The tensor `name`, with what the model itself calls it.
    fn of_shape(&self, name: &str, shape: &[u32]) -> Result<(&TensorView<'a>, String), ConvertError> {
        let shape: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
        let outer = self.outward(name);
        let Some(tensor) = self.tensor(name) else {
            return Err(ConvertError::MissingTensor { name: outer });
        };
        if tensor.shape() != shape {
            return Err(ConvertError::Shape { name: outer, found: tensor.shape().to_vec(), expected: shape });
        }
        self.read.borrow_mut().insert(name.to_owned());
        Ok((tensor, outer))
    }

    /// The finite values of tensor `name`, which must have `shape`.
    pub fn floats(&self, name: &str, shape: &[u32]) -> Result<Vec<f32>, ConvertError> {
        let (tensor, name) = self.of_shape(name, shape)?;
        let values = decode(&name, tensor.dtype(), tensor.data())?;
        reject(&name, &values, "a finite number", |v| !v.is_finite())?;
        Ok(values)
    }

    /// Integers kept as floats, at most `max` in magnitude.
    pub fn integers(&self, name: &str, shape: &[u32], max: f32) -> Result<Vec<i32>, ConvertError> {
        let values = self.floats(name, shape)?;
        reject(name, &values, "an integer within the range of its type", |v| {
            v.fract() != 0.0 || v.abs() > max
        })?;
        Ok(values.into_iter().map(|v| v as i32).collect())
    }

    /// Positive scales.
    pub fn scales(&self, name: &str, shape: &[u32]) -> Result<Vec<f32>, ConvertError> {
        let values = self.floats(name, shape)?;
        reject(name, &values, "a positive scale", |v| v <= 0.0)?;
        Ok(values)
    }

    /// I32 integers that are not negative.
    pub fn naturals(&self, name: &str, shape: &[u32]) -> Result<Vec<u32>, ConvertError> {
        let (tensor, name) = self.of_shape(name, shape)?;
        expect(&name, tensor.dtype(), Dtype::I32, "I32")?;
        let words = tensor.data().as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word));
        let natural = |(index, value): (usize, i32)| {
            u32::try_from(value).map_err(|_| ConvertError::Value {
                name: name.clone(),
                index,
                value: value.into(),
                expected: "0 or more",
            })
        };
        words.enumerate().map(natural).collect()
    }

    /// `rows` rows of `width` bits, each packed to U8 bytes, low bit first, padding bits 0.
    pub fn bits(&self, name: &str, rows: u32, width: u32) -> Result<Vec<bool>, ConvertError> {
        let bytes = width.div_ceil(8);
        let (tensor, name) = self.of_shape(name, &[rows, bytes])?;
        expect(&name, tensor.dtype(), Dtype::U8, "U8")?;
        let mut bits = Vec::with_capacity(rows as usize * width as usize);
        for (index, row) in tensor.data().chunks_exact(bytes.max(1) as usize).enumerate() {
            let bit = |i: u32| row[i as usize / 8] >> (i % 8) & 1 == 1;
            if (width..8 * bytes).any(bit) {
                let index = (index + 1) * row.len() - 1;
                let value = f64::from(tensor.data()[index]);
                let expected = "padding bits that are 0";
                return Err(ConvertError::Value { name, index, value, expected });
            }
            bits.extend((0..width).map(bit));
        }
        Ok(bits)
    }

    /// One positive scale, of shape `[]` or `[1]`.
    pub fn scale(&self, name: &str) -> Result<f32, ConvertError> {
        let shape: &[u32] = match self.tensor(name) {
            Some(tensor) if tensor.shape() == [1] => &[1],
            _ => &[],
        };
        Ok(self.scales(name, shape)?[0])
    }
}

/// The values of F32, F16 and BF16 tensors.
fn decode(name: &str, dtype: Dtype, data: &[u8]) -> Result<Vec<f32>, ConvertError> {
    let words = || data.as_chunks::<2>().0.iter();
    match dtype {
        Dtype::F32 => Ok(data.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect()),
        Dtype::F16 => Ok(words().map(|&word| f16::from_le_bytes(word).to_f32()).collect()),
        Dtype::BF16 => Ok(words().map(|&word| bf16::from_le_bytes(word).to_f32()).collect()),
        other => Err(ConvertError::ElementType {
            name: name.to_owned(),
            found: format!("{other:?}"),
            expected: "F32, F16 or BF16",
        }),
    }
}

fn expect(name: &str, found: Dtype, wanted: Dtype, expected: &'static str) -> Result<(), ConvertError> {
    match found == wanted {
        true => Ok(()),
        false => {
            Err(ConvertError::ElementType { name: name.to_owned(), found: format!("{found:?}"), expected })
        }
    }
}

fn reject(
    name: &str,
    values: &[f32],
    expected: &'static str,
    bad: impl Fn(f32) -> bool,
) -> Result<(), ConvertError> {
    match values.iter().position(|&v| bad(v)) {
        Some(index) => {
            let value = f64::from(values[index]);
            Err(ConvertError::Value { name: name.to_owned(), index, value, expected })
        }
        None => Ok(()),
    }
}

/// Weights in (output, channel, position) order moved to (output, position, channel).
pub(super) fn channels_last<T: Copy>(weights: &[T], channels: usize, positions: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(weights.len());
    for filter in weights.chunks_exact(channels * positions) {
        for position in 0..positions {
            out.extend((0..channels).map(|channel| filter[channel * positions + position]));
        }
    }
    out
}
