//! A program that is laid out anew gives the same results under the same instruction numbers.

use converter::BuildOptions;
use program::{Dataflow, Definition, ReplanOptions, Rows, write};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use quant::Op;
use quant::op::OpKind;
use quant::operand::Role;
use runtime::Model;
use shiftformer_tests::case::Case;
use shiftformer_tests::kernels::fastest;
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::{config, data, ops, rebuilt, run};

/// `file` laid out by `options`, under its own identity.
fn replanned(file: &[u8], options: ReplanOptions) -> Vec<u8> {
    let file = Aligned::copy(file);
    let model = Model::new(&file).expect("a container that was written");
    rebuilt::replanned(&model, options).expect("a small program")
}

/// Every layout that is tried.
fn layouts() -> impl Iterator<Item = ReplanOptions> {
    [16, 64, 256].into_iter().flat_map(|align| [true, false].map(|tiles| ReplanOptions { align, tiles }))
}

fn same_results(file: &[u8], inputs: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let want = run::trace(file, inputs, &quant::REFERENCE, 0xa5);
    for options in layouts() {
        let file = replanned(file, options);
        for kernels in [&quant::REFERENCE, fastest()] {
            let got = run::trace(&file, inputs, kernels, 0x5a);
            prop_assert!(got == want, "{options:?}: {:?}", got.difference(&want));
        }
    }
    Ok(())
}

fn case_is_the_same(case: &Case) -> Result<(), TestCaseError> {
    for tile in [None, Some(1), Some(3)] {
        if tile.is_none_or(|tile| tile <= case.rows()) {
            let program = case.build(tile);
            let file = write(&program.container).map_err(|e| TestCaseError::fail(e.to_string()))?;
            same_results(&file, &program.inputs)?;
        }
    }
    Ok(())
}

#[test]
fn generated_programs() {
    for &kind in OpKind::ALL {
        let mut runner = TestRunner::new(config(4));
        runner.run(&ops::cases(kind), |case| case_is_the_same(&case)).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn real_models() {
    let frame = data::frames(&data::test_images(), 1);
    for arena in [None, Some(40_000)] {
        for fuse in [true, false] {
            let options = BuildOptions { fuse, arena };
            for file in [data::qat(options), data::recipe(options)] {
                same_results(&file, &frame).unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
}

#[test]
fn without_tiles_every_instruction_is_one_step() {
    let file = Aligned::copy(&data::qat(BuildOptions::default()));
    let tiled = Model::new(&file).unwrap();
    let file = Aligned::copy(&replanned(&file, ReplanOptions { align: 256, tiles: false }));
    let model = Model::new(&file).unwrap();
    assert_eq!(model.identity(), tiled.identity());
    assert_eq!(model.instructions().count(), tiled.instructions().count());
    assert!(tiled.schedule().count() > model.schedule().count());
    assert!(model.schedule().all(|step| step.unwrap().is_complete()));
}

#[test]
fn values_views_and_versions_of_a_vision_transformer() {
    let file = Aligned::copy(&data::qat(BuildOptions::default()));
    let model = Model::new(&file).unwrap();
    let flow = Dataflow::of(&model).unwrap();
    for instruction in model.instructions() {
        let accesses = &flow.instructions[instruction.index as usize];
        match instruction.op {
            Op::Attention(attention) => {
                // Queries, keys and values are three parts of each row of one value.
                let parts: Vec<_> = accesses.iter().flat_map(|access| &access.reads).collect();
                let value = &flow.values[parts[0].value];
                let width = value.width / 3;
                let rows = [attention.queries, attention.keys, attention.keys];
                for ((part, first), rows) in parts.iter().zip([0, width, 2 * width]).zip(rows) {
                    assert_eq!((part.value, &part.columns), (parts[0].value, &(first..first + width)));
                    assert_eq!(part.rows, Rows::Range(0..rows));
                }
                assert_eq!((parts.len(), value.used_by.len()), (3, 3));
                assert!(
                    accesses
                        .iter()
                        .filter(|a| a.role == Role::Scratch)
                        .all(|a| flow.storages[a.storage].scratch)
                );
            }
            Op::Add(_) => {
                let updated = &accesses[0];
                let new = &flow.values[updated.defines.expect("a result")];
                assert_eq!(new.defined_by, Definition::Instruction(instruction.index as usize));
                assert_eq!(new.updates, updated.reads.iter().map(|view| view.value).collect::<Vec<_>>());
                assert!(new.updates.iter().all(|&old| flow.values[old].storage == new.storage));
            }
            _ => {}
        }
    }
    // The head reads the class token alone.
    let logits = &flow.outputs[0].reads[0];
    let head = flow.values[logits.value].defined_by;
    let Definition::Instruction(head) = head else { panic!("logits are computed") };
    let read = &flow.instructions[head][0].reads[0];
    assert!(matches!(read.rows, Rows::Range(ref rows) if rows.len() == 1), "{read:?}");
    assert!(flow.storages.iter().any(program::Storage::is_tile_local));
}
