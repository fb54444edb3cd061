//! Every op against values computed by hand or with NumPy.

use super::*;
use crate::model::{Attribute, Data, elements};

fn f(shape: &[usize], values: &[f32]) -> Array {
    Array::new(shape.to_vec(), values.to_vec()).unwrap()
}

fn i(shape: &[usize], values: &[i64]) -> Array {
    Array::new(shape.to_vec(), values.to_vec()).unwrap()
}

fn b(shape: &[usize], values: &[bool]) -> Array {
    Array::new(shape.to_vec(), values.to_vec()).unwrap()
}

/// 0, 1, 2, … in `shape`.
fn iota(shape: &[usize]) -> Array {
    let len = shape.iter().product::<usize>() as i64;
    i(shape, &(0..len).collect::<Vec<_>>())
}

fn op(name: &str) -> Node {
    Node::new(name, Vec::new(), "y")
}

fn try_run(node: &Node, inputs: &[&Array]) -> Folded<Array> {
    let inputs: Vec<_> = inputs.iter().map(|&array| Some(array)).collect();
    Ok(evaluate(node, &inputs, 17)?.expect("a known op").remove(0))
}

fn run(node: &Node, inputs: &[&Array]) -> Array {
    try_run(node, inputs).unwrap()
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

#[test]
fn constants_and_ranges() {
    let scalar = op("Constant").with("value_float", Attribute::Float(2.5));
    assert_eq!(run(&scalar, &[]), Array::scalar(2.5));
    assert_eq!(run(&op("Constant").with("value_ints", ints(&[1, -1])), &[]), i(&[2], &[1, -1]));
    assert!(try_run(&op("Constant"), &[]).is_err());
    let filled = op("ConstantOfShape").with("value", Attribute::Tensor(i(&[1], &[7])));
    assert_eq!(run(&filled, &[&i(&[2], &[2, 1])]), i(&[2, 1], &[7, 7]));
    assert_eq!(run(&op("ConstantOfShape"), &[&i(&[0], &[])]), Array::scalar(0.0));
    let range =
        |a, b, c| try_run(&op("Range"), &[&Array::integer(a), &Array::integer(b), &Array::integer(c)]);
    assert_eq!(range(3, 9, 3).unwrap(), i(&[2], &[3, 6]));
    assert_eq!(range(10, 4, -2).unwrap(), i(&[3], &[10, 8, 6]));
    assert_eq!(range(3, 3, 1).unwrap().len(), 0);
    assert!(range(0, 1, 0).is_err());
    assert!(range(0, i64::MAX, 1).is_err());
    assert!(range(i64::MIN, i64::MAX, 1).is_err());
    let floats = [Array::scalar(0.0), Array::scalar(1.0), Array::scalar(0.4)];
    assert_eq!(run(&op("Range"), &floats.each_ref()), f(&[3], &[0.0, 0.4, 0.8]));
    let nan = [Array::scalar(0.0), Array::scalar(f32::NAN), Array::scalar(0.4)];
    assert!(try_run(&op("Range"), &nan.each_ref()).is_err());
}

#[test]
fn shapes() {
    let x = iota(&[2, 3, 4]);
    assert_eq!(run(&op("Shape"), &[&x]), i(&[3], &[2, 3, 4]));
    let part = op("Shape").with("start", Attribute::Int(-2)).with("end", Attribute::Int(-1));
    assert_eq!(run(&part, &[&x]), i(&[1], &[3]));
    assert_eq!(run(&op("Size"), &[&x]), Array::integer(24));
    assert_eq!(run(&op("Reshape"), &[&x, &i(&[2], &[0, -1])]).shape, [2, 12]);
    let zero = op("Reshape").with("allowzero", Attribute::Int(1));
    assert_eq!(run(&zero, &[&f(&[0, 3], &[]), &i(&[2], &[3, 0])]).shape, [3, 0]);
    for bad in [&[5, -1][..], &[-1, -1], &[25], &[-2, 12], &[2, 3, 4, 0], &[i64::MAX, i64::MAX]] {
        assert!(try_run(&op("Reshape"), &[&x, &i(&[bad.len()], bad)]).is_err(), "{bad:?}");
    }
    assert_eq!(run(&op("Flatten"), &[&x]).shape, [2, 12]);
    assert_eq!(run(&op("Flatten").with("axis", Attribute::Int(3)), &[&x]).shape, [24, 1]);
    assert_eq!(run(&op("Flatten").with("axis", Attribute::Int(-3)), &[&x]).shape, [1, 24]);
    let thin = iota(&[1, 3, 1]);
    assert_eq!(run(&op("Squeeze"), &[&thin]).shape, [3]);
    assert_eq!(run(&op("Squeeze"), &[&thin, &i(&[1], &[-1])]).shape, [1, 3]);
    assert_eq!(run(&op("Squeeze").with("axes", ints(&[0])), &[&thin]).shape, [3, 1]);
    assert!(try_run(&op("Squeeze").with("axes", ints(&[1])), &[&thin]).is_err());
    assert_eq!(run(&op("Unsqueeze"), &[&iota(&[3]), &i(&[2], &[0, -1])]).shape, [1, 3, 1]);
    assert_eq!(run(&op("Unsqueeze").with("axes", ints(&[1])), &[&iota(&[3])]).shape, [3, 1]);
    assert!(try_run(&op("Unsqueeze").with("axes", ints(&[1, 1])), &[&iota(&[3])]).is_err());
}

#[test]
fn moves() {
    let x = iota(&[2, 3]);
    assert_eq!(run(&op("Transpose"), &[&x]), i(&[3, 2], &[0, 3, 1, 4, 2, 5]));
    let turn = op("Transpose").with("perm", ints(&[2, 0, 1]));
    let expected = [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11];
    assert_eq!(run(&turn, &[&iota(&[2, 3, 2])]), i(&[2, 2, 3], &expected));
    assert!(try_run(&op("Transpose").with("perm", ints(&[0, 0])), &[&x]).is_err());
    let column = i(&[2, 1], &[1, 2]);
    assert_eq!(
        run(&op("Expand"), &[&column, &i(&[3], &[2, 1, 2])]),
        i(&[2, 2, 2], &[1, 1, 2, 2, 1, 1, 2, 2])
    );
    assert_eq!(run(&op("Expand"), &[&column, &i(&[1], &[1])]), column);
    assert!(try_run(&op("Expand"), &[&x, &i(&[1], &[2])]).is_err());
    assert_eq!(
        run(&op("Tile"), &[&i(&[2, 1], &[1, 2]), &i(&[2], &[2, 2])]),
        i(&[4, 2], &[1, 1, 2, 2, 1, 1, 2, 2])
    );
    assert_eq!(run(&op("Tile"), &[&x, &i(&[2], &[1, 2])]).i64s().unwrap()[..6], [0, 1, 2, 0, 1, 2]);
    let join = op("Concat").with("axis", Attribute::Int(-1));
    assert_eq!(run(&join, &[&x, &column]), i(&[2, 4], &[0, 1, 2, 1, 3, 4, 5, 2]));
    assert!(try_run(&join, &[&x, &i(&[1, 1], &[0])]).is_err());
    assert!(try_run(&join, &[&x, &f(&[2, 1], &[0.0, 0.0])]).is_err());
    let refused = try_run(&op("Concat"), &[&x, &x]).unwrap_err().to_string();
    assert!(refused.contains("`axis` is missing"), "{refused}");
    let pick = op("Gather").with("axis", Attribute::Int(1));
    assert_eq!(run(&pick, &[&x, &i(&[2, 1], &[-1, 0])]), i(&[2, 2, 1], &[2, 0, 5, 3]));
    assert_eq!(run(&op("Gather"), &[&x, &Array::integer(1)]), i(&[3], &[3, 4, 5]));
    assert!(try_run(&op("Gather"), &[&x, &Array::integer(2)]).is_err());
    assert_eq!(
        run(&op("Pad"), &[&i(&[1, 2], &[5, 6]), &i(&[4], &[1, 0, 0, 1])]),
        i(&[2, 3], &[0, 0, 0, 5, 6, 0])
    );
    assert_eq!(run(&op("Trilu"), &[&iota(&[3, 3])]), i(&[3, 3], &[0, 1, 2, 0, 4, 5, 0, 0, 8]));
    let lower = op("Trilu").with("upper", Attribute::Int(0));
    assert_eq!(run(&lower, &[&iota(&[3, 3]), &Array::integer(-1)]), i(&[3, 3], &[0, 0, 0, 3, 0, 0, 6, 7, 0]));
}

#[test]
fn bombs_are_refused() {
    let huge = i(&[2], &[1 << 20, 1 << 20]);
    assert!(try_run(&op("Expand"), &[&i(&[1], &[0]), &huge]).is_err());
    assert!(try_run(&op("ConstantOfShape"), &[&huge]).is_err());
    assert!(try_run(&op("Tile"), &[&i(&[1, 1], &[0]), &huge]).is_err());
    assert!(try_run(&op("Tile"), &[&i(&[1], &[0]), &i(&[1], &[i64::MAX])]).is_err());
    let wide = run(&op("ConstantOfShape"), &[&i(&[2], &[1, 1 << 14])]);
    let tall = run(&op("ConstantOfShape"), &[&i(&[2], &[1 << 14, 1])]);
    assert!(try_run(&op("Add"), &[&tall, &wide]).is_err());
    assert!(try_run(&op("MatMul"), &[&tall, &wide]).is_err());
    let one = Array::vector(vec![1_i64]);
    assert!(try_run(&op("OneHot"), &[&wide, &Array::integer(i64::MAX), &f(&[2], &[0.0, 1.0])]).is_err());
    assert!(try_run(&op("GatherND"), &[&one, &i(&[1 << 40, 0], &[])]).is_err());
}

fn slice(x: &Array, start: i64, end: i64, step: i64) -> Vec<i64> {
    let list = |value| i(&[1], &[value]);
    let axis = list(x.rank() as i64 - 1);
    run(&op("Slice"), &[x, &list(start), &list(end), &axis, &list(step)]).to_i64s()
}

#[test]
fn slices_follow_numpy() {
    let x = iota(&[5]);
    assert_eq!(slice(&x, 1, 4, 1), [1, 2, 3]);
    assert_eq!(slice(&x, -2, i64::MAX, 1), [3, 4]);
    assert_eq!(slice(&x, 0, 5, 2), [0, 2, 4]);
    assert_eq!(slice(&x, 1, 5, 3), [1, 4]);
    assert_eq!(slice(&x, -1, i64::MIN, -1), [4, 3, 2, 1, 0]);
    assert_eq!(slice(&x, 4, 0, -2), [4, 2]);
    assert_eq!(slice(&x, 100, -100, -3), [4, 1]);
    assert_eq!(slice(&x, 3, 2, 1), [0_i64; 0]);
    assert_eq!(slice(&x, 9, 12, 1), [0_i64; 0]);
    assert_eq!(slice(&x, 0, 5, i64::MAX), [0]);
    assert_eq!(slice(&x, 4, i64::MIN, i64::MIN), [4]);
    assert_eq!(slice(&iota(&[2, 3]), -1, i64::MIN, -2), [2, 0, 5, 3]);
    let old = op("Slice").with("starts", ints(&[1])).with("ends", ints(&[2]));
    assert_eq!(run(&old, &[&iota(&[2, 2])]), i(&[1, 2], &[2, 3]));
    assert!(
        try_run(&op("Slice"), &[&x, &i(&[1], &[0]), &i(&[1], &[1]), &i(&[1], &[0]), &i(&[1], &[0])]).is_err()
    );
}

#[test]
fn splits() {
    let mut node = op("Split").with("axis", Attribute::Int(1));
    node.outputs = vec!["a".into(), "b".into()];
    let x = iota(&[2, 3]);
    let split = |node: &Node, inputs: &[Option<&Array>]| evaluate(node, inputs, 18).map(Option::unwrap);
    let parts = split(&node, &[Some(&x), Some(&i(&[2], &[1, 2]))]).unwrap();
    assert_eq!(parts, [i(&[2, 1], &[0, 3]), i(&[2, 2], &[1, 2, 4, 5])]);
    let parts = split(&node, &[Some(&x)]).unwrap();
    assert_eq!(parts, [i(&[2, 2], &[0, 1, 3, 4]), i(&[2, 1], &[2, 5])]);
    assert!(split(&node, &[Some(&x), Some(&i(&[2], &[1, 1]))]).is_err());
    assert!(evaluate(&node, &[Some(&x)], 13).is_err());
}

#[test]
fn arithmetic() {
    let x = i(&[4], &[-7, 7, -7, 7]);
    let y = i(&[4], &[2, -2, -2, 2]);
    assert_eq!(run(&op("Div"), &[&x, &y]).to_i64s(), [-3, -3, 3, 3]);
    assert_eq!(run(&op("Mod"), &[&x, &y]).to_i64s(), [1, -1, -1, 1]);
    assert_eq!(run(&op("Mod").with("fmod", Attribute::Int(1)), &[&x, &y]).to_i64s(), [-1, 1, -1, 1]);
    assert!(try_run(&op("Div"), &[&x, &Array::integer(0)]).is_err());
    let least = Array::integer(i64::MIN);
    assert_eq!(run(&op("Div"), &[&least, &Array::integer(-1)]), least);
    assert_eq!(run(&op("Mod"), &[&least, &Array::integer(-1)]), Array::integer(0));
    let sum = run(&op("Add"), &[&f(&[2, 1], &[1.0, 2.0]), &f(&[2], &[10.0, 20.0])]);
    assert_eq!(sum, f(&[2, 2], &[11.0, 21.0, 12.0, 22.0]));
    assert!(try_run(&op("Add"), &[&f(&[2], &[0.0; 2]), &f(&[3], &[0.0; 3])]).is_err());
    assert!(try_run(&op("Add"), &[&x, &Array::scalar(1.0)]).is_err());
    assert_eq!(run(&op("Sub"), &[&Array::scalar(1.0), &f(&[1], &[0.25])]), f(&[1], &[0.75]));
    assert_eq!(run(&op("Pow"), &[&f(&[2], &[2.0, 9.0]), &f(&[2], &[3.0, 0.5])]), f(&[2], &[8.0, 3.0]));
    assert_eq!(run(&op("Pow"), &[&i(&[1], &[3]), &Array::integer(4)]), i(&[1], &[81]));
    let least = run(&op("Min"), &[&f(&[2], &[1.0, 5.0]), &Array::scalar(3.0), &Array::scalar(2.0)]);
    assert_eq!(least, f(&[2], &[1.0, 2.0]));
    assert_eq!(run(&op("Max"), &[&i(&[2], &[1, 5]), &Array::integer(3)]), i(&[2], &[3, 5]));
}

#[test]
fn functions() {
    let one = |name: &str, x: f32| run(&op(name), &[&Array::scalar(x)]).scalar_f32().unwrap();
    for (name, x, y) in [
        ("Sqrt", 64.0, 8.0),
        ("Neg", 2.0, -2.0),
        ("Abs", -2.0, 2.0),
        ("Reciprocal", 4.0, 0.25),
        ("Floor", -1.5, -2.0),
        ("Ceil", -1.5, -1.0),
        ("Round", 2.5, 2.0),
        ("Round", 3.5, 4.0),
        ("Relu", -3.0, 0.0),
        ("Log", 1.0, 0.0),
        ("Exp", 1.0, std::f32::consts::E),
        ("Sin", 1.0, 0.841_471),
        ("Cos", 1.0, 0.540_302_3),
        ("Tanh", 0.5, 0.462_117_17),
        ("Sigmoid", 2.0, 0.880_797),
        ("Erf", 0.5, 0.520_499_9),
    ] {
        assert!((one(name, x) - y).abs() <= 1e-6, "{name}({x}) = {}", one(name, x));
    }
    // Abramowitz and Stegun, table 7.1, and erfc for the tail.
    for (x, y) in [
        (0.0, 0.0),
        (0.1, 0.112_462_916_0_f64),
        (1.0, 0.842_700_792_9),
        (2.0, 0.995_322_265_0),
        (4.0, 0.999_999_984_6),
        (f32::INFINITY, 1.0),
    ] {
        assert_eq!((one("Erf", x), one("Erf", -x)), (y as f32, -y as f32), "erf({x})");
    }
    assert_eq!(run(&op("IsNaN"), &[&f(&[2], &[1.0, f32::NAN])]), b(&[2], &[false, true]));
}

#[test]
fn casts() {
    let cast = |code, x: &Array| try_run(&op("Cast").with("to", Attribute::Int(code)), &[x]);
    assert_eq!(cast(7, &f(&[3], &[-1.9, 1.9, f32::NAN])).unwrap(), i(&[3], &[-1, 1, 0]));
    assert_eq!(cast(1, &b(&[2], &[true, false])).unwrap(), f(&[2], &[1.0, 0.0]));
    assert_eq!(cast(10, &i(&[1], &[3])).unwrap(), f(&[1], &[3.0]));
    assert_eq!(cast(9, &f(&[2], &[0.5, 0.0])).unwrap(), b(&[2], &[true, false]));
    assert!(cast(8, &Array::scalar(1.0)).is_err());
    assert_eq!(run(&op("CastLike"), &[&Array::scalar(2.0), &Array::integer(0)]), Array::integer(2));
}

#[test]
fn choices() {
    let (x, y) = (i(&[3], &[1, 2, 3]), Array::integer(2));
    for (name, expected) in [
        ("Equal", [false, true, false]),
        ("Less", [true, false, false]),
        ("LessOrEqual", [true, true, false]),
        ("Greater", [false, false, true]),
        ("GreaterOrEqual", [false, true, true]),
    ] {
        assert_eq!(run(&op(name), &[&x, &y]), b(&[3], &expected), "{name}");
    }
    let (p, q) = (b(&[2], &[true, false]), b(&[1], &[true]));
    assert_eq!(run(&op("And"), &[&p, &q]), p);
    assert_eq!(run(&op("Or"), &[&p, &q]), b(&[2], &[true, true]));
    assert_eq!(run(&op("Xor"), &[&p, &q]), run(&op("Not"), &[&p]));
    let chosen = run(&op("Where"), &[&p, &i(&[2, 1], &[1, 2]), &Array::integer(0)]);
    assert_eq!(chosen, i(&[2, 2], &[1, 0, 2, 0]));
}

#[test]
fn reductions() {
    let x = f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let rows = op("ReduceMean").with("axes", ints(&[-1]));
    assert_eq!(run(&rows, &[&x]), f(&[2, 1], &[2.0, 5.0]));
    let flat = op("ReduceSum").with("keepdims", Attribute::Int(0));
    assert_eq!(run(&flat, &[&x, &i(&[1], &[0])]), f(&[3], &[5.0, 7.0, 9.0]));
    assert_eq!(run(&flat, &[&x]), Array::scalar(21.0));
    assert_eq!(run(&op("ReduceProd"), &[&i(&[3], &[2, 3, 4])]), i(&[1], &[24]));
    assert_eq!(run(&op("ReduceMax").with("axes", ints(&[0])), &[&x]), f(&[1, 3], &[4.0, 5.0, 6.0]));
    assert_eq!(run(&op("ReduceMin"), &[&i(&[2], &[4, -4])]), i(&[1], &[-4]));
    assert_eq!(run(&op("ReduceSum").with("noop_with_empty_axes", Attribute::Int(1)), &[&x]), x);
    assert!(try_run(&rows, &[&f(&[0], &[])]).is_err());
}

#[test]
fn products() {
    let a = f(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let c = f(&[2, 3], &[1.0, 0.0, 2.0, 0.0, 1.0, 2.0]);
    assert_eq!(run(&op("MatMul"), &[&a, &c]), f(&[2, 3], &[1.0, 2.0, 6.0, 3.0, 4.0, 14.0]));
    let stack = f(&[2, 1, 2], &[1.0, 1.0, 0.0, 2.0]);
    assert_eq!(run(&op("MatMul"), &[&stack, &a]), f(&[2, 1, 2], &[4.0, 6.0, 6.0, 8.0]));
    assert!(try_run(&op("MatMul"), &[&c, &a]).is_err());
    let node = op("Gemm").with("transA", Attribute::Int(1)).with("alpha", Attribute::Float(2.0));
    let node = node.with("beta", Attribute::Float(0.5));
    let sum = run(&node, &[&a, &a, &f(&[2], &[2.0, 4.0])]);
    assert_eq!(sum, f(&[2, 2], &[21.0, 30.0, 29.0, 42.0]));
}

fn resized(node: &Node, x: &Array, sizes: &[i64]) -> Array {
    let sizes = i(&[sizes.len()], sizes);
    evaluate(node, &[Some(x), None, None, Some(&sizes)], 17).unwrap().expect("a known mode").remove(0)
}

#[test]
fn resizing() {
    let mode = |mode: &str| op("Resize").with("mode", Attribute::String(mode.into()));
    let x = f(&[1, 2], &[0.0, 4.0]);
    assert_eq!(resized(&mode("linear"), &x, &[1, 4]), f(&[1, 4], &[0.0, 1.0, 3.0, 4.0]));
    let corners =
        mode("linear").with("coordinate_transformation_mode", Attribute::String("align_corners".into()));
    assert_eq!(resized(&corners, &x, &[1, 5]), f(&[1, 5], &[0.0, 1.0, 2.0, 3.0, 4.0]));
    assert_eq!(resized(&mode("nearest"), &x, &[2, 4]), f(&[2, 4], &[0.0, 0.0, 4.0, 4.0, 0.0, 0.0, 4.0, 4.0]));
    // The example `resize_upsample_scales_cubic` of the ONNX specification, first row.
    let grid = f(&[1, 1, 4, 4], &(1..=16).map(|x| x as f32).collect::<Vec<_>>());
    let up = resized(&mode("cubic"), &grid, &[1, 1, 8, 8]);
    let row: [f64; 8] =
        [0.47265625, 0.76953125, 1.24609375, 1.875, 2.28125, 2.91015625, 3.38671875, 3.68359375];
    for (x, y) in up.f32s().unwrap().iter().zip(row) {
        assert!((f64::from(*x) - y).abs() < 1e-5, "{x} {y}");
    }
    let antialias = mode("cubic").with("antialias", Attribute::Int(1));
    let sizes = i(&[2], &[1, 1]);
    assert!(evaluate(&antialias, &[Some(&x), None, None, Some(&sizes)], 18).unwrap().is_none());
    assert!(evaluate(&mode("linear"), &[Some(&x), None, None, Some(&i(&[2], &[0, 1 << 40]))], 18).is_err());
}

#[test]
fn unknown_ops_are_left_alone() {
    assert!(evaluate(&op("Softmax"), &[], 17).unwrap().is_none());
    let mut foreign = op("Add");
    foreign.domain = "com.microsoft".into();
    assert!(evaluate(&foreign, &[], 17).unwrap().is_none());
}

const OPS: [&str; 40] = [
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Expand",
    "Tile",
    "Concat",
    "Gather",
    "Pad",
    "Trilu",
    "Slice",
    "Split",
    "ReduceSum",
    "ReduceMean",
    "MatMul",
    "Gemm",
    "Resize",
    "Add",
    "Div",
    "Mod",
    "Pow",
    "Where",
    "Equal",
    "And",
    "Min",
    "Cast",
    "CastLike",
    "Range",
    "ConstantOfShape",
    "Shape",
    "Size",
    "Erf",
    "Neg",
    "Not",
    "IsNaN",
    "Constant",
    "Identity",
    "ReduceMax",
    "Mul",
];

fn any_array() -> impl proptest::strategy::Strategy<Value = Array> {
    use proptest::prelude::*;
    let value = prop_oneof![-3_i64..6, Just(i64::MAX), Just(i64::MIN), Just(1 << 40)];
    (proptest::collection::vec(0_usize..4, 0..4), proptest::collection::vec(value, 64), 0..3).prop_map(
        |(shape, values, kind)| {
            let values = &values[..shape.iter().product()];
            let data: Data = match kind {
                0 => values.iter().map(|&x| x as f32).collect::<Vec<_>>().into(),
                1 => values.to_vec().into(),
                _ => values.iter().map(|&x| x > 0).collect::<Vec<_>>().into(),
            };
            Array::new(shape, data).unwrap()
        },
    )
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4096))]
    #[test]
    fn no_input_panics(
        name in proptest::sample::select(&OPS[..]),
        inputs in proptest::collection::vec(proptest::option::weighted(0.9, any_array()), 0..5),
        axis in -4_i64..4,
    ) {
        let node = op(name).with("axis", Attribute::Int(axis));
        let inputs: Vec<_> = inputs.iter().map(Option::as_ref).collect();
        if let Ok(Some(outputs)) = evaluate(&node, &inputs, 17) {
            for output in outputs {
                assert_eq!(elements(&output.shape), Some(output.len()));
            }
        }
    }
}

// Values of the examples in the documentation of ONNX, where it has some.
#[test]
fn indices_pick_elements_and_slices() {
    let x = i(&[2, 2], &[0, 1, 2, 3]);
    assert_eq!(run(&op("GatherND"), &[&x, &i(&[2, 2], &[0, 0, 1, 1])]), i(&[2], &[0, 3]));
    assert_eq!(run(&op("GatherND"), &[&x, &i(&[2, 1], &[1, 0])]), i(&[2, 2], &[2, 3, 0, 1]));
    let cube = iota(&[2, 2, 2]);
    assert_eq!(run(&op("GatherND"), &[&cube, &i(&[2, 2], &[0, 1, 1, 0])]), i(&[2, 2], &[2, 3, 4, 5]));
    let batched = op("GatherND").with("batch_dims", Attribute::Int(1));
    assert_eq!(run(&batched, &[&cube, &i(&[2, 1], &[1, 0])]), i(&[2, 2], &[2, 3, 4, 5]));
    assert!(try_run(&op("GatherND"), &[&x, &i(&[1, 2], &[0, 2])]).is_err());
    assert!(try_run(&op("GatherND"), &[&x, &i(&[1, 3], &[0, 0, 0])]).is_err());
    assert!(try_run(&op("GatherND"), &[&x, &Array::integer(0)]).is_err());
    let rows = op("GatherElements").with("axis", Attribute::Int(1));
    let table = i(&[2, 2], &[1, 2, 3, 4]);
    assert_eq!(run(&rows, &[&table, &i(&[2, 2], &[0, 0, 1, 0])]), i(&[2, 2], &[1, 1, 4, 3]));
    let tall = i(&[3, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let picks = i(&[2, 3], &[-1, -2, 0, -2, 0, 0]);
    assert_eq!(run(&op("GatherElements"), &[&tall, &picks]), i(&[2, 3], &[7, 5, 3, 4, 2, 3]));
    assert!(try_run(&op("GatherElements"), &[&tall, &iota(&[4, 4])]).is_err());
}

#[test]
fn indices_replace_elements_and_slices() {
    let x = f(&[8], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let (at, new) = (i(&[4, 1], &[4, 3, 1, 7]), f(&[4], &[9.0, 10.0, 11.0, 12.0]));
    let put = |reduction: &str| op("ScatterND").with("reduction", Attribute::String(reduction.into()));
    let of = |node: &Node| run(node, &[&x, &at, &new]).to_f32s();
    assert_eq!(of(&op("ScatterND")), [1.0, 11.0, 3.0, 10.0, 9.0, 6.0, 7.0, 12.0]);
    assert_eq!(of(&put("add")), [1.0, 13.0, 3.0, 14.0, 14.0, 6.0, 7.0, 20.0]);
    assert_eq!(of(&put("mul")), [1.0, 22.0, 3.0, 40.0, 45.0, 6.0, 7.0, 96.0]);
    assert_eq!(of(&put("max")), of(&op("ScatterND")));
    assert_eq!(of(&put("min")), x.to_f32s());
    assert!(try_run(&put("mean"), &[&x, &at, &new]).is_err());
    let rows = run(&op("ScatterND"), &[&iota(&[3, 2]), &i(&[1, 1], &[-1]), &i(&[1, 2], &[8, 9])]);
    assert_eq!(rows, i(&[3, 2], &[0, 1, 2, 3, 8, 9]));
    assert!(try_run(&op("ScatterND"), &[&x, &at, &f(&[3], &[0.0; 3])]).is_err());
    let line = f(&[1, 5], &[1.0, 2.0, 3.0, 4.0, 5.0]);
    let (at, new) = (i(&[1, 2], &[1, 3]), f(&[1, 2], &[1.1, 2.1]));
    let along = op("ScatterElements").with("axis", Attribute::Int(1));
    assert_eq!(run(&along, &[&line, &at, &new]).to_f32s(), [1.0, 1.1, 3.0, 2.1, 5.0]);
    let twice = along.with("reduction", Attribute::String("add".into()));
    assert_eq!(
        run(&twice, &[&line, &i(&[1, 2], &[1, 1]), &new]).to_f32s(),
        [1.0, 2.0 + 1.1 + 2.1, 3.0, 4.0, 5.0]
    );
}

#[test]
fn order_along_an_axis() {
    let x = f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let sum = |node: Node, axis: i64| run(&node, &[&x, &Array::integer(axis)]).to_f32s();
    assert_eq!(sum(op("CumSum"), 0), [1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
    assert_eq!(sum(op("CumSum"), -1), [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
    assert_eq!(sum(op("CumSum").with("exclusive", Attribute::Int(1)), 1), [0.0, 1.0, 3.0, 0.0, 4.0, 9.0]);
    let back = op("CumSum").with("reverse", Attribute::Int(1));
    assert_eq!(sum(back.clone(), 1), [6.0, 5.0, 3.0, 15.0, 11.0, 6.0]);
    assert_eq!(sum(back.with("exclusive", Attribute::Int(1)), 1), [5.0, 3.0, 0.0, 11.0, 6.0, 0.0]);
    let three = i(&[1], &[3]);
    let grid = iota(&[3, 4]);
    let best = |node: Node, x: &Array, k: &Array| {
        evaluate(&node, &[Some(x), Some(k)], 17).unwrap().expect("a known op")
    };
    let largest = best(op("TopK"), &grid, &three);
    assert_eq!(largest[0], i(&[3, 3], &[3, 2, 1, 7, 6, 5, 11, 10, 9]));
    assert_eq!(largest[1], i(&[3, 3], &[3, 2, 1, 3, 2, 1, 3, 2, 1]));
    let least = op("TopK").with("largest", Attribute::Int(0)).with("axis", Attribute::Int(0));
    assert_eq!(best(least, &grid, &i(&[1], &[1]))[0], i(&[1, 4], &[0, 1, 2, 3]));
    let equal = best(op("TopK"), &f(&[4], &[1.0, 2.0, 2.0, 0.0]), &i(&[1], &[2]));
    assert_eq!(equal[1], i(&[2], &[1, 2]));
    assert!(try_run(&op("TopK"), &[&grid, &i(&[1], &[5])]).is_err());
    let table = f(&[2, 2], &[2.0, 2.0, 3.0, 10.0]);
    let rows = op("ArgMax").with("axis", Attribute::Int(1));
    assert_eq!(run(&rows, &[&table]), i(&[2, 1], &[0, 1]));
    let last = rows.with("select_last_index", Attribute::Int(1)).with("keepdims", Attribute::Int(0));
    assert_eq!(run(&last, &[&table]), i(&[2], &[1, 1]));
    assert_eq!(run(&op("ArgMin"), &[&table]), i(&[1, 2], &[0, 0]));
    let places = run(&op("NonZero"), &[&b(&[2, 2], &[true, false, true, true])]);
    assert_eq!(places, i(&[2, 3], &[0, 1, 1, 0, 0, 1]));
}

#[test]
fn one_hot_limits_and_stored_integers() {
    let marks = run(&op("OneHot"), &[&i(&[3], &[0, -1, 4]), &Array::integer(3), &f(&[2], &[2.0, 5.0])]);
    assert_eq!(marks, f(&[3, 3], &[5.0, 2.0, 2.0, 2.0, 2.0, 5.0, 2.0, 2.0, 2.0]));
    let front = op("OneHot").with("axis", Attribute::Int(0));
    let marks = run(&front, &[&i(&[2], &[1, 0]), &i(&[1], &[2]), &i(&[2], &[0, 1])]);
    assert_eq!(marks, i(&[2, 2], &[0, 1, 1, 0]));
    let inside = [&f(&[3], &[-2.0, 0.5, 9.0]), &Array::scalar(-1.0), &Array::scalar(1.0)];
    assert_eq!(run(&op("Clip"), &inside).to_f32s(), [-1.0, 0.5, 1.0]);
    let below = [Some(&i(&[3], &[-2, 5, 9])), None, Some(&i(&[1], &[6]))];
    let clipped = evaluate(&op("Clip"), &below, 17).unwrap().unwrap();
    assert_eq!(clipped[0], i(&[3], &[-2, 5, 6]));
    let soft = run(&op("Softplus"), &[&f(&[2], &[0.0, 100.0])]).to_f32s();
    assert_eq!(soft, [std::f32::consts::LN_2, 100.0]);
    assert_eq!(run(&op("Softsign"), &[&f(&[2], &[-1.0, 3.0])]).to_f32s(), [-0.5, 0.75]);
    let stored = i(&[2, 2], &[0, 3, 128, 255]);
    let all = run(&op("DequantizeLinear"), &[&stored, &Array::scalar(2.0), &Array::integer(128)]);
    assert_eq!(all, f(&[2, 2], &[-256.0, -250.0, 0.0, 254.0]));
    let (scales, zeros) = (f(&[2], &[2.0, 4.0]), i(&[2], &[0, 128]));
    let columns = run(&op("DequantizeLinear"), &[&stored, &scales, &zeros]);
    assert_eq!(columns, f(&[2, 2], &[0.0, -500.0, 256.0, 508.0]));
    let rows = op("DequantizeLinear").with("axis", Attribute::Int(0));
    assert_eq!(run(&rows, &[&stored, &scales]), f(&[2, 2], &[0.0, 6.0, 512.0, 1020.0]));
    let blocks = op("DequantizeLinear").with("axis", Attribute::Int(1)).with("block_size", Attribute::Int(2));
    let four = i(&[2, 4], &[1, 2, 3, 4, 5, 6, 7, 8]);
    let scales = f(&[2, 2], &[1.0, 10.0, 100.0, 1000.0]);
    let expected = [1.0, 2.0, 30.0, 40.0, 500.0, 600.0, 7000.0, 8000.0];
    assert_eq!(run(&blocks, &[&four, &scales]), f(&[2, 4], &expected));
    assert!(try_run(&rows, &[&stored, &f(&[3], &[1.0; 3])]).is_err());
}
