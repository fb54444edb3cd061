//! Elements of any numeric type as real numbers.

use super::Array;
use super::dtype::{Kind, integer};

impl Array {
    /// Whether its elements are integers.
    pub fn is_integer(&self) -> bool {
        matches!(self.dtype.kind, Kind::Signed | Kind::Unsigned)
    }

    /// The elements of entry `index` of the first dimension, as real numbers: booleans are 0 and
    /// 1, integers of 64 bits are rounded to 53. None past the last entry, and of a scalar.
    pub fn reals(&self, index: usize) -> Option<Vec<f64>> {
        let (&entries, rest) = self.shape.split_first()?;
        let bytes = rest.iter().try_fold(self.dtype.size, |bytes, &len| bytes.checked_mul(len))?;
        let start = index.checked_mul(bytes).filter(|_| index < entries)?;
        let entry = self.data.get(start..start.checked_add(bytes)?)?;
        Some(entry.chunks_exact(self.dtype.size).map(|bytes| self.real(bytes)).collect())
    }

    fn real(&self, bytes: &[u8]) -> f64 {
        let big_endian = self.dtype.big_endian;
        let bits = || integer(bytes, big_endian, false);
        match self.dtype.kind {
            Kind::Float if self.dtype.size == 8 => f64::from_bits(bits() as u64),
            Kind::Float => f32::from_bits(bits() as u32).into(),
            Kind::Signed => integer(bytes, big_endian, true) as f64,
            Kind::Unsigned | Kind::Bool => bits() as f64,
        }
    }
}
