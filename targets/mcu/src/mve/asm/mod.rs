//! The instructions themselves.
#![expect(unsafe_code, reason = "instructions without an intrinsic")]

mod attention;
mod compare;
mod depthwise;
mod epilogue;
mod expand;
mod fields;
mod layer_norm;
mod linear;
mod panels;
mod selected;
mod shift_gelu;
mod shiftmax;
mod tables;

pub(crate) use attention::{pack_keys, pack_values};
pub(crate) use compare::{at_least, below, counts_below};
pub(crate) use depthwise::results as depthwise_results;
pub(crate) use epilogue::{finish, finish_i16, finish_rows};
pub(crate) use expand::expand;
pub(crate) use fields::{Field, PRODUCT, Product, Products};
pub(crate) use layer_norm::{about_mean, normalize_i8, normalize_i16};
pub(crate) use linear::{ROOM, Room, load, load_wide, multiply, multiply_wide};
pub(crate) use panels::{add_panels, distances};
pub(crate) use selected::{COUNTED, least, shorten, sum, within};
pub(crate) use shift_gelu::gelu;
pub(crate) use shiftmax::probabilities;
pub(crate) use tables::{count, fill, fill_low};
