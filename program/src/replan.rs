//! Laying a checked program out anew, in memory, for a host that runs it.

use std::ops::Range;

use quant::Op;
use quant::operand::{Operand, Role};
use runtime::{MAX_ARENA, Model};

use crate::container::Container;
use crate::dataflow::{Access, Dataflow};
use crate::draft::Named;
use crate::error::ProgramError;
use crate::place::{Block, place};

/// How to lay a program out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplanOptions {
    /// Multiple of bytes at which each [`Storage`](crate::Storage) begins: a power of two, at
    /// least 16.
    pub align: u32,
    /// Whether to keep the tiles that the container has. Without them every instruction runs
    /// once over all its rows, and attention has room for the scores of [`SCORE_ROWS`] queries.
    pub tiles: bool,
}

/// Queries whose scores kernels may hold at once where there are no tiles: what they do for all
/// queries of a head, such as laying out its keys, is done once for so many.
pub const SCORE_ROWS: u32 = 256;

/// The same program with its memory laid out by `options`: the same results under the same
/// instruction numbers. Every [`Tile`](quant::ops::Tile) record stays; without tiles, its tile
/// is all rows.
///
/// The result is for memory only, over the constants of `model`. The identity of a container speaks
/// of its layout too, so encode this one with [`write_as`](crate::write_as) or
/// [`front`](crate::front) under the identity of `model`.
///
/// # Errors
///
/// [`ProgramError::TooLarge`] where the arena exceeds what a container can address.
///
/// # Panics
///
/// If `align` is not a power of two from 16 on.
pub fn replan<'m>(
    model: &Model<'m>,
    flow: &Dataflow,
    options: ReplanOptions,
) -> Result<Container<'m>, ProgramError> {
    assert!(options.align >= 16 && options.align.is_power_of_two(), "{} as an alignment", options.align);
    let mut out = Container::read(model);
    let groups = groups(&out);
    let mut blocks: Vec<Block> = flow
        .storages
        .iter()
        .map(|storage| {
            let bytes = if options.tiles { storage.held } else { storage.bytes };
            Block { bytes, life: whole_groups(storage.life.clone(), &groups) }
        })
        .collect();
    if !options.tiles {
        hold_scores(&mut out, flow, &mut blocks);
    }
    let (offsets, arena) = place(&blocks, options.align.into());
    let arena = u32::try_from(arena).ok().filter(|&bytes| bytes <= MAX_ARENA);
    out.arena_len = arena.ok_or(ProgramError::TooLarge { what: "the arena" })?;
    let moved = |access: &Access| offsets[access.storage] as u32 + access.offset;
    for (named, accesses) in out.instructions.iter_mut().zip(&flow.instructions) {
        if let (Op::Tile(tile), false) = (&mut named.op, options.tiles) {
            tile.tile = tile.rows;
        }
        let mut accesses = accesses.iter();
        named.op.map_operands(&mut |operand| {
            let Operand::Slot(slot) = operand else { return };
            let Some(access) = accesses.next() else { return };
            slot.offset = moved(access);
            if !options.tiles && access.role != Role::Scratch {
                slot.len = access.len;
            }
        });
    }
    for (input, &value) in out.inputs.iter_mut().zip(&flow.inputs) {
        let value = &flow.values[value];
        input.slot.offset = offsets[value.storage] as u32 + value.offset;
    }
    for (output, access) in out.outputs.iter_mut().zip(&flow.outputs) {
        output.slot.offset = moved(access);
    }
    Ok(out)
}

/// Lengthens the scratch of every attention of `out` to the scores of [`SCORE_ROWS`] queries, and
/// `blocks` with it.
fn hold_scores(out: &mut Container<'_>, flow: &Dataflow, blocks: &mut [Block]) {
    for (named, accesses) in out.instructions.iter_mut().zip(&flow.instructions) {
        let Op::Attention(attention) = &mut named.op else { continue };
        let rows = attention.queries.min(SCORE_ROWS);
        let Some(scores) = attention.keys.checked_mul(rows) else { continue };
        if scores > attention.scores.len {
            (attention.scores.len, attention.probabilities.len) = (scores, scores);
        }
        let mut accesses = accesses.iter();
        named.op.map_operands(&mut |operand| {
            let Operand::Slot(slot) = operand else { return };
            let Some(access) = accesses.next() else { return };
            if slot.role == Role::Scratch {
                blocks[access.storage].bytes = slot.bytes();
            }
        });
    }
}

/// Instructions of each tile group.
fn groups(container: &Container<'_>) -> Vec<Range<usize>> {
    let tile = |(index, named): (usize, &Named)| {
        let Op::Tile(tile) = named.op else { return None };
        Some(index + 1..index + 1 + usize::from(tile.count))
    };
    container.instructions.iter().enumerate().filter_map(tile).collect()
}

/// `life`, and all of every group that it meets: tiles come back to their first instruction, and the
/// checker lets no two storages of a group meet.
fn whole_groups(life: Range<usize>, groups: &[Range<usize>]) -> Range<usize> {
    let met = groups.iter().filter(|group| group.start < life.end && life.start < group.end);
    met.fold(life.clone(), |all, group| all.start.min(group.start)..all.end.max(group.end))
}
