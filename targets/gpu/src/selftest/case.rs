//! Small instructions, and their memory.

use std::ops::Range;

use quant::mem::{Memory, Window};
use quant::operand::{BlobOperand, Operand, Role};
use quant::ops::Consts;
use quant::{Op, Reference};

use super::fill;
use super::shrink::{Sides, shrunk};
use crate::ops::Tiles;
use crate::plan::{Hardware, Kernel, Means, Plan, Planner};

/// Frames of the test: what a kernel does beyond the first is tested, too.
pub(super) const FRAMES: u32 = 2;

/// Operands begin at multiples of this many bytes, or as far from one as those of a program; at least
/// as many lie in front of each and belong to nothing, so that what is written there is found.
const ALIGN: u32 = 16;

/// An instruction that a kernel computes, small where the kernel's text allows it.
#[derive(Debug, PartialEq)]
pub(crate) struct Case {
    /// Its slots and constants lie in memories of their own.
    op: Op,
    /// The row of the table of tiles that it takes.
    row: Option<&'static str>,
    /// Whether the kernel is one for many frames.
    larger: bool,
    /// What its kernel depends on of the GPU.
    hardware: Hardware,
    arena_bytes: u32,
    constants: Vec<u32>,
}

impl Case {
    /// One for `kernel`, which works for `op` with constants in `blobs`.
    pub(crate) fn of(kernel: &Kernel, op: &Op, blobs: &[u8], hardware: Hardware) -> Self {
        let sides = kernel.row.and_then(|row| Tiles::only(row).sides()).unwrap_or(Sides::GENERAL);
        let like = |like, larger| {
            let case = Self::like(like, op, blobs, kernel.row);
            Self { larger, hardware, ..case }
        };
        let mut small = [false, true].map(|larger| like(shrunk(op, sides), larger)).into_iter();
        small.find(|case| case.is_for(kernel)).unwrap_or_else(|| {
            let own = like(*op, true);
            if own.is_for(kernel) { own } else { like(*op, false) }
        })
    }

    /// `op` in the place of `own`, whose constants lie in `blobs`.
    fn like(mut op: Op, own: &Op, blobs: &[u8], row: Option<&'static str>) -> Self {
        let mut own_blobs: Vec<BlobOperand> = Vec::new();
        own.operands(&mut |operand| own_blobs.extend(operand.blob()));
        let mut own_blobs = own_blobs.into_iter();
        let (sized, rows) = (op, op.rows());
        let (mut arena, mut bytes) = (0u32, Vec::new());
        op.map_operands(&mut |operand| match operand {
            Operand::Slot(slot) => {
                slot.len = slot.tiling.span(rows).unwrap_or(slot.len);
                // Kernels differ by where slots begin within a word.
                slot.offset = arena.next_multiple_of(ALIGN) + ALIGN + slot.offset % ALIGN;
                arena = slot.offset.saturating_add(u32::try_from(slot.bytes()).unwrap_or(u32::MAX));
            }
            Operand::Blob(blob) => {
                let from = own_blobs.next().expect("as many constants in both");
                let start = from.offset as usize;
                let from = blobs.get(start..start + from.bytes() as usize).unwrap_or_default();
                bytes.resize(bytes.len().next_multiple_of(ALIGN as usize), 0);
                let constant = fill::constant(&sized, blob, from);
                blob.offset = bytes.len() as u32;
                bytes.extend(constant);
            }
        });
        bytes.resize(bytes.len().next_multiple_of(ALIGN as usize), 0);
        let constants = bytemuck::pod_collect_to_vec(&bytes);
        let arena_bytes = arena.next_multiple_of(ALIGN) + ALIGN;
        Self { op, row, larger: false, hardware: Hardware::default(), arena_bytes, constants }
    }

    /// Whether the checker admits it, and `kernel` computes it.
    fn is_for(&self, kernel: &Kernel) -> bool {
        let constants = bytemuck::cast_slice(&self.constants);
        if self.op.check(&Consts::new(constants)).is_err() {
            return false;
        }
        let mut planner = Planner::over(constants, self.arena_bytes, Means::default());
        let planned = self.plan(&self.op, &mut planner);
        let plan = planner.finish();
        let mut texts = plan.steps[planned].iter().map(|step| &plan.kernels[step.launch.kernel].text);
        texts.any(|text| *text == kernel.text)
    }

    /// Appends the dispatches of `op`, this one wherever its operands lie.
    fn plan(&self, op: &Op, planner: &mut Planner<'_>) -> Range<usize> {
        let tiles = self.row.map_or(Tiles::none(), Tiles::only);
        planner.means = Means { tiles, hardware: self.hardware };
        let steps = planner.steps(0, op).unwrap_or_default();
        if self.larger {
            planner.take_larger(steps.clone());
        }
        steps
    }

    /// Writes what frame number `frame` holds before the run to `arena`.
    fn fill(&self, frame: u32, arena: &mut [u8]) {
        let mut number = 0;
        self.op.operands(&mut |operand| {
            let Operand::Slot(slot) = operand else { return };
            let start = slot.offset as usize;
            let bytes = &mut arena[start..start + slot.bytes() as usize];
            let seed = (frame << 8 | number as u32).cast_signed();
            fill::slot(&self.op, number, &slot, seed, bytes);
            number += 1;
        });
    }

    /// Whether `after` is what the reference makes of `before`, working memory left out.
    fn agrees(&self, before: &[u32], after: &[u32]) -> bool {
        let (mut expected, mut found) = (before.to_vec(), after.to_vec());
        let constants = bytemuck::cast_slice(&self.constants);
        let arena: &mut [u8] = bytemuck::cast_slice_mut(&mut expected);
        let window = Window::whole(self.op.rows());
        if self.op.run(&mut Reference, &mut Memory::new(arena, constants), window).is_err() {
            return false;
        }
        self.op.operands(&mut |operand| {
            let Operand::Slot(slot) = operand else { return };
            if slot.role == Role::Scratch {
                let start = slot.offset as usize;
                for arena in [&mut expected, &mut found] {
                    let bytes: &mut [u8] = bytemuck::cast_slice_mut(arena);
                    bytes[start..start + slot.bytes() as usize].fill(0);
                }
            }
        });
        expected == found
    }
}

/// Cases one after another in one arena.
pub(super) struct Batch<'c> {
    cases: &'c [&'c Case],
    /// Where each begins: the byte in the arena, the byte among the constants.
    starts: Vec<(u32, u32)>,
    arena_bytes: u32,
    constants: Vec<u32>,
}

impl<'c> Batch<'c> {
    pub(super) fn of(cases: &'c [&'c Case]) -> Self {
        let mut batch = Self { cases, starts: Vec::new(), arena_bytes: 0, constants: Vec::new() };
        for case in cases {
            batch.starts.push((batch.arena_bytes, batch.constants.len() as u32 * 4));
            batch.arena_bytes += case.arena_bytes;
            batch.constants.extend_from_slice(&case.constants);
        }
        batch
    }

    /// Dispatches of all cases, and which are those of each.
    pub(super) fn plan(&self) -> (Plan, Vec<Range<usize>>) {
        let constants = bytemuck::cast_slice(&self.constants);
        let mut planner = Planner::over(constants, self.arena_bytes, Means::default());
        let all = self.cases.iter().zip(&self.starts);
        let steps = all.map(|(case, &(arena, blobs))| {
            let mut op = case.op;
            op.map_operands(&mut |operand| match operand {
                Operand::Slot(slot) => slot.offset += arena,
                Operand::Blob(blob) => blob.offset += blobs,
            });
            case.plan(&op, &mut planner)
        });
        let steps = steps.collect();
        (planner.finish(), steps)
    }

    /// What frame number `frame` of `words` words holds before the run.
    pub(super) fn arena(&self, frame: u32, words: usize) -> Vec<u32> {
        let mut arena = vec![0xa5a5_a5a5u32; words];
        for (case, &(start, _)) in self.cases.iter().zip(&self.starts) {
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut arena);
            case.fill(frame, &mut bytes[start as usize..][..case.arena_bytes as usize]);
        }
        arena
    }

    /// Whether case number `at` agrees with the reference in a frame.
    pub(super) fn agrees(&self, at: usize, before: &[u32], after: &[u32]) -> bool {
        let case = self.cases[at];
        let start = self.starts[at].0 as usize / 4;
        let part = start..start + case.arena_bytes as usize / 4;
        case.agrees(&before[part.clone()], &after[part])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrices::MatrixShape;
    use crate::plan::WORKGROUP_BYTES;
    use crate::source::Text;
    use program::{Dataflow, ReplanOptions, repack, replan, write_as};
    use quant::mem::{Blob, Slot};
    use quant::ops::{Channels, Conv2d, Destination, PerChannel};
    use quant::pack::{Pack, Packs};
    use runtime::Model;

    const SHAPE: MatrixShape = MatrixShape { rows: 16, columns: 16, depth: 32, subgroup: 32 };

    fn words(bytes: &[u8]) -> Vec<u32> {
        bytemuck::pod_collect_to_vec(bytes)
    }

    /// The bundled model without tiles.
    fn bundled() -> Vec<u8> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/vit_fmnist.shf");
        let bytes = std::fs::read(path).expect("the bundled container");
        let words = words(&bytes);
        let model = Model::new(&bytemuck::cast_slice(&words)[..bytes.len()]).expect("a container");
        let flow = Dataflow::of(&model).expect("its dataflow");
        let options = ReplanOptions { align: 64, tiles: false };
        let plan = repack(&replan(&model, &flow, options).expect("a layout"), Packs::CANONICAL);
        write_as(&plan, *model.identity()).expect("a container")
    }

    #[test]
    fn every_kernel_of_the_bundled_model_is_tested_with_a_small_instruction() {
        let bytes = bundled();
        let words = words(&bytes);
        let model = Model::new(&bytemuck::cast_slice(&words)[..bytes.len()]).expect("a container");
        for matrices in [None, Some(SHAPE)] {
            let hardware = Hardware { workgroup_bytes: WORKGROUP_BYTES, matrices };
            let means = Means { tiles: Tiles::default(), hardware };
            let plan = Plan::of(&model, means).expect("a plan");
            for (kernel, op) in plan.kernels.iter().zip(&plan.users) {
                let case = Case::of(kernel, op, model.blobs(), hardware);
                assert!(case.is_for(kernel), "{}", kernel.name);
                assert!(
                    case.op.macs() < 2_000_000 && case.arena_bytes < 200_000,
                    "{}: {case:?}",
                    kernel.name
                );
                let own = Case::like(*op, op, model.blobs(), kernel.row);
                assert_ne!(case.op, own.op, "{}", kernel.name);
            }
        }
    }

    /// Windows of `kernel` pixels, as far apart, of an image of 224 by 224 pixels.
    fn patches(kernel: u32, channels: u32, out_channels: u32) -> Op {
        let (sides, len) = (224 / kernel, kernel * kernel * channels * out_channels);
        let scale = Channels {
            mantissa: Blob::new(len, out_channels),
            shift: Blob::new(len + 4 * out_channels, out_channels),
        };
        Op::Conv2d(Conv2d {
            in_height: 224,
            in_width: 224,
            in_channels: channels,
            out_channels,
            kernel_h: kernel,
            kernel_w: kernel,
            stride_h: kernel,
            stride_w: kernel,
            pad_top: 0,
            pad_left: 0,
            out_height: sides,
            out_width: sides,
            groups: 1,
            x: Slot::new(0, 224 * 224 * channels),
            weights: Blob::new(0, len),
            pack: Pack::RowMajor,
            requant: PerChannel { bias: Blob::new(len, out_channels), scale },
            out: Destination::I8 { out: Slot::new(1 << 20, sides * sides * out_channels), table: None },
        })
    }

    #[test]
    fn windows_of_matrices_are_tested_with_few() {
        let constants = vec![0x2121_2121u32; 1 << 18];
        let constants = bytemuck::cast_slice(&constants);
        for op in [patches(16, 3, 384), patches(4, 3, 96), patches(2, 32, 64), patches(7, 4, 32)] {
            let hardware = Hardware { workgroup_bytes: 48 << 10, matrices: Some(SHAPE) };
            let mut planner = Planner::over(constants, 1 << 22, Means { tiles: Tiles::default(), hardware });
            planner.steps(0, &op).expect("a kernel");
            for kernel in &planner.finish().kernels {
                assert!(matches!(kernel.text, Text::Spirv(_)));
                let case = Case::of(kernel, &op, constants, hardware);
                assert!(case.is_for(kernel), "{op:?}");
                assert!(case.op.macs() < 4_000_000 && case.arena_bytes < 200_000, "{case:?}");
            }
        }
    }
}
