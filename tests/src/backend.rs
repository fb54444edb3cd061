//! Conformance of an engine through the face that every engine has.

use program::write;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use quant::op::OpKind;
use shiftformer::{Backend, Model, RunError, Session, Verifier};

use crate::case::{Case, Program};
use crate::{config, ops};

/// Runs generated programs of every op on `backend`, in one piece and in tiles, and compares
/// every instruction and every output with the reference. `share` is as in [`config`].
///
/// # Panics
///
/// With the smallest program found that differs.
pub fn check(backend: &dyn Backend, share: u32) {
    for &kind in OpKind::ALL {
        check_op(backend, kind, share);
    }
}

/// As [`check`], of one op.
///
/// # Panics
///
/// As [`check`].
pub fn check_op(backend: &dyn Backend, kind: OpKind, share: u32) {
    check_cases(backend, &ops::cases(kind), share);
}

/// As [`check`], of some cases.
///
/// # Panics
///
/// As [`check`].
pub fn check_cases(backend: &dyn Backend, cases: &BoxedStrategy<Case>, share: u32) {
    let mut runner = TestRunner::new(config(share));
    let conforms = |case: Case| {
        for tile in [None, Some(1), Some(3)] {
            if tile.is_none_or(|tile| tile <= case.rows()) {
                conforms(backend, &case.build(tile))?;
            }
        }
        Ok(())
    };
    runner.run(cases, conforms).unwrap_or_else(|e| panic!("{}: {e}", backend.name()));
}

/// As [`check_op`], of one program in one piece.
///
/// # Panics
///
/// With what differs.
pub fn check_case(backend: &dyn Backend, case: &Case) {
    conforms(backend, &case.build(None)).unwrap_or_else(|e| panic!("{}: {case:?}: {e}", backend.name()));
}

fn conforms(backend: &dyn Backend, program: &Program) -> Result<(), TestCaseError> {
    let fail = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
    let file = write(&program.container).map_err(|e| fail(&e))?;
    let model = Model::from_bytes("a generated program", &file).map_err(|e| fail(&e))?;
    let mut session = model.session_on(backend).map_err(|e| fail(&e))?;
    let mut reference = model.session_on(&shiftformer::Cpu::reference()).map_err(|e| fail(&e))?;
    let mut verifier = Verifier::new(&model).map_err(|e| fail(&e))?;
    let frame = program.inputs.concat();
    prop_assert_eq!(verifier.compare(&mut session, &frame).map_err(|e| fail(&e))?, None);
    prop_assert_eq!(outputs(&mut session, &frame), outputs(&mut reference, &frame));
    Ok(())
}

/// All outputs of a run.
fn outputs(session: &mut Session, frame: &[u8]) -> Result<Vec<Vec<i32>>, RunError> {
    let outputs = session.run(frame)?;
    Ok((0..outputs.len()).map(|index| outputs.values(index).unwrap_or_default().to_vec()).collect())
}
