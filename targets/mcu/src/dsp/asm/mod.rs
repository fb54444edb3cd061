//! The instructions themselves.
#![expect(unsafe_code, reason = "instructions without an intrinsic")]

mod attention;
mod bytes;
mod depthwise;
mod layer_norm;
mod linear;
mod panels;
mod shift_gelu;

pub(crate) use attention::{pack, weigh};
pub(crate) use bytes::{max, sub4};
pub(crate) use depthwise::results as depthwise_results;
pub(crate) use layer_norm::{normalize_i8, normalize_i16};
pub(crate) use linear::{ROOM, Room, multiply, multiply_into, widen_rows};
pub(crate) use panels::add_panels;
pub(crate) use shift_gelu::gelu;
