//! The header of an `.npy` array: a Python dictionary, of which only the literals
//! that NumPy itself writes are understood.

use std::io::Read;

use super::dtype::{DType, integer};
use crate::error::FormatError;

pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longest header text accepted, in bytes. NumPy's own limit is 10,000.
const MAX_HEADER: u64 = 1 << 16;

/// What precedes an array's elements.
pub(super) struct Header {
    pub(super) dtype: DType,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

impl Header {
    /// Reads a header of version 1, 2 or 3, leaving `reader` at the first element.
    pub(super) fn read(mut reader: impl Read) -> Result<Self, FormatError> {
        let mut start = Vec::new();
        reader.by_ref().take(8).read_to_end(&mut start)?;
        let Some((version, [])) = start.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<2>())
        else {
            return Err(FormatError::Magic { expected: "an npy array (\\x93NUMPY)", found: start });
        };
        let length_bytes = match version {
            [1, _] => 2,
            [2 | 3, _] => 4,
            _ => return Err(FormatError::Header("version 1, 2 or 3")),
        };
        let mut length = Vec::new();
        reader.by_ref().take(length_bytes).read_to_end(&mut length)?;
        let length = integer(&length, false, false) as u64;
        if length > MAX_HEADER {
            return Err(FormatError::Header("a header of at most 65536 bytes"));
        }
        let mut text = Vec::new();
        reader.take(length).read_to_end(&mut text)?;
        if (text.len() as u64) < length {
            return Err(FormatError::Header("more bytes of header"));
        }
        let text = str::from_utf8(&text).map_err(|_| FormatError::Header("UTF-8 text"))?;
        Literal(text).header()
    }
}

/// The rest of a header's text, consumed from the front.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    fn header(mut self) -> Result<Header, FormatError> {
        let (mut dtype, mut fortran_order, mut shape) = (None, None, None);
        self.expect("{", "a dictionary")?;
        while !self.skip("}") {
            let key = self.string("a quoted key")?;
            self.expect(":", "a colon after a key")?;
            match key {
                "descr" => dtype = Some(self.dtype()?),
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.shape()?),
                _ => return Err(FormatError::Header("descr, fortran_order and shape only")),
            }
            if !self.skip(",") {
                self.expect("}", "the end of the dictionary")?;
                break;
            }
        }
        match (dtype, fortran_order, shape) {
            (Some(dtype), Some(fortran_order), Some(shape)) => Ok(Header { dtype, fortran_order, shape }),
            _ => Err(FormatError::Header("descr, fortran_order and shape")),
        }
    }

    fn skip(&mut self, token: &str) -> bool {
        let rest = self.0.trim_ascii_start().strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, token: &str, what: &'static str) -> Result<(), FormatError> {
        self.skip(token).then_some(()).ok_or(FormatError::Header(what))
    }

    fn string(&mut self, what: &'static str) -> Result<&'a str, FormatError> {
        let quote = if self.skip("'") { '\'' } else { '"' };
        if quote == '"' {
            self.expect("\"", what)?;
        }
        let (text, rest) = self.0.split_once(quote).ok_or(FormatError::Header(what))?;
        self.0 = rest;
        Ok(text)
    }

    fn dtype(&mut self) -> Result<DType, FormatError> {
        let text = self.string("one element type, not a structure")?;
        DType::parse(text).ok_or_else(|| FormatError::DType {
            expected: "integers or floats of 1, 2, 4 or 8 bytes",
            found: text.chars().take(32).collect(),
        })
    }

    fn boolean(&mut self) -> Result<bool, FormatError> {
        if self.skip("True") {
            return Ok(true);
        }
        self.expect("False", "True or False")?;
        Ok(false)
    }

    fn shape(&mut self) -> Result<Vec<usize>, FormatError> {
        const WHAT: &str = "a tuple of non-negative numbers";
        self.expect("(", WHAT)?;
        let mut shape = Vec::new();
        while !self.skip(")") {
            let text = self.0.trim_ascii_start();
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = text.split_at(digits);
            shape.push(number.parse().map_err(|_| FormatError::Header(WHAT))?);
            self.0 = rest;
            if !self.skip(",") {
                self.expect(")", WHAT)?;
                break;
            }
        }
        Ok(shape)
    }
}
