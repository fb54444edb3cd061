//! Offsets in an arena for blocks that live for a while.

use std::cmp::Reverse;
use std::ops::Range;

/// Memory that is needed from one instruction up to another.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Bytes.
    pub bytes: u64,
    /// Instructions during which it is needed.
    pub life: Range<usize>,
}

/// Offsets of all blocks at multiples of `align`, and the arena's bytes: first fit, in the
/// better of two orders. Blocks whose lives meet are disjoint.
pub(crate) fn place(blocks: &[Block], align: u64) -> (Vec<u64>, u64) {
    let sizes: Vec<u64> = blocks.iter().map(|block| block.bytes.next_multiple_of(align)).collect();
    let mut by_size: Vec<usize> = (0..blocks.len()).collect();
    by_size.sort_by_key(|&block| Reverse(sizes[block]));
    let mut by_life = by_size.clone();
    by_life.sort_by_key(|&block| Reverse(blocks[block].life.len() as u64 * sizes[block]));
    [by_size, by_life]
        .map(|order| first_fit(&order, &sizes, blocks))
        .into_iter()
        .min_by_key(|(_, arena)| *arena)
        .unwrap_or_default()
}

fn first_fit(order: &[usize], sizes: &[u64], blocks: &[Block]) -> (Vec<u64>, u64) {
    let mut offsets = vec![0; sizes.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut arena = 0;
    for &block in order {
        let life = &blocks[block].life;
        let mut taken: Vec<Range<u64>> = placed
            .iter()
            .filter(|&&p| blocks[p].life.start < life.end && life.start < blocks[p].life.end)
            .map(|&p| offsets[p]..offsets[p] + sizes[p])
            .collect();
        taken.sort_by_key(|range| range.start);
        let mut at = 0;
        for range in taken {
            if at + sizes[block] <= range.start {
                break;
            }
            at = at.max(range.end);
        }
        offsets[block] = at;
        arena = arena.max(at + sizes[block]);
        placed.push(block);
    }
    (offsets, arena)
}
