//! Whether bytes that are read were written before, as the type they are read as.

use core::ops::Range;

use quant::mem::DType;

/// Tracks which part of one read range holds values of its type, while the writes
/// before it are replayed in order. Keeps a single contiguous range: pieces written
/// apart and joined later count only once they touch, so it may refuse a sound
/// program but never admits one that reads what was not written.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    wanted: Range<u64>,
    dtype: DType,
    valid: Range<u64>,
}

impl Coverage {
    /// Nothing of `wanted` is defined yet.
    pub(crate) fn new(wanted: Range<u64>, dtype: DType) -> Self {
        let valid = wanted.start..wanted.start;
        Self { wanted, dtype, valid }
    }

    /// `bytes` now hold values of `dtype`.
    pub(crate) fn write(&mut self, bytes: &Range<u64>, dtype: DType) {
        if dtype != self.dtype {
            return self.clobber(bytes);
        }
        let start = bytes.start.max(self.wanted.start);
        let end = bytes.end.min(self.wanted.end);
        if start >= end {
            return;
        }
        if self.valid.is_empty() || start > self.valid.end || end < self.valid.start {
            self.valid = start..end;
        } else {
            self.valid = self.valid.start.min(start)..self.valid.end.max(end);
        }
    }

    /// `bytes` now hold nothing defined.
    pub(crate) fn clobber(&mut self, bytes: &Range<u64>) {
        if bytes.end <= self.valid.start || bytes.start >= self.valid.end {
            return;
        }
        if bytes.start <= self.valid.start {
            self.valid.start = bytes.end.min(self.valid.end);
        } else {
            self.valid.end = bytes.start;
        }
    }

    /// Whether all of the range is defined.
    pub(crate) fn is_complete(&self) -> bool {
        self.valid == self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_writes_join_and_others_do_not() {
        let mut c = Coverage::new(10..30, DType::I16);
        c.write(&(0..14), DType::I16);
        c.write(&(14..40), DType::I16);
        assert!(c.is_complete());
        let mut c = Coverage::new(10..30, DType::I16);
        c.write(&(10..14), DType::I16);
        c.write(&(16..30), DType::I16);
        assert!(!c.is_complete());
    }

    #[test]
    fn another_type_or_scratch_undefines() {
        for at in [9..11, 20..21, 29..50, 0..100] {
            let mut c = Coverage::new(10..30, DType::I8);
            c.write(&(10..30), DType::I8);
            c.write(&at, DType::U8);
            assert!(!c.is_complete(), "{at:?}");
        }
        let mut c = Coverage::new(10..30, DType::I8);
        c.write(&(10..30), DType::I8);
        c.clobber(&(30..40));
        assert!(c.is_complete());
    }
}
