//! The arena planner: tile groups, buffer lifetimes, offsets.
//!
//! 1. *Group*: runs of instructions over the same rows, where each reads what an
//!    earlier one of the run wrote, are executed tile by tile; a buffer used only inside
//!    its group then holds one tile.
//! 2. *Place*: regions whose lifetimes meet get disjoint offsets, largest first.
//! 3. *Tile*: the arena that the smallest tiles allow is the target; then every group
//!    gets the largest tile that stays within it and keeps a step short.

use std::ops::Range;

use quant::Op;
use quant::operand::{Role, Tiling};
use quant::ops::Tile;

use super::draft::{ALIGN, Draft, Named, map_slots, slots};
use super::place::{Block, place};

/// Multiply-accumulates a step should not exceed, so that a slow core can feed its
/// watchdog between steps; tiles are never smaller than 8 rows on its account.
pub const MAX_STEP_MACS: u64 = 1 << 22;

/// Rows that GEMM kernels like to have at least.
const MIN_TILE: u32 = 8;

/// What the planner aims for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// Arena bytes that may be used to make tiles larger, where that is more than the
    /// program needs with small ones.
    pub arena: Option<u32>,
    /// Whether to keep every intermediate whole, for tracing.
    pub whole: bool,
}

/// A run of instructions executed tile by tile.
#[derive(Clone, Debug)]
struct Group {
    range: Range<usize>,
    rows: u32,
    tile: u32,
}

/// Moves the regions of `draft` into the smallest arena found and inserts the
/// [`Tile`] records. Returns the arena's bytes.
pub fn plan(draft: &mut Draft, options: PlanOptions) -> u32 {
    let mut groups = if options.whole { Vec::new() } else { group(draft) };
    let uses = uses(draft, &groups);
    for g in &mut groups {
        g.tile = g.rows.min(MIN_TILE);
    }
    let target = place_regions(draft, &groups, &uses).1.max(options.arena.unwrap_or(0));
    for at in 0..groups.len() {
        grow(draft, &mut groups, at, &uses, target);
    }
    let (offsets, arena) = place_regions(draft, &groups, &uses);
    relocate(draft, &groups, &uses, &offsets);
    insert_tiles(draft, &groups);
    arena
}

/// How a region is used.
#[derive(Clone, Debug)]
struct Uses {
    /// Instructions from the first to the last that touches it, whole groups.
    life: Range<usize>,
    /// The group that alone uses it row by row, with the stride and width of its rows.
    local: Option<(usize, Tiling)>,
}

fn uses(draft: &Draft, groups: &[Group]) -> Vec<Uses> {
    let mut first = vec![usize::MAX; draft.regions.len()];
    let mut last = vec![0usize; draft.regions.len()];
    let mut tilings: Vec<Vec<Option<Tiling>>> = vec![Vec::new(); draft.regions.len()];
    for (index, named) in draft.instructions.iter().enumerate() {
        let op = &named.op;
        let rows = op.rows();
        slots(op, &mut |slot| {
            let region = draft.region_of(slot.offset);
            first[region] = first[region].min(index);
            last[region] = last[region].max(index);
            let whole = draft.regions[region].base == slot.offset && slot.tiling.span(rows) == Some(slot.len);
            tilings[region].push(whole.then_some(slot.tiling));
        });
    }
    for input in &draft.inputs {
        let region = draft.region_of(input.slot.offset);
        first[region] = 0;
        tilings[region].push(None);
    }
    for output in &draft.outputs {
        let region = draft.region_of(output.slot.offset);
        last[region] = draft.instructions.len();
        tilings[region].push(None);
    }
    let extend = |range: Range<usize>| {
        groups
            .iter()
            .filter(|g| {
                range.contains(&g.range.start)
                    || range.contains(&(g.range.end - 1))
                    || g.range.contains(&range.start)
            })
            .fold(range.clone(), |all, g| all.start.min(g.range.start)..all.end.max(g.range.end))
    };
    (0..draft.regions.len())
        .map(|region| {
            let exact = first[region].min(last[region])..last[region] + 1;
            let home = groups.iter().position(|g| g.range.start <= exact.start && exact.end <= g.range.end);
            let tiling = tilings[region].first().copied().flatten();
            let uniform = tiling.filter(|t| tilings[region].iter().all(|other| *other == Some(*t)));
            Uses { life: extend(exact), local: home.zip(uniform) }
        })
        .collect()
}

/// Finds the runs that are worth tiling together, and single instructions too long for a step.
fn group(draft: &Draft) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut start = 0;
    while start < draft.instructions.len() {
        let rows = draft.instructions[start].op.rows();
        let mut end = start + 1;
        while rows > 1 && end < draft.instructions.len() && joins(draft, start..end, end, rows) {
            end += 1;
        }
        let long = draft.instructions[start..end].iter().any(|n| n.op.macs() > MAX_STEP_MACS);
        if rows > 1 && (end - start > 1 || long) {
            groups.push(Group { range: start..end, rows, tile: rows });
        }
        start = end;
    }
    groups
}

/// Whether instruction `next` can run tile by tile with `run`, and reads row by row what
/// the run wrote.
fn joins(draft: &Draft, run: Range<usize>, next: usize, rows: u32) -> bool {
    let op = &draft.instructions[next].op;
    if op.rows() != rows {
        return false;
    }
    let mut connected = false;
    let mut clash = false;
    slots(op, &mut |now| {
        let region = draft.region_of(now.offset);
        for past in &draft.instructions[run.clone()] {
            slots(&past.op, &mut |then| {
                if draft.region_of(then.offset) != region {
                    return;
                }
                let row_by_row = matches!(now.tiling, Tiling::Rows { .. })
                    && now.tiling == then.tiling
                    && (now.offset, now.len) == (then.offset, then.len);
                let read_only = now.role == Role::Read && then.role == Role::Read;
                clash |= !row_by_row && !read_only;
                connected |= row_by_row && then.role == Role::Write && now.role != Role::Write;
            });
        }
    });
    connected && !clash
}

/// Raises the tile of `groups[at]` as far as the arena and the length of a step allow.
fn grow(draft: &Draft, groups: &mut [Group], at: usize, uses: &[Uses], target: u32) {
    let Group { range, rows, .. } = groups[at].clone();
    let macs = draft.instructions[range].iter().map(|n| n.op.macs()).max().unwrap_or(0);
    let by_step = (MAX_STEP_MACS * u64::from(rows) / macs.max(1))
        .clamp(u64::from(MIN_TILE.min(rows)), u64::from(rows)) as u32;
    let (mut fits, mut fails) = (groups[at].tile, by_step + 1);
    while fits + 1 < fails {
        let middle = fits + (fails - fits) / 2;
        groups[at].tile = middle;
        if place_regions(draft, groups, uses).1 <= target {
            fits = middle;
        } else {
            fails = middle;
        }
    }
    // Tiles of equal length leave no short last one.
    groups[at].tile = rows.div_ceil(rows.div_ceil(fits.max(1)));
}

/// Bytes that a region needs under the current tiles.
fn bytes(draft: &Draft, region: usize, groups: &[Group], uses: &[Uses]) -> u32 {
    let whole = draft.regions[region].bytes;
    match uses[region].local {
        Some((home, tiling)) => {
            let element = whole / tiling.span(groups[home].rows).unwrap_or(whole).max(1);
            tiling.span(groups[home].tile).map_or(whole, |elements| elements * element)
        }
        None => whole,
    }
}

/// Offsets of all regions, and the arena's bytes.
fn place_regions(draft: &Draft, groups: &[Group], uses: &[Uses]) -> (Vec<u32>, u32) {
    let block = |region: usize| Block {
        bytes: bytes(draft, region, groups, uses).into(),
        life: uses[region].life.clone(),
    };
    let (offsets, arena) = place(&(0..uses.len()).map(block).collect::<Vec<_>>(), ALIGN.into());
    // Never more than the virtual memory of the draft.
    (offsets.into_iter().map(|offset| offset as u32).collect(), arena as u32)
}

/// Rewrites every slot from virtual to arena addresses, tile-sized where it is local.
fn relocate(draft: &mut Draft, groups: &[Group], uses: &[Uses], offsets: &[u32]) {
    let regions = draft.regions.clone();
    let region_of = |address: u32| regions.partition_point(|r| r.base <= address).saturating_sub(1);
    let moved = |address: u32| {
        let region = region_of(address);
        offsets[region] + (address - regions[region].base)
    };
    for named in &mut draft.instructions {
        map_slots(&mut named.op, &mut |slot| {
            if let Some((home, tiling)) = uses[region_of(slot.offset)].local {
                slot.len = tiling.span(groups[home].tile).unwrap_or(slot.len);
            }
            slot.offset = moved(slot.offset);
        });
    }
    for input in &mut draft.inputs {
        input.slot.offset = moved(input.slot.offset);
    }
    for output in &mut draft.outputs {
        output.slot.offset = moved(output.slot.offset);
    }
    draft.regions.clear();
}

fn insert_tiles(draft: &mut Draft, groups: &[Group]) {
    for g in groups.iter().rev() {
        let name = draft.instructions[g.range.start].name.clone();
        let record = Tile { count: g.range.len() as u16, rows: g.rows, tile: g.tile };
        draft.instructions.insert(g.range.start, Named { name, op: Op::Tile(record) });
    }
}
