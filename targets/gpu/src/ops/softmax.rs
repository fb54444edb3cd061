//! Shiftmax and ShiftGelu: exponentials relative to the largest value of each row.

use quant::ops::{Exponential, ShiftGelu, ShiftGeluArgs, Shiftmax};

use super::Reason;
use super::element::{place, slot};
use super::pack::bytes;
use super::rows::Rows;
use super::subgroup;
use crate::matrices::PIECE;
use crate::plan::Planner;

pub(super) fn shiftmax(op: &Shiftmax, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let rows = Rows {
        name: "shiftmax",
        parts: &[include_str!("../../shaders/shiftmax.wgsl")],
        settings: vec![("TABLE", matches!(op.exp, Exponential::Table(_)).into())],
        rows: op.rows,
        width: op.width,
        x: place(op.x),
        out: place(op.out),
    };
    let (table, unit, bits) = match op.exp {
        Exponential::Table(table) => (planner.blob(table), 0, 0),
        Exponential::Shift(exp) => (&[][..], exp.unit, exp.bits),
    };
    rows.push(planner, |dispatch| {
        dispatch.params.set("unit", unit);
        dispatch.params.set("bits", bits.into());
        dispatch.constants("table", table.iter().copied());
    })
}

/// ShiftGelu by subgroups; `cargo xtask shaders` writes it.
const OF_SUBGROUPS: &[u8] = include_bytes!("../../cooperative/gelu.spv");

/// The result is a constant for each maximum from 0 on and each value.
const SHIFT_GELU: &str = "
const TURNS = 1u;

fn neutral(turn: u32) -> vec3<i32> {
    return vec3<i32>(0, 0, 0);
}

fn take(turn: u32, found: vec2<i32>, sum: vec3<i32>, x: i32) -> vec3<i32> {
    return vec3<i32>(max(sum.x, x), 0, 0);
}

fn combine(turn: u32, a: vec3<i32>, b: vec3<i32>) -> vec3<i32> {
    return max(a, b);
}

fn finish(turn: u32, found: vec2<i32>, total: vec3<i32>) -> vec2<i32> {
    return total.xy;
}

fn result(found: vec2<i32>, x: i32, channel: u32) -> i32 {
    return constant_i8(P.table, bitcast<u32>(found.x * 256 + x + 128));
}
";

pub(super) fn shift_gelu(op: &ShiftGelu, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let exp = planner.blob(op.exp).try_into().map_err(|_| "its table has not 256 exponentials")?;
    let args = ShiftGeluArgs { width: op.width as usize, exp, out: op.out };
    let of_maximum = |max| (i8::MIN..=i8::MAX).map(move |x| args.eval(max, x));
    let table: Vec<i8> = (0..=i8::MAX).flat_map(of_maximum).collect();
    let x = slot!(op.x, I8);
    let whole = x.offset.is_multiple_of(PIECE) && op.width.is_multiple_of(PIECE);
    if whole && subgroup::takes(planner, op.width) {
        let module = ("shift_gelu", OF_SUBGROUPS);
        let mut dispatch = subgroup::dispatch(planner, module, [op.rows, op.width, 256 / PIECE]);
        dispatch.params.set("x", x.offset);
        dispatch.params.set("rows", op.rows);
        dispatch.constants("table", bytes(&table));
        planner.push(dispatch);
        return Ok(());
    }
    let rows = Rows {
        name: "shift_gelu",
        parts: &[SHIFT_GELU],
        settings: Vec::new(),
        rows: op.rows,
        width: op.width,
        x,
        out: x,
    };
    rows.push(planner, |dispatch| dispatch.constants("table", bytes(&table)))
}
