//! Movement of data: parts that are empty, and layouts of many dimensions.

use proptest::prelude::*;

use super::Sketch;
use crate::model::Attribute;

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
fn nothing_but_empty_parts_is_no_output() {
    let mut sketch = Sketch::new([1, 2, 4, 3]);
    let [start, end] = [2, 2].map(|value| sketch.ints(&[value]));
    let empty = sketch.node("Slice", &["x", &start, &end], &[]);
    assert!(sketch.build(&empty).is_err());
    let sum = sketch.node("Add", &["x", &empty], &[]);
    assert!(sketch.build(&sum).is_err());
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
