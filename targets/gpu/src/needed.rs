//! Rows that nobody reads: the head of a classifier reads one row of the last block, and that
//! block's products for the others are work for nothing.

use program::{Access, Dataflow, Rows};
use quant::Op;
use quant::operand::{Operand, Tiling};
use quant::ops::{
    Add, Attention, Binarize, BinaryLinear, Div, Interpolate, LayerNorm, Linear, Mul, Relu, Requantize,
    RmsNorm, ShiftGelu, Shiftmax, Table,
};
use runtime::Model;

/// Of every instruction of `model`, which runs without tiles, what the outputs depend on.
pub(crate) fn ops(model: &Model<'_>) -> Vec<Op> {
    let all: Vec<Op> = model.instructions().map(|instruction| instruction.op).collect();
    let Ok(flow) = Dataflow::of(model) else { return all };
    let fewer = all.iter().zip(rows(&all, &flow)).map(|(op, rows)| {
        let op_of_fewer = if rows < op.rows() { with_rows(op, rows) } else { None };
        op_of_fewer.unwrap_or(*op)
    });
    fewer.collect()
}

/// For each instruction of a program without tiles the rows that it must compute, counted from the
/// first, so that the outputs are right. Instructions whose results are needed whole, or are not
/// rows, have all of theirs.
fn rows(ops: &[Op], flow: &Dataflow) -> Vec<u32> {
    let mut rows: Vec<u32> = ops.iter().map(Op::rows).collect();
    // Of every value the rows that are read, by instructions that were looked at before.
    let mut read = vec![0; flow.values.len()];
    for access in &flow.outputs {
        note(&mut read, access, None);
    }
    for (index, op) in ops.iter().enumerate().rev() {
        let accesses = &flow.instructions[index];
        let all = op.rows();
        let by_row = |access: &Access| access.defines.is_none_or(|value| flow.values[value].rows == all);
        if with_rows(op, 1).is_some() && accesses.iter().all(by_row) {
            let defined = accesses.iter().filter_map(|access| access.defines);
            rows[index] = defined.map(|value| read[value]).max().unwrap_or(all).clamp(1, all);
        }
        let mut slots = Vec::new();
        op.operands(&mut |operand| slots.extend(operand.slot()));
        for (access, slot) in accesses.iter().zip(&slots) {
            let in_step = matches!(slot.tiling, Tiling::Rows { .. });
            let first = access.reads.first().map(|view| &flow.values[view.value]);
            // Row by row of the value itself, from its first on: as many are read as are computed.
            let same = first.is_some_and(|value| value.rows == all && access.reads.len() == 1);
            note(&mut read, access, (in_step && same).then_some(rows[index]));
        }
    }
    rows
}

/// Takes note of what `access` reads, at most `most` rows of each value.
fn note(read: &mut [u32], access: &Access, most: Option<u32>) {
    for view in &access.reads {
        let end = match &view.rows {
            Rows::Range(range) => range.end,
            Rows::Listed(rows) => rows.last().map_or(0, |row| row + 1),
        };
        let end = most.map_or(end, |most| end.min(most));
        read[view.value] = read[view.value].max(end);
    }
}

/// `op` over its first `rows` rows; `None` for ops whose rows depend on one another, and for those
/// that are not worth it.
pub(crate) fn with_rows(op: &Op, rows: u32) -> Option<Op> {
    let mut op = match *op {
        Op::Linear(op) => Op::Linear(Linear { rows, ..op }),
        Op::Attention(op) => Op::Attention(Attention { queries: rows, ..op }),
        Op::Shiftmax(op) => Op::Shiftmax(Shiftmax { rows, ..op }),
        Op::ShiftGelu(op) => Op::ShiftGelu(ShiftGelu { rows, ..op }),
        Op::Table(op) => Op::Table(Table { rows, ..op }),
        Op::Relu(op) => Op::Relu(Relu { rows, ..op }),
        Op::LayerNorm(op) => Op::LayerNorm(LayerNorm { rows, ..op }),
        Op::Add(op) => Op::Add(Add { rows, ..op }),
        Op::Requantize(op) => Op::Requantize(Requantize { rows, ..op }),
        Op::Binarize(op) => Op::Binarize(Binarize { rows, ..op }),
        Op::BinaryLinear(op) => Op::BinaryLinear(BinaryLinear { rows, ..op }),
        Op::Interpolate(op) => Op::Interpolate(Interpolate { rows, ..op }),
        Op::Mul(op) => Op::Mul(Mul { rows, ..op }),
        Op::Div(op) => Op::Div(Div { rows, ..op }),
        Op::RmsNorm(op) => Op::RmsNorm(RmsNorm(LayerNorm { rows, ..op.0 })),
        Op::Tile(_)
        | Op::Conv2d(_)
        | Op::MatMul(_)
        | Op::MeanTokens(_)
        | Op::QuantizeImage(_)
        | Op::Permute(_)
        | Op::Gather(_)
        | Op::Load(_)
        | Op::BitTranspose(_)
        | Op::BinaryAttention(_)
        | Op::Rotary(_)
        | Op::GroupNorm(_)
        | Op::ResponseNorm(_) => return None,
    };
    op.map_operands(&mut |operand| {
        let Operand::Slot(slot) = operand else { return };
        if let Some(len) = slot.tiling.span(rows) {
            slot.len = len;
        }
    });
    Some(op)
}
