//! Reads values.

use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, SeqAccess, VariantAccess, Visitor};

use crate::Error;

/// Reads a value that takes all of `bytes`.
///
/// # Errors
///
/// Where they are not such a value, or more than one.
pub fn from_bytes<'de, T: de::Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Error> {
    let mut reader = Reader::new(bytes);
    let value = T::deserialize(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// The bytes that are left: a [`Deserializer`](de::Deserializer).
#[derive(Clone, Debug)]
pub struct Reader<'de> {
    rest: &'de [u8],
}

impl<'de> Reader<'de> {
    /// Of all of `bytes`.
    pub const fn new(bytes: &'de [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Nothing may be left.
    ///
    /// # Errors
    ///
    /// Where something is.
    pub fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error) }
    }

    #[inline(never)]
    fn byte(&mut self) -> Result<u8, Error> {
        let (&byte, rest) = self.rest.split_first().ok_or(Error)?;
        self.rest = rest;
        Ok(byte)
    }

    /// A number of at most `bits ≤ 32` bits: seven in each byte, the lowest first, and the
    /// eighth where another follows.
    #[inline(never)]
    fn varint(&mut self, bits: u32) -> Result<u32, Error> {
        let (mut value, mut shift) = (0u32, 0u32);
        while let ([byte, rest @ ..], true) = (self.rest, shift < bits) {
            self.rest = rest;
            let low = u32::from(byte & 0x7f);
            value |= low << (shift & 31);
            if byte & 0x80 == 0 {
                let room = bits.saturating_sub(shift);
                return if room >= 7 || low >> room == 0 { Ok(value) } else { Err(Error) };
            }
            shift = shift.saturating_add(7);
        }
        Err(Error)
    }

    /// [`varint`](Self::varint) of 64 bits.
    #[inline(never)]
    fn varint64(&mut self) -> Result<u64, Error> {
        let (mut value, mut shift) = (0u64, 0u32);
        while shift < 64 {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            value |= low << (shift & 63);
            if byte & 0x80 == 0 {
                return if shift < 63 || low <= 1 { Ok(value) } else { Err(Error) };
            }
            shift = shift.saturating_add(7);
        }
        Err(Error)
    }

    /// A signed number of at most `bits ≤ 32` bits: 0, −1, 1, −2, … as 0, 1, 2, 3, …
    fn zigzag(&mut self, bits: u32) -> Result<i32, Error> {
        let value = self.varint(bits)?;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    /// Bytes behind their number.
    fn bytes(&mut self) -> Result<&'de [u8], Error> {
        let len = usize::try_from(self.varint(32)?).map_err(|_| Error)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Error)?;
        self.rest = rest;
        Ok(bytes)
    }
}

macro_rules! refused {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error)
        })*
    };
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(Error),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u8(self.byte()?)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u16(self.varint(16)? as u16)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u32(self.varint(32)?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(self.varint64()?)
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i8(self.byte()? as i8)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i16(self.zigzag(16)? as i16)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i32(self.zigzag(32)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(core::str::from_utf8(self.bytes()?).map_err(|_| Error)?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(Error),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Fields { reader: self, left: len })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    refused! {
        deserialize_any deserialize_i64 deserialize_f32 deserialize_f64 deserialize_char deserialize_string
        deserialize_byte_buf deserialize_unit deserialize_seq deserialize_map deserialize_identifier
        deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Error> {
        Err(Error)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }
}

/// The fields of a struct.
struct Fields<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        let index = self.varint(32)?;
        Ok((seed.deserialize(index.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_tuple(self, len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_tuple(self, fields.len(), visitor)
    }
}
