//! Movement of data: parts that are empty, and layouts of many dimensions.

use proptest::prelude::*;

use super::Sketch;
use crate::model::{Array, Attribute};

#[test]
fn what_a_slice_takes_nothing_of_is_left_out_of_a_concatenation() {
    // Turned around by nothing, as exporters write a window that is not shifted.
    for (start, end, step) in [(0, 0, 1), (9, 12, 1), (3, 1, 1), (1, 3, -1), (-1, -4, 1)] {
        let mut sketch = Sketch::new([1, 2, 4, 3]);
        let [start, end, axis, step] = [start, end, 2, step].map(|value| sketch.ints(&[value]));
        let empty = sketch.node("Slice", &["x", &start, &end, &axis, &step], &[]);
        let out = sketch.node("Concat", &["x", &empty, "x"], &[("axis", Attribute::Int(2))]);
        sketch.check(&out);
        let twice = sketch.node("Concat", &[&empty, &empty], &[("axis", Attribute::Int(2))]);
        let out = sketch.node("Concat", &[&twice, "x"], &[("axis", Attribute::Int(2))]);
        sketch.check(&out);
    }
    let mut sketch = Sketch::new([1, 2, 4, 3]);
    let parts = sketch.ints(&[1, 0, 3]);
    let first = sketch.node("Split", &["x", &parts], &[("axis", Attribute::Int(2))]);
    let names = [first.clone(), "empty".into(), "rest".into()];
    sketch.model.nodes.last_mut().unwrap().outputs = names.to_vec();
    let out = sketch.node("Concat", &["rest", "empty", &first], &[("axis", Attribute::Int(2))]);
    sketch.check(&out);
}

#[test]
fn a_concatenation_states_its_axis() {
    let mut sketch = Sketch::new([1, 2, 4, 3]);
    let out = sketch.node("Concat", &["x", "x"], &[]);
    let refused = sketch.build(&out).unwrap_err().to_string();
    assert!(refused.contains("`v0` (Concat)") && refused.contains("`axis` is missing"), "{refused}");
}

#[test]
fn nothing_but_empty_parts_is_no_output() {
    let mut sketch = Sketch::new([1, 2, 4, 3]);
    let [start, end] = [2, 2].map(|value| sketch.ints(&[value]));
    let empty = sketch.node("Slice", &["x", &start, &end], &[]);
    assert!(sketch.build(&empty).is_err());
    let sum = sketch.node("Add", &["x", &empty], &[]);
    assert!(sketch.build(&sum).is_err());
}

#[test]
fn slices_are_picked_and_replaced() {
    let indices = |sketch: &mut Sketch, depth: usize, list: &[i64]| {
        let shape = vec![list.len() / depth, depth];
        sketch.constant(Array::new(shape, list.to_vec()).unwrap())
    };
    for (depth, list) in [
        (1, &[0_i64][..]),
        (2, &[0, 1, 0, -3, 0, 0]),
        (3, &[0, 1, 3, 0, 2, 0]),
        (4, &[0, 2, 3, 4, 0, 0, 0, 0, 0, 1, -1, -2]),
    ] {
        let mut sketch = Sketch::new([1, 3, 4, 5]);
        let two = sketch.constant(Array::scalar(2.0));
        let doubled = sketch.node("Mul", &["x", &two], &[]);
        let picks = indices(&mut sketch, depth, list);
        let picked = sketch.node("GatherND", &[&doubled, &picks], &[]);
        sketch.check(&picked);
        let updates = sketch.node("Neg", &[&picked], &[]);
        let replaced = sketch.node("ScatterND", &[&doubled, &picks, &updates], &[]);
        sketch.check(&replaced);
        let shape = [&[list.len() / depth][..], &[1, 3, 4, 5][depth..]].concat();
        let constant = sketch.floats(&shape);
        let replaced = sketch.node("ScatterND", &[&doubled, &picks, &constant], &[]);
        sketch.check(&replaced);
        let constant = sketch.floats(&[1, 3, 4, 5]);
        let replaced = sketch.node("ScatterND", &[&constant, &picks, &updates], &[]);
        sketch.check(&replaced);
    }
    let mut sketch = Sketch::new([1, 3, 4, 5]);
    let (picks, updates) = (indices(&mut sketch, 2, &[0, 1]), sketch.floats(&[5]));
    let out = sketch.node("ScatterND", &["x", &picks, &updates], &[]);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("updates of shape [5]"));
    let outside = indices(&mut sketch, 2, &[0, 3]);
    let out = sketch.node("GatherND", &["x", &outside], &[]);
    assert!(sketch.build(&out).is_err());
}

proptest! {
    #[test]
    fn layouts_of_many_dimensions_are_copied(
        cuts in prop::collection::vec(0_usize..2, 8),
        order in Just((0..8_i64).collect::<Vec<_>>()).prop_shuffle(),
        pair in 0_usize..7,
    ) {
        let shape = [1, 2, 2, 2, 3, 2, 2, 3];
        let mut sketch = Sketch::new([1, 4, 6, 12]);
        let mut x = sketch.reshape("x", &shape);
        // Parts of several axes, which leave gaps, and every axis somewhere else.
        for axis in (4..8).filter(|&axis| cuts[axis] == 1) {
            let [start, end, axis, step] =
                [0, shape[axis], axis as i64, shape[axis] - 1].map(|value| sketch.ints(&[value]));
            x = sketch.node("Slice", &[&x, &start, &end, &axis, &step], &[]);
        }
        x = sketch.transpose(&x, &order);
        let doubled = sketch.node("Concat", &[&x, &x], &[("axis", Attribute::Int(pair as i64))]);
        sketch.check(&doubled);
        let rows = sketch.reshape(&x, &[-1, 4]);
        let weights = sketch.floats(&[4, 2]);
        let out = sketch.node("MatMul", &[&rows, &weights], &[]);
        sketch.check(&out);
    }
}
