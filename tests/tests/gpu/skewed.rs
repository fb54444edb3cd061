//! Ops over rows whose operands begin anywhere within a word, amid other values that must stay.

use quant::Op;
use quant::arith::ShiftExp;
use quant::mem::{DType, Element, Slot};
use quant::ops::{
    Act, Const, Exponential, GroupNorm, LayerNorm, Load, MeanTokens, ResponseNorm, RmsNorm, ShiftGelu,
    Shiftmax,
};
use runtime::SlotHandle;
use shiftformer_tests::case::{Builder, Case, multiplier};
use shiftformer_tests::source::{Source, Value};
use shiftformer_tests::{backend, config};

use crate::gpu;

/// Programs whose last instruction `make` gives.
fn check(name: &'static str, make: fn(&mut Builder, &mut Source) -> Op) {
    for seed in 0..u64::from(config(2).cases) {
        let case = Case::one_op(format!("{name} seed {seed}"), move |b| make(b, &mut Source::new(seed)));
        backend::check_case(gpu(), &case);
    }
}

/// Elements before and behind an operand.
fn around(s: &mut Source) -> (u32, u32) {
    (s.below(5), s.below(5))
}

fn part<T: Element>(whole: Slot<T>, before: u32, len: u32) -> Slot<T> {
    Slot::new(whole.offset + before * T::DTYPE.size(), len)
}

/// A part of an input.
fn input<T: Value>(b: &mut Builder, s: &mut Source, len: u32) -> Slot<T> {
    let (before, behind) = around(s);
    part(b.input(&s.values::<T>(before + len + behind)), before, len)
}

/// A part of an output that an instruction has filled.
fn filled<T: Value>(
    b: &mut Builder,
    s: &mut Source,
    len: u32,
    load: fn(&mut Builder, &[T], Slot<T>),
) -> Slot<T> {
    let (before, behind) = around(s);
    let values = s.values::<T>(before + len + behind);
    let whole = b.slot::<T>(values.len() as u32);
    load(b, &values, whole);
    b.describe(SlotHandle { dtype: T::DTYPE, offset: whole.offset, len: whole.len });
    part(whole, before, len)
}

fn load(b: &mut Builder, value: Const, out: Act) {
    b.push(Op::Load(Load { rows: 1, width: out.len(), value, out }));
}

fn out_i8(b: &mut Builder, s: &mut Source, len: u32) -> Slot<i8> {
    filled(b, s, len, |b, values, slot| {
        let value = Const::I8(b.blob(values));
        load(b, value, Act::I8(slot));
    })
}

fn out_i16(b: &mut Builder, s: &mut Source, len: u32) -> Slot<i16> {
    filled(b, s, len, |b, values, slot| {
        let value = Const::I16(b.blob(values));
        load(b, value, Act::I16(slot));
    })
}

fn out(b: &mut Builder, s: &mut Source, dtype: DType, len: u32) -> Act {
    match dtype {
        DType::I8 => Act::I8(out_i8(b, s, len)),
        DType::I16 => Act::I16(out_i16(b, s, len)),
        _ => Act::I32(b.out(len)),
    }
}

fn act(b: &mut Builder, s: &mut Source, dtype: DType, len: u32) -> Act {
    match dtype {
        DType::I8 => Act::I8(input(b, s, len)),
        _ => Act::I16(input(b, s, len)),
    }
}

const NARROW: [DType; 2] = [DType::I8, DType::I16];

/// Rows and a width, which is often a multiple of 4.
fn shape(s: &mut Source) -> (u32, u32) {
    let width = s.pick(&[1, 3, 4, 8, 12, 17, 64, 96, 198, 384, 1028]);
    (1 + s.below(9), width)
}

fn norm(b: &mut Builder, s: &mut Source) -> LayerNorm {
    let (rows, width) = shape(s);
    let dtype = s.pick(&NARROW);
    LayerNorm {
        rows,
        width,
        eps: s.bits() >> (16 + s.below(48)),
        x: input(b, s, rows * width),
        scale: b.channels(s, width, 33),
        offset: b.blob(&s.biases(width)),
        out: out(b, s, dtype, rows * width),
    }
}

#[test]
fn layer_norm() {
    check("LayerNorm", |b, s| Op::LayerNorm(norm(b, s)));
}

#[test]
fn rms_norm() {
    check("RmsNorm", |b, s| Op::RmsNorm(RmsNorm(norm(b, s))));
}

#[test]
fn shiftmax() {
    check("Shiftmax", |b, s| {
        let (rows, width) = shape(s);
        let dtype = s.pick(&NARROW[usize::from(width > 255)..]);
        let (x, exp) = if s.below(2) == 0 {
            let fraction = if dtype == DType::I8 { 23 } else { 16 };
            let table = b.blob(&s.exponentials(width, fraction));
            (Act::I8(input(b, s, rows * width)), Exponential::Table(table))
        } else {
            let exp = ShiftExp { unit: 1 + s.below(1 << 10), bits: 10 };
            (Act::I16(input(b, s, rows * width)), Exponential::Shift(exp))
        };
        Op::Shiftmax(Shiftmax { rows, width, x, exp, out: out(b, s, dtype, rows * width) })
    });
}

#[test]
fn shift_gelu() {
    check("ShiftGelu", |b, s| {
        let (rows, width) = shape(s);
        let exp = b.blob(&s.exponentials(2, 1));
        let (before, behind) = around(s);
        let whole = b.updated_values(s, before + rows * width + behind);
        let x = part(whole, before, rows * width);
        Op::ShiftGelu(ShiftGelu { rows, width, x, exp, out: multiplier(s) })
    });
}

#[test]
fn mean_tokens() {
    check("MeanTokens", |b, s| {
        let (tokens, width) = shape(s);
        let (x, dtype) = (s.pick(&NARROW), s.pick(&[DType::I8, DType::I16, DType::I32]));
        let x = act(b, s, x, tokens * width);
        Op::MeanTokens(MeanTokens { tokens, width, x, scale: multiplier(s), out: out(b, s, dtype, width) })
    });
}

#[test]
fn group_norm() {
    check("GroupNorm", |b, s| {
        let (rows, width) = shape(s);
        let divisors: Vec<u32> = (1..=width).filter(|n| width % n == 0).collect();
        let dtype = s.pick(&NARROW);
        Op::GroupNorm(GroupNorm {
            rows,
            width,
            groups: s.pick(&divisors),
            eps: s.bits() >> (4 + s.below(60)),
            x: input(b, s, rows * width),
            scale: b.channels(s, width, 33),
            offset: b.blob(&s.biases(width)),
            out: out(b, s, dtype, rows * width),
        })
    });
}

#[test]
fn response_norm() {
    check("ResponseNorm", |b, s| {
        let (rows, width) = shape(s);
        let x = s.pick(&NARROW);
        let x = act(b, s, x, rows * width);
        let (eps, unit) = (s.bits() >> (2 + s.below(62)), 1 + s.below(1 << 30));
        let lengths = b.slot(width);
        Op::ResponseNorm(ResponseNorm { rows, width, eps, unit, x, lengths, out: out_i16(b, s, width) })
    });
}
