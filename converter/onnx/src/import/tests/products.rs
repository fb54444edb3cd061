//! Products and quotients of two computed tensors, and lengths of channels.

use super::{Sketch, close, ops};
use crate::model::{Array, Attribute};
use float::Node;

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// The rows and width of the second factors of all products, which must be right.
fn factors(sketch: &Sketch, out: &str) -> Vec<[usize; 2]> {
    sketch.check(out);
    let graph = sketch.build(out).unwrap();
    let factor = |node: &Node| match node {
        Node::Mul { y, .. } => Some([graph.tensors[*y].rows, graph.tensors[*y].width]),
        _ => None,
    };
    graph.nodes.iter().filter_map(factor).collect()
}

#[test]
fn a_gate_has_a_factor_for_each_channel_or_row() {
    // Of images channels first, and of tokens; the axes that the gate is a mean over.
    for (axes, tokens, factor) in [
        (&[2_i64, 3][..], false, [1, 4]),
        (&[1], false, [30, 1]),
        (&[1, 2, 3], false, [1, 1]),
        (&[2], false, [30, 4]),
        (&[1], true, [1, 4]),
        (&[2], true, [30, 1]),
    ] {
        let mut sketch = Sketch::new([1, 4, 5, 6]);
        let mut x = "x".to_string();
        if tokens {
            x = sketch.reshape(&x, &[1, 4, 30]);
            x = sketch.transpose(&x, &[0, 2, 1]);
        }
        let mut gate = x.clone();
        for &axis in axes {
            gate = sketch.node("ReduceMean", &[&gate], &[("axes", ints(&[axis]))]);
        }
        let gate = sketch.node("Sigmoid", &[&gate], &[]);
        let out = sketch.node("Mul", &[&x, &gate], &[]);
        assert_eq!(factors(&sketch, &out), [factor], "{axes:?}");
        let out = sketch.node("Mul", &[&gate, &x], &[]);
        assert_eq!(factors(&sketch, &out), [factor], "{axes:?}");
    }
}

#[test]
fn two_gates_are_spread_over_their_product() {
    let mut sketch = Sketch::new([1, 4, 5, 6]);
    let channels = sketch.node("ReduceMean", &["x"], &[("axes", ints(&[2, 3]))]);
    let pixels = sketch.node("ReduceMean", &["x"], &[("axes", ints(&[1]))]);
    let out = sketch.node("Mul", &[&channels, &pixels], &[]);
    sketch.check(&out);
}

#[test]
fn squares_and_constant_factors_pass_through() {
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let minus = sketch.node("Neg", &["x"], &[]);
    let out = sketch.node("Mul", &[&minus, &minus], &[]);
    assert_eq!(factors(&sketch, &out), [[12, 2]]);
    let out = sketch.node("Mul", &["x", &minus], &[]);
    assert_eq!(factors(&sketch, &out), [[12, 2]]);
    let turned = sketch.transpose("x", &[0, 1, 3, 2]);
    let turned = sketch.reshape(&turned, &[1, 2, 3, 4]);
    let out = sketch.node("Mul", &["x", &turned], &[]);
    assert_eq!(factors(&sketch, &out), [[12, 2]]);
}

#[test]
fn what_is_an_activation_is_no_product() {
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let gate = sketch.node("Sigmoid", &["x"], &[]);
    let out = sketch.node("Mul", &["x", &gate], &[]);
    let mut model = sketch.model.clone();
    model.outputs = vec![crate::model::Output { name: out, shape: Vec::new() }];
    crate::patterns::fuse(&mut model).unwrap();
    assert_eq!(model.nodes.iter().map(|node| node.op.as_str()).collect::<Vec<_>>(), ["Silu"]);
    assert!(!ops(&super::build(model, Default::default()).unwrap()).contains(&"Mul".to_string()));
}

#[test]
fn a_tensor_and_itself_is_a_multiple() {
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let twice = sketch.node("Add", &["x", "x"], &[]);
    let minus = sketch.node("Neg", &[&twice], &[]);
    let thrice = sketch.node("Sub", &["x", &minus], &[]);
    sketch.check(&thrice);
    let turned = sketch.transpose("x", &[0, 1, 3, 2]);
    let back = sketch.transpose(&turned, &[0, 1, 3, 2]);
    let out = sketch.node("Add", &[&back, "x"], &[]);
    sketch.check(&out);
    let nothing = sketch.node("Sub", &["x", "x"], &[]);
    assert!(sketch.build(&nothing).unwrap_err().to_string().contains("itself is 0"));
}

#[test]
fn quotients_take_any_layout() {
    // A divisor for each element, channel, pixel, row of pixels, and one for all.
    for axes in [&[][..], &[2_i64, 3], &[1], &[2], &[1, 2, 3]] {
        let mut sketch = Sketch::new([1, 4, 5, 6]);
        let minus = sketch.constant(Array::scalar(-2.0));
        let scaled = sketch.node("Mul", &["x", &minus], &[]);
        let mut divisor = scaled.clone();
        for &axis in axes {
            divisor = sketch.node("ReduceMean", &[&divisor], &[("axes", ints(&[axis]))]);
        }
        let three = sketch.constant(Array::scalar(-3.0));
        let divisor = sketch.node("Add", &[&divisor, &three], &[]);
        let turned = sketch.transpose("x", &[0, 2, 3, 1]);
        let last = sketch.transpose(&divisor, &[0, 2, 3, 1]);
        for [x, y] in [["x", &divisor], [&scaled, &divisor], [&turned, &last]] {
            let out = sketch.node("Div", &[x, y], &[]);
            sketch.check(&out);
            assert!(ops(&sketch.build(&out).unwrap()).contains(&"Div".to_string()));
        }
    }
}

#[test]
fn constants_and_smaller_tensors_are_divided_too() {
    let mut sketch = Sketch::new([1, 4, 5, 6]);
    let one = sketch.constant(Array::scalar(1.0));
    let away = sketch.node("Add", &["x", &one], &[]);
    for shape in [&[][..], &[4, 1, 1], &[1, 4, 5, 6], &[6]] {
        let dividend = sketch.floats(shape);
        let out = sketch.node("Div", &[&dividend, &away], &[]);
        sketch.check(&out);
    }
    let mean = sketch.node("ReduceMean", &["x"], &[("axes", ints(&[2, 3]))]);
    let out = sketch.node("Div", &[&mean, &away], &[]);
    sketch.check(&out);
}

#[test]
fn sums_of_magnitudes_and_squares_and_lengths() {
    let mut sketch = Sketch::new([1, 4, 5, 6]);
    let half = sketch.constant(Array::scalar(-0.5));
    let x = sketch.node("Add", &["x", &half], &[]);
    let values = sketch.truth(&x);
    let same = |x: f32| x;
    for (op, of, last) in [
        ("ReduceL1", f32::abs as fn(f32) -> f32, same as fn(f32) -> f32),
        ("ReduceSumSquare", |x| x * x, same),
        ("ReduceL2", |x| x * x, f32::sqrt),
    ] {
        let out = sketch.node(op, &[&x], &[("axes", ints(&[2, 3])), ("keepdims", Attribute::Int(0))]);
        let sum = |channel: &[f32]| last(channel.iter().map(|&x| of(x)).sum());
        let want: Vec<f32> = values.chunks(30).map(sum).collect();
        close(&sketch.run(&out), &want);
        let all = sketch.node(op, &[&x], &[("noop_with_empty_axes", Attribute::Int(1))]);
        close(&sketch.run(&all), &values.iter().map(|&x| last(of(x))).collect::<Vec<f32>>());
    }
}

/// `L / (mean(L) + 0.001)` of the lengths of the channels at `channels`, from nodes.
fn response(sketch: &mut Sketch, x: &str, along: &[i64], channels: i64, squared: bool) -> String {
    let axes = ("axes", ints(along));
    let length = match squared {
        false => sketch.node("ReduceL2", &[x], &[axes]),
        true => {
            let square = sketch.node("Mul", &[x, x], &[]);
            let along = sketch.ints(along);
            let sum = sketch.node("ReduceSum", &[&square, &along], &[]);
            sketch.node("Sqrt", &[&sum], &[])
        }
    };
    let mean = sketch.node("ReduceMean", &[&length], &[("axes", ints(&[channels]))]);
    let eps = sketch.constant(Array::scalar(0.001));
    let sum = sketch.node("Add", &[&mean, &eps], &[]);
    sketch.node("Div", &[&length, &sum], &[])
}

#[test]
fn lengths_of_channels_by_their_mean() {
    for squared in [false, true] {
        for last in [false, true] {
            let mut sketch = Sketch::new([1, 4, 5, 6]);
            let minus = sketch.constant(Array::scalar(-0.5));
            let mut x = sketch.node("Mul", &["x", &minus], &[]);
            if last {
                x = sketch.transpose(&x, &[0, 2, 3, 1]);
            }
            let (along, channels) = if last { ([1, 2], -1) } else { ([2, 3], 1) };
            let out = response(&mut sketch, &x, &along, channels, squared);
            // The definition.
            let image = sketch.image().to_f32s();
            let squares =
                |channel: &[f32]| channel.iter().map(|&v| f64::from(v) * 0.25 * f64::from(v)).sum::<f64>();
            let lengths: Vec<f64> = image.chunks(30).map(|channel| squares(channel).sqrt()).collect();
            let mean = lengths.iter().sum::<f64>() / 4.0 + 0.001;
            let want: Vec<f32> = lengths.iter().map(|length| (length / mean) as f32).collect();
            let mut model = sketch.model.clone();
            model.outputs = vec![crate::model::Output { name: out.clone(), shape: Vec::new() }];
            crate::patterns::fuse(&mut model).unwrap();
            assert!(model.nodes.iter().any(|node| node.op == "ResponseNormalization"));
            sketch.model.nodes = model.nodes;
            sketch.model.constants = model.constants;
            close(&sketch.run(&out), &want);
            // As a gate.
            let gated = sketch.node("Mul", &[&x, &out], &[]);
            assert!(sketch.build(&gated).is_ok());
        }
    }
}

#[test]
fn sums_and_means_of_any_number() {
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let (row, column) = (sketch.floats(&[4]), sketch.floats(&[3, 1]));
    let turned = sketch.node("Neg", &["x"], &[]);
    let gate = sketch.node("ReduceMean", &["x"], &[("axes", ints(&[2]))]);
    let chain = |sketch: &mut Sketch, values: &[&str]| {
        let sum = sketch.node("Add", &values[..2], &[]);
        values[2..].iter().fold(sum, |sum, value| sketch.node("Add", &[&sum, value], &[]))
    };
    for values in [&["x", &row, "x"][..], &[&column, &gate, &row, "x"], &["x", "x", &gate, &turned]] {
        let expected = chain(&mut sketch, values);
        let expected = sketch.truth(&expected);
        let mut other = sketch.clone();
        let out = other.node("Sum", values, &[]);
        close(&other.run(&out), &expected);
        let out = other.node("Mean", values, &[]);
        let mean: Vec<f32> = expected.iter().map(|value| value / values.len() as f32).collect();
        close(&other.run(&out), &mean);
    }
    let one = sketch.node("Sum", &["x"], &[]);
    close(&sketch.run(&one), &sketch.image().to_f32s());
}

#[test]
fn numbers_of_any_shape_broadcast() {
    for exponent in [0.5_f32, 1.0, 2.0] {
        let mut sketch = Sketch::new([1, 2, 3, 4]);
        let shape = vec![2, 1, 1, 3, 1];
        let exponents = sketch.constant(Array::new(shape, vec![exponent; 6]).unwrap());
        let powers = sketch.node("Pow", &["x", &exponents], &[]);
        sketch.check(&powers);
    }
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let mean = |sketch: &mut Sketch, shape: Vec<usize>, axis: i64| {
        let limit = sketch.constant(Array::new(shape, vec![0.3_f32]).unwrap());
        let larger = sketch.node("Max", &["x", &limit], &[]);
        let mean = sketch.node("ReduceMean", &[&larger], &[("axes", ints(&[axis]))]);
        sketch.run(&mean)
    };
    let (found, expected) = (mean(&mut sketch, vec![1; 5], 2), mean(&mut sketch, Vec::new(), 1));
    close(&found, &expected);
}
