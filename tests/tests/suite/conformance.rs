//! Every op, with every kernel set, pack and tile size, equals the scalar reference.

use std::io::Write;

use program::{Container, repack, write};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseError, TestRunner};
use quant::Op;
use quant::bits::BitPack;
use quant::op::OpKind;
use quant::pack::{Pack, Packs};
use shiftformer_tests::case::Case;
use shiftformer_tests::kernels::{for_cpus, kernel_sets};
use shiftformer_tests::{config, ops, run};

/// No tiles, single rows, a ragged last tile, one tile of all rows.
fn tiles(rows: u32) -> Vec<Option<u32>> {
    let mut tiles: Vec<Option<u32>> = [1, 3, rows].into_iter().filter(|&t| t <= rows).map(Some).collect();
    tiles.push(None);
    tiles.dedup();
    tiles
}

/// Every layout of the weights that a program has.
fn layouts(container: &Container<'_>) -> Vec<Packs> {
    let has = |bits| container.instructions.iter().any(|i| matches!(i.op, Op::BinaryLinear(_)) == bits);
    let int8 = if has(false) { &Pack::ALL[..] } else { &[Pack::RowMajor][..] };
    let bits = if has(true) { &BitPack::ALL[..] } else { &[BitPack::Rows][..] };
    int8.iter().flat_map(|&int8| bits.iter().map(move |&bits| Packs { int8, bits })).collect()
}

fn name(packs: Packs) -> String {
    format!("{} and {}", packs.int8.name(), packs.bits.name())
}

fn conforms(case: &Case) -> Result<(), TestCaseError> {
    let plain = case.build(None);
    let file = write(&plain.container).map_err(|e| TestCaseError::fail(e.to_string()))?;
    let want = run::trace(&file, &plain.inputs, &quant::REFERENCE, 0xa5);
    for tile in tiles(case.rows()) {
        let program = case.build(tile);
        for packs in layouts(&program.container) {
            let file =
                write(&repack(&program.container, packs)).map_err(|e| TestCaseError::fail(e.to_string()))?;
            for kernels in kernel_sets() {
                let got = run::trace(&file, &program.inputs, kernels, 0);
                let what = || format!("{} with {} in tiles of {tile:?}", kernels.name(), name(packs));
                prop_assert!(got == want, "{}: {:?}", what(), got.difference(&want));
            }
        }
    }
    Ok(())
}

fn check(kind: OpKind) {
    let mut runner = TestRunner::new(config(1));
    runner.run(&ops::cases(kind), |case| conforms(&case)).unwrap_or_else(|e| panic!("{e}"));
}

macro_rules! one_test_per_op {
    ($($name:ident),* $(,)?) => {
        mod every_op {
            $(#[test]
            fn $name() {
                super::check(super::OpKind::$name);
            })*
        }
    };
}
quant::ops!(one_test_per_op);

#[test]
fn the_table_holds_the_reference_and_another_set() {
    let names: Vec<_> = kernel_sets().map(|set| set.name()).collect();
    assert_eq!(names[0], "reference");
    let mut distinct = names.clone();
    distinct.dedup();
    assert!(distinct == names && names.len() > 1, "{names:?}");
}

/// What Linux calls the instructions of a set, where it says of all of them whether CPU and system
/// offer them.
fn instructions(set: &str) -> Option<&'static [&'static str]> {
    match set {
        "amx" => Some(&[
            "amx_tile",
            "amx_int8",
            "avx512f",
            "avx512bw",
            "avx512vl",
            "avx512_vnni",
            "avx512vbmi",
            "avx512_vpopcntdq",
        ]),
        "avx512vnni" => {
            Some(&["avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512vbmi", "avx512_vpopcntdq"])
        }
        "avxvnni" => Some(&["avx2", "avx_vnni"]),
        "avx2" => Some(&["avx2"]),
        _ => None,
    }
}

/// Every row for CPUs is printed, and one whose instructions Linux lists has to run.
#[test]
fn sets_that_cpu_and_system_offer_run() {
    let listed = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let listed: Vec<&str> = listed.split_whitespace().collect();
    let mut runner = TestRunner::deterministic();
    let case = ops::cases(OpKind::Linear).new_tree(&mut runner).expect("a case").current();
    for set in for_cpus() {
        let offered = match instructions(set.name()) {
            Some(flags) if !listed.is_empty() => flags.iter().all(|flag| listed.contains(flag)),
            Some(_) | None => set.is_available(),
        };
        let program = case.build(None);
        let file = write(&program.container).expect("a container");
        let want = run::trace(&file, &program.inputs, &quant::REFERENCE, 0);
        let tested = kernel_sets().find(|tested| tested.name() == set.name());
        let ran = tested.map(|set| run::trace(&file, &program.inputs, set, 0) == want);
        // Not by `println!`, which tests keep to themselves.
        let words = if offered { "offered" } else { "not offered" };
        writeln!(std::io::stderr(), "kernel set {}: {words} by CPU and system", set.name()).expect("a line");
        assert_eq!(ran, offered.then_some(true), "{}", set.name());
    }
}
