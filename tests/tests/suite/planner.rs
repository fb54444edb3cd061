//! Planning moves memory and cuts tiles; it changes no result, and it fits.

use converter::arch::Arch;
use converter::graph::Graph;
use converter::lower::{LowerOptions, lower};
use converter::{BuildOptions, build};
use program::{Container, PlanOptions, plan, write};
use proptest::prelude::*;
use runtime::{ArenaError, Model, Session};
use shiftformer_tests::kernels::{fastest, kernel_sets};
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::source::Source;
use shiftformer_tests::{config, data, run};

fn arch() -> impl Strategy<Value = Arch> {
    let image = (1u32..=4, 1u32..=4);
    let width = (1u32..=4, 1u32..=6);
    (image, 1u8..=4, width, 0u32..=3, 1u32..=40, 1u32..=12).prop_map(
        |((patch, grid), channels, (heads, head_dim), depth, hidden, classes)| Arch {
            name: "random",
            image: (patch * grid) as u16,
            channels,
            patch,
            width: heads * head_dim,
            depth,
            heads,
            hidden,
            classes,
        },
    )
}

fn frame(graph: &Graph, seed: u64) -> Vec<Vec<u8>> {
    vec![Source::new(seed).values(graph.tensors[0].rows * graph.tensors[0].width)]
}

/// The logits of the draft over memory that is never reused.
fn unplanned(graph: &Graph, fuse: bool, frame: &[Vec<u8>]) -> Vec<i32> {
    let draft = lower(graph, LowerOptions { fuse }).expect("a sound graph");
    let arena = draft.virtual_bytes();
    let file = write(&Container::new(draft, arena)).expect("a sound draft");
    run::trace(&file, frame, &quant::REFERENCE, 0xff).outputs.swap_remove(0)
}

/// The logits of the planned program in exactly its arena, and the arena's bytes.
fn planned(graph: &Graph, fuse: bool, options: PlanOptions, frame: &[Vec<u8>]) -> (Vec<Vec<i32>>, u32) {
    let mut draft = lower(graph, LowerOptions { fuse }).expect("a sound graph");
    let arena = plan(&mut draft, options);
    let file = write(&Container::new(draft, arena)).expect("a sound plan");
    let logits =
        |kernels: &'static quant::KernelSet| run::trace(&file, frame, kernels, 0xff).outputs.swap_remove(0);
    (kernel_sets().map(logits).collect(), arena)
}

proptest! {
    #![proptest_config(config(2))]

    #[test]
    fn plans_change_no_result(arch in arch(), seed in any::<u64>()) {
        plans_agree(&arch.random(seed), seed);
    }
}

/// Every plan of `graph` gives what it computes in memory that is never reused.
pub fn plans_agree(graph: &Graph, seed: u64) {
    let frame = frame(graph, seed);
    let want = unplanned(graph, false, &frame);
    assert_eq!(want, unplanned(graph, true, &frame));
    for fuse in [true, false] {
        let (_, smallest) = planned(graph, fuse, PlanOptions::default(), &frame);
        for arena in [None, Some(smallest + 100), Some(2 * smallest), Some(u32::MAX)] {
            for whole in [false, true] {
                let (logits, bytes) = planned(graph, fuse, PlanOptions { arena, whole }, &frame);
                assert!(logits.iter().all(|l| *l == want), "fuse {fuse}, whole {whole}, arena {arena:?}");
                assert!(whole || bytes <= smallest.max(arena.unwrap_or(0)));
            }
        }
    }
}

#[test]
fn one_byte_less_is_refused() {
    let file = Aligned::copy(&data::qat(BuildOptions::default()));
    let model = Model::new(&file).unwrap();
    let mut arena = Aligned::filled(model.arena_len() - 1, 0);
    let needed = model.header().arena_len;
    assert_eq!(Session::new(&model, &mut arena).unwrap_err(), ArenaError::TooSmall { needed });
}

#[test]
fn the_checkpoint_fits_a_small_microcontroller() {
    let file = Aligned::copy(&data::qat(BuildOptions::default()));
    let model = Model::new(&file).unwrap();
    println!("arena {} bytes, container {} bytes", model.arena_len(), file.len());
    assert!(model.arena_len() <= 20 << 10);
    assert!(file.len() <= 260_000);
}

#[test]
fn deit_tiny_fits_240_kib() {
    let graph = Arch::by_name("deit-tiny").unwrap().random(1);
    let file = Aligned::copy(&build(&graph, BuildOptions::default()).unwrap());
    let model = Model::new(&file).unwrap();
    println!("arena {} bytes, container {} bytes", model.arena_len(), file.len());
    assert!(model.arena_len() <= 240 << 10);
    // The frame is inside, and the arena suffices.
    let logits = run::outputs(&model, &frame(&graph, 1), fastest(), 1).remove(0);
    assert_eq!(logits.len(), 1000);
    assert!(logits.iter().any(|&l| l != logits[0]));
}
