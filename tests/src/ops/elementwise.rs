use proptest::prelude::*;
use quant::Op;
use quant::arith::Multiplier;
use quant::mem::DType;
use quant::ops::{
    Act, Add, Addend, Div, Interpolate, KNOTS, MAX_RATIO_SHIFT, Mul, QuantizeImage, Relu, Requantize, Spread,
    Table,
};
use runtime::SlotHandle;

use super::{Generated, rows_and_width, size};
use crate::case::{Builder, Case, multiplier};
use crate::source::Source;

impl Generated for Table {
    fn cases() -> BoxedStrategy<Case> {
        let make = |((rows, width), seed): ((u32, u32), u64)| {
            Case::one_op(format!("Table {rows} x {width} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let table = b.blob(&s.values::<i8>(256));
                Op::Table(Table { rows, width, x: b.updated_values(s, rows * width), table })
            })
        };
        (rows_and_width(), any::<u64>()).prop_map(make).boxed()
    }
}

impl Generated for Interpolate {
    fn cases() -> BoxedStrategy<Case> {
        let make = |((rows, width), seed): ((u32, u32), u64)| {
            Case::one_op(format!("Interpolate {rows} x {width} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let table = b.blob(&s.values::<i16>(KNOTS as u32));
                Op::Interpolate(Interpolate { rows, width, x: b.updated_values(s, rows * width), table })
            })
        };
        (rows_and_width(), any::<u64>()).prop_map(make).boxed()
    }
}

impl Generated for Relu {
    fn cases() -> BoxedStrategy<Case> {
        let make = |((rows, width), wide, seed): ((u32, u32), bool, u64)| {
            Case::one_op(format!("Relu {rows} x {width} 16 bits {wide} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let x = match wide {
                    true => Act::I16(b.updated_values(s, rows * width)),
                    false => Act::I8(b.updated_values(s, rows * width)),
                };
                Op::Relu(Relu { rows, width, x })
            })
        };
        (rows_and_width(), any::<bool>(), any::<u64>()).prop_map(make).boxed()
    }
}

impl Generated for Add {
    fn cases() -> BoxedStrategy<Case> {
        let make = |((rows, width), kind, seed): ((u32, u32), u8, u64)| {
            Case::one_op(format!("Add {rows} x {width} addend {kind} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let x = b.updated_values(s, rows * width);
                let y = match kind {
                    0 => Addend::Slot(b.input(&s.values::<i16>(rows * width))),
                    1 => Addend::Blob(b.blob(&s.values::<i16>(rows * width))),
                    _ => Addend::Blob(b.blob(&s.values::<i16>(width))),
                };
                Op::Add(Add { rows, width, x, x_scale: multiplier(s), y, y_scale: multiplier(s) })
            })
        };
        (rows_and_width(), 0u8..3, any::<u64>()).prop_map(make).boxed()
    }
}

impl Generated for Mul {
    fn cases() -> BoxedStrategy<Case> {
        let make = |pair: Pair| {
            Case::one_op(format!("Mul {pair:?}"), move |b| {
                let s = &mut Source::new(pair.seed);
                let Pair { rows, width, spread, .. } = pair;
                let (x, y, out) = pair.operands(b, s);
                Op::Mul(Mul { rows, width, x, y, spread, scale: multiplier(s), out })
            })
        };
        pairs().prop_map(make).boxed()
    }
}

impl Generated for Div {
    fn cases() -> BoxedStrategy<Case> {
        let make = |pair: Pair| {
            Case::one_op(format!("Div {pair:?}"), move |b| {
                let s = &mut Source::new(pair.seed);
                let Pair { rows, width, spread, .. } = pair;
                let (x, y, out) = pair.operands(b, s);
                let any = multiplier(s);
                let ratio = Multiplier { shift: any.shift.min(MAX_RATIO_SHIFT), ..any };
                Op::Div(Div { rows, width, x, y, spread, ratio, out })
            })
        };
        pairs().prop_map(make).boxed()
    }
}

/// Two operands, the second of which is spread over the first.
#[derive(Clone, Copy, Debug)]
struct Pair {
    rows: u32,
    width: u32,
    spread: Spread,
    /// Whether the operands and the result have 16 bits.
    wide: [bool; 3],
    /// Whether the result goes elsewhere than to the first operand.
    apart: bool,
    seed: u64,
}

fn pairs() -> impl Strategy<Value = Pair> {
    let spread = prop::sample::select(&[Spread::Element, Spread::Channel, Spread::Row][..]);
    let make = |((rows, width), wide, apart, spread, seed)| Pair { rows, width, spread, wide, apart, seed };
    (rows_and_width(), any::<[bool; 3]>(), any::<bool>(), spread, any::<u64>()).prop_map(make)
}

impl Pair {
    /// Both operands, and the result where it goes elsewhere.
    fn operands(self, b: &mut Builder, s: &mut Source) -> (Act, Act, Option<Act>) {
        let Pair { rows, width, spread, wide: [x_wide, y_wide, out_wide], apart, .. } = self;
        let dtype = |wide: bool| if wide { DType::I16 } else { DType::I8 };
        let (x, out) = match (apart, x_wide) {
            (true, _) => {
                let x = b.act(s, dtype(x_wide), rows * width);
                (x, Some(b.act_out(dtype(out_wide), rows * width)))
            }
            (false, true) => (Act::I16(b.updated_values(s, rows * width)), None),
            (false, false) => (Act::I8(b.updated_values(s, rows * width)), None),
        };
        let spread_over = match spread {
            Spread::Element => rows * width,
            Spread::Channel => width,
            Spread::Row => rows,
        };
        (x, b.act(s, dtype(y_wide), spread_over), out)
    }
}

impl Generated for Requantize {
    fn cases() -> BoxedStrategy<Case> {
        let dtype = || prop::sample::select(&[DType::I8, DType::I16, DType::I32][..]);
        let make = |((rows, width), x, out, shared, seed): ((u32, u32), DType, DType, bool, u64)| {
            let about = format!("Requantize {rows} x {width} {x:?} to {out:?} shared {shared} seed {seed}");
            Case::one_op(about, move |b| {
                let s = &mut Source::new(seed);
                let channels = if shared { 1 } else { width };
                Op::Requantize(Requantize {
                    rows,
                    width,
                    x: b.act(s, x, rows * width),
                    requant: b.per_channel(s, channels),
                    channels,
                    out: b.act_out(out, rows * width),
                })
            })
        };
        (rows_and_width(), dtype(), dtype(), any::<bool>(), any::<u64>()).prop_map(make).boxed()
    }
}

impl Generated for QuantizeImage {
    fn cases() -> BoxedStrategy<Case> {
        let make = |(pixels, channels, seed): (u32, u32, u64)| {
            Case::one_op(format!("QuantizeImage {pixels} x {channels} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let tables = b.blob(&s.values::<i8>(256 * channels));
                let x = b.input(&s.values::<u8>(pixels * channels));
                b.describe(SlotHandle { dtype: DType::I8, offset: x.offset, len: x.len });
                Op::QuantizeImage(QuantizeImage { pixels, channels, x, tables })
            })
        };
        (size(), 1u32..=5, any::<u64>()).prop_map(make).boxed()
    }
}
