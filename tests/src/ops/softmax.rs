use proptest::prelude::*;
use quant::Op;
use quant::arith::ShiftExp;
use quant::mem::DType;
use quant::ops::{Act, Exponential, ShiftGelu, Shiftmax};

use super::{Generated, rows_and_width, size};
use crate::case::{Builder, Case, multiplier};
use crate::source::{Source, does_not_vanish};

/// Largest row of which an 8-bit uniform probability is not 0.
const WIDEST_I8: u32 = 255;

impl Generated for Shiftmax {
    fn cases() -> BoxedStrategy<Case> {
        let width = prop_oneof![6 => size(), 2 => 120u32..=WIDEST_I8, 1 => 256u32..1500];
        let make = |(rows, width, table, narrow, seed): (u32, u32, bool, bool, u64)| {
            let narrow = narrow && width <= WIDEST_I8;
            let about = format!("Shiftmax {rows} x {width} table {table} to 8 bits {narrow} seed {seed}");
            Case::one_op(about, move |b| {
                let s = &mut Source::new(seed);
                let fraction = if narrow { 23 } else { 16 };
                let (x, exp) = if table {
                    scores_i8(b, s, rows, width, fraction)
                } else {
                    scores_i16(b, s, rows, width, fraction)
                };
                let out = b.act_out(if narrow { DType::I8 } else { DType::I16 }, rows * width);
                Op::Shiftmax(Shiftmax { rows, width, x, exp, out })
            })
        };
        (size(), width, any::<bool>(), any::<bool>(), any::<u64>()).prop_map(make).boxed()
    }
}

fn scores_i8(b: &mut Builder, s: &mut Source, rows: u32, width: u32, fraction: u32) -> (Act, Exponential) {
    let table = b.blob(&s.exponentials(width, fraction));
    (b.act(s, DType::I8, rows * width), Exponential::Table(table))
}

/// Any unit and fraction bits whose sum fits and whose uniform probabilities do not vanish.
fn scores_i16(b: &mut Builder, s: &mut Source, rows: u32, width: u32, fraction: u32) -> (Act, Exponential) {
    let limit = i32::MAX as u32 / width;
    let exp = loop {
        let bits = 1 + s.below(limit.ilog2()) as u8;
        let most = (limit >> bits).max(1);
        let unit = if s.below(2) == 0 { 1 } else { 1 + s.below(most) };
        let exp = ShiftExp { unit, bits };
        if does_not_vanish(exp.max(), width, fraction) {
            break exp;
        }
    };
    (b.act(s, DType::I16, rows * width), Exponential::Shift(exp))
}

impl Generated for ShiftGelu {
    fn cases() -> BoxedStrategy<Case> {
        let shape = prop_oneof![20 => rows_and_width(), 1 => (110u32..=120, 300u32..=310)];
        let make = |((rows, width), seed): ((u32, u32), u64)| {
            Case::one_op(format!("ShiftGelu {rows} x {width} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let exp = b.blob(&s.exponentials(2, 1));
                let x = b.updated_values(s, rows * width);
                Op::ShiftGelu(ShiftGelu { rows, width, x, exp, out: multiplier(s) })
            })
        };
        (shape, any::<u64>()).prop_map(make).boxed()
    }
}
