//! Scalar building blocks shared by the ops.

mod isqrt;
mod multiplier;
#[cfg(feature = "scale")]
mod scale;
mod shift_exp;
mod topk;

pub use isqrt::isqrt;
pub use multiplier::{MAX_SHIFT, MIN_SHIFT, Multiplier, requantize, saturate_i8, saturate_i16, saturate_i32};
pub use shift_exp::ShiftExp;
pub use topk::{argmax, top_k};
