//! Binarized models: signs, chosen keys, and what is refused.

use super::{Sketch, close, ops};
use crate::model::Attribute;

#[test]
fn signs_of_parts_are_parts_of_signs() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let rows = sketch.reshape("x", &[1, 4, 12]);
    let weights = sketch.floats(&[12, 10]);
    let product = sketch.node("MatMul", &[&rows, &weights], &[]);
    let parts = sketch.reshape(&product, &[1, 4, 2, 5]);
    let mut signs = Vec::new();
    for (at, factor) in [(0, 2.0), (1, -0.5)] {
        let index = sketch.ints(&[at]);
        let part = sketch.node("Gather", &[&parts, &index], &[("axis", Attribute::Int(2))]);
        let part = sketch.reshape(&part, &[1, 4, 5]);
        let factor = sketch.constant(crate::model::Array::scalar(factor));
        let scaled = sketch.node("Mul", &[&part, &factor], &[]);
        signs.push(sketch.node("Sign", &[&scaled], &[]));
    }
    let turned = sketch.transpose(&signs[1], &[0, 2, 1]);
    let out = sketch.node("MatMul", &[&signs[0], &turned], &[]);
    sketch.check(&out);
    let made = ops(&sketch.build(&out).unwrap());
    let layer = made.iter().position(|op| op == "Linear").unwrap();
    assert_eq!(made[layer..layer + 3], ["Linear", "Activate", "MatMul"], "{made:?}");
}

#[test]
fn keys_are_chosen_along_any_axis() {
    let mut sketch = Sketch::new([1, 1, 4, 6]);
    let rows = sketch.reshape("x", &[4, 6]);
    for (axis, count, step) in [(1, 4, 6), (0, 6, 4)] {
        let attributes = [("ratio", Attribute::Float(0.5)), ("axis", Attribute::Int(axis))];
        let chosen = sketch.node("AtLeast", &[&rows], &attributes);
        let image = sketch.image().to_f32s();
        let index = |group: usize, at: usize| if axis == 1 { group * 6 + at } else { at * 6 + group };
        let mut expected = vec![0.0; 24];
        for group in 0..count {
            let largest = (0..step).map(|at| image[index(group, at)]).fold(0.0, f32::max);
            for at in 0..step {
                let chosen = image[index(group, at)] >= 0.5 * largest;
                expected[index(group, at)] = f32::from(u8::from(chosen));
            }
        }
        close(&sketch.run(&chosen), &expected);
    }
}

/// What is said about the sign with a value of `zero` at 0 of `product(x)`.
fn of_sign(zero: i64, product: impl Fn(&mut Sketch) -> String) -> Option<String> {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let x = product(&mut sketch);
    let sign = sketch.node("Sign", &[&x], &[("zero", Attribute::Int(zero))]);
    sketch.build(&sign).err().map(|error| error.to_string())
}

#[test]
fn choices_where_zero_matters_are_refused() {
    let squares = |sketch: &mut Sketch| {
        let rows = sketch.reshape("x", &[1, 4, 12]);
        let turned = sketch.transpose(&rows, &[0, 2, 1]);
        sketch.node("MatMul", &[&rows, &turned], &[])
    };
    let layer = |sketch: &mut Sketch| {
        let (rows, weights) = (sketch.reshape("x", &[1, 4, 12]), sketch.floats(&[12, 8]));
        sketch.node("MatMul", &[&rows, &weights], &[])
    };
    let biased = |sketch: &mut Sketch| {
        let (sum, bias) = (layer(sketch), sketch.floats(&[8]));
        sketch.node("Add", &[&sum, &bias], &[])
    };
    for zero in [1, -1] {
        let error = of_sign(zero, squares).unwrap();
        assert!(error.contains("(Sign)") && error.contains("torch.sign"), "{error}");
        assert_eq!(of_sign(zero, biased), None);
    }
    assert_eq!(of_sign(0, squares), None);
    // Sums without a bias are 0 now and then, where programs take bits of x ≥ 0.
    assert_eq!(of_sign(1, layer), None);
    assert!(of_sign(-1, layer).unwrap().contains("torch.sign"));
}

#[test]
fn other_comparisons_are_refused() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let limit = sketch.constant(crate::model::Array::scalar(0.5));
    let out = sketch.node("Greater", &["x", &limit], &[]);
    let error = sketch.build(&out).unwrap_err().to_string();
    for words in ["`v0` (Greater)", "where(x >= 0, 1, -1)", "where(p >= ratio"] {
        assert!(error.contains(words), "{error}");
    }
}
