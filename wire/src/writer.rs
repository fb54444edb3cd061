//! Writes values.

use serde::ser::{self, Serialize};

use crate::Error;

/// Writes `value` to the front of `bytes`; how many it takes.
///
/// # Errors
///
/// Where it has no room.
pub fn to_slice<T: Serialize + ?Sized>(value: &T, bytes: &mut [u8]) -> Result<usize, Error> {
    let mut writer = Writer { bytes, len: 0 };
    value.serialize(&mut writer)?;
    Ok(writer.len)
}

/// The room, and how much of it is taken.
struct Writer<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    #[inline(never)]
    fn byte(&mut self, byte: u8) -> Result<(), Error> {
        *self.bytes.get_mut(self.len).ok_or(Error)? = byte;
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// Seven bits in each byte, the lowest first, and the eighth where another follows.
    #[inline(never)]
    fn varint(&mut self, mut value: u64) -> Result<(), Error> {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80)?;
            value >>= 7;
        }
        self.byte(value as u8)
    }

    /// 0, −1, 1, −2, … as 0, 1, 2, 3, …
    fn zigzag(&mut self, value: i32) -> Result<(), Error> {
        self.varint((((value << 1) ^ (value >> 31)) as u32).into())
    }
}

/// Types that records and messages are not made of.
macro_rules! refused {
    ($($method:ident($type:ty))*) => {
        $(fn $method(self, _: $type) -> Result<(), Error> {
            Err(Error)
        })*
    };
}

impl ser::Serializer for &mut Writer<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = ser::Impossible<(), Error>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.byte(value.into())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.byte(value)
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.varint(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.varint(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.varint(value)
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.byte(value as u8)
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.zigzag(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.zigzag(value)
    }

    refused! {
        serialize_i64(i64) serialize_f32(f32) serialize_f64(f64) serialize_char(char)
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.varint(value.len() as u64)?;
        value.iter().try_for_each(|&byte| self.byte(byte))
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.byte(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.byte(1)?;
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Err(Error)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Err(Error)
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), Error> {
        self.varint(index.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.varint(index.into())?;
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Error> {
        self.varint(len.ok_or(Error)? as u64)?;
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        self.varint(index.into())?;
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Err(Error)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        self.varint(index.into())?;
        Ok(self)
    }

    fn collect_str<T: core::fmt::Display + ?Sized>(self, _: &T) -> Result<(), Error> {
        Err(Error)
    }
}

/// Elements and fields one after another.
macro_rules! in_order {
    ($($of:ident::$method:ident),*) => {
        $(impl ser::$of for &mut Writer<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}
in_order!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// Fields one after another, without their names.
macro_rules! named {
    ($($of:ident),*) => {
        $(impl ser::$of for &mut Writer<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Error> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}
named!(SerializeStruct, SerializeStructVariant);
