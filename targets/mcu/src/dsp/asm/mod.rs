//! The instructions themselves.
#![expect(unsafe_code, reason = "instructions without an intrinsic")]

mod attention;
mod bytes;
mod depthwise;
mod linear;
mod panels;

pub(crate) use attention::{score_pairs, weighted};
pub(crate) use bytes::{max4, sub4, sxtb16, sxtb16_odd};
pub(crate) use depthwise::results as depthwise_results;
pub(crate) use linear::{ROOM, Room, multiply, multiply_into, widen_rows};
pub(crate) use panels::add_panels;
