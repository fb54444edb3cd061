//! Products with constants and of two tensors.

use super::{Sketch, close, ints, ops};
use crate::model::{Array, Attribute, Output};
use crate::patterns::fuse;

#[test]
fn products_of_two_tensors_need_no_copies_in_attention() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let tokens = sketch.reshape("x", &[1, 3, 16]);
    let tokens = sketch.transpose(&tokens, &[0, 2, 1]);
    let weights = sketch.floats(&[3, 24]);
    let qkv = sketch.node("MatMul", &[&tokens, &weights], &[]);
    let qkv = sketch.reshape(&qkv, &[1, 16, 3, 2, 4]);
    let qkv = sketch.transpose(&qkv, &[2, 0, 3, 1, 4]);
    let pick = |sketch: &mut Sketch, at: i64| {
        let at = sketch.constant(Array::integer(at));
        sketch.node("Gather", &[&qkv, &at], &[("axis", Attribute::Int(0))])
    };
    let [q, k, v] = [0, 1, 2].map(|at| pick(&mut sketch, at));
    let k = sketch.transpose(&k, &[0, 1, 3, 2]);
    let scores = sketch.node("MatMul", &[&q, &k], &[]);
    let half = sketch.constant(Array::scalar(0.5));
    let scaled = sketch.node("Mul", &[&scores, &half], &[]);
    let mixed = sketch.node("MatMul", &[&scaled, &v], &[]);
    let mixed = sketch.transpose(&mixed, &[0, 2, 1, 3]);
    let mixed = sketch.reshape(&mixed, &[1, 16, 8]);
    let proj = sketch.floats(&[8, 5]);
    let out = sketch.node("MatMul", &[&mixed, &proj], &[]);
    sketch.check(&out);
    let graph = sketch.build(&out).unwrap();
    assert_eq!(ops(&graph), ["Pixels", "Linear", "MatMul", "MatMul", "Linear", "Permute"]);
}

#[test]
fn einsum_and_constants_on_the_left() {
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let out =
        sketch.node("Einsum", &["x", "x"], &[("equation", Attribute::String("bhid,bhjd->bhij".into()))]);
    let turned = sketch.transpose("x", &[0, 1, 3, 2]);
    let plain = sketch.node("MatMul", &["x", &turned], &[]);
    let mut truth = Sketch::new([1, 2, 3, 4]);
    let turned = truth.transpose("x", &[0, 1, 3, 2]);
    let product = truth.node("MatMul", &["x", &turned], &[]);
    close(&sketch.run(&out), &truth.truth(&product));
    close(&sketch.run(&plain), &truth.truth(&product));
    let left = sketch.floats(&[5, 3]);
    let values = sketch.model.constants[&left].clone();
    let out = sketch.node("MatMul", &[&left, "x"], &[]);
    let left = truth.constant(values);
    let product = truth.node("MatMul", &[&left, "x"], &[]);
    close(&sketch.run(&out), &truth.truth(&product));
}

#[test]
fn gemm_scales_and_transposes() {
    let mut sketch = Sketch::new([1, 1, 3, 4]);
    let rows = sketch.reshape("x", &[3, 4]);
    let (w, b) = (sketch.floats(&[5, 3]), sketch.floats(&[4, 5]));
    let out = sketch.node(
        "Gemm",
        &[&rows, &w, &b],
        &[
            ("transA", Attribute::Int(1)),
            ("transB", Attribute::Int(1)),
            ("alpha", Attribute::Float(0.5)),
            ("beta", Attribute::Float(2.0)),
        ],
    );
    sketch.check(&out);
}

#[test]
fn an_equation_of_one_operand_reorders_and_sums() {
    let einsum = |sketch: &mut Sketch, x: &str, text: &str| {
        sketch.node("Einsum", &[x], &[("equation", Attribute::String(text.into()))])
    };
    let mut sketch = Sketch::new([1, 3, 4, 6]);
    let cut = sketch.reshape("x", &[1, 3, 2, 2, 3, 2]);
    let out = einsum(&mut sketch, &cut, "nchpwq -> nhwpqc");
    let mut truth = Sketch::new([1, 3, 4, 6]);
    let cut = truth.reshape("x", &[1, 3, 2, 2, 3, 2]);
    let turned = truth.transpose(&cut, &[0, 2, 4, 3, 5, 1]);
    close(&sketch.run(&out), &truth.truth(&turned));
    let out = einsum(&mut sketch, "x", "nchw->wn");
    let sum = truth.node("ReduceSum", &["x"], &[("axes", ints(&[1, 2])), ("keepdims", Attribute::Int(0))]);
    let turned = truth.transpose(&sum, &[1, 0]);
    close(&sketch.run(&out), &truth.truth(&turned));
    for equation in ["nchw", "nccw->nw", "nchw->nchx", "nch->nch"] {
        let out = einsum(&mut sketch, "x", equation);
        let error = sketch.build(&out).unwrap_err().to_string();
        assert!(error.contains(equation), "{error}");
    }
}

#[test]
fn stacks_of_constant_matrices() {
    // Batches of both, of the constant alone, of the image alone.
    for (weights, left) in [
        (&[1, 3, 6, 5][..], &[1, 3, 2, 4][..]),
        (&[3, 6, 1], &[3, 1, 4]),
        (&[2, 1, 6, 5], &[2, 1, 2, 4]),
        (&[2, 3, 6, 5], &[2, 3, 2, 4]),
    ] {
        let mut sketch = Sketch::new([1, 3, 4, 6]);
        let (w, a) = (sketch.floats(weights), sketch.floats(left));
        let right = sketch.node("MatMul", &["x", &w], &[]);
        sketch.check(&right);
        let out = sketch.node("MatMul", &[&a, &right], &[]);
        sketch.check(&out);
    }
    let mut sketch = Sketch::new([1, 3, 4, 6]);
    let w = sketch.floats(&[3, 6, 5]);
    let product = sketch.node("MatMul", &["x", &w], &[]);
    let turned = sketch.transpose(&product, &[0, 2, 1, 3]);
    let expected = sketch.truth(&turned);
    let einsum =
        sketch.node("Einsum", &["x", &w], &[("equation", Attribute::String("bhnd,hde->bnhe".into()))]);
    close(&sketch.run(&einsum), &expected);
    let w = sketch.floats(&[2, 6, 5]);
    let out = sketch.node("MatMul", &["x", &w], &[]);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("have no product"));
}

#[test]
fn sums_over_too_many_inputs_name_the_limit() {
    let mut sketch = Sketch::new([1, 3, 160, 160]);
    let row = sketch.reshape("x", &[1, -1]);
    let weights = sketch.floats(&[76_800, 2]);
    let product = sketch.node("MatMul", &[&row, &weights], &[]);
    let said = sketch.build(&product).unwrap_err().to_string();
    assert!(said.contains("a sum over 76800 inputs, at most 65536"), "{said}");
}

/// What ONNX Runtime's `MultiHeadAttention` of two heads makes of queries, keys and values that lie
/// in `x` as image, row, head, operand, channel.
fn attended(operands: impl Fn(&mut Sketch, &str) -> Vec<String>) -> Vec<f32> {
    let mut sketch = Sketch::new([1, 3, 5, 8]);
    let packed = sketch.reshape("x", &[1, 5, 2, 3, 4]);
    let packed = sketch.node("Mul", &[&packed, &packed], &[]);
    let inputs = operands(&mut sketch, &packed);
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let out = sketch.node("MultiHeadAttention", &inputs, &[("num_heads", Attribute::Int(2))]);
    sketch.model.nodes.last_mut().unwrap().domain = "com.microsoft".into();
    sketch.model.outputs = vec![Output { name: out.clone(), shape: Vec::new() }];
    fuse(&mut sketch.model).unwrap();
    sketch.run(&out)
}

/// Parts of the fourth axis.
fn parts(sketch: &mut Sketch, x: &str, start: i64, end: i64) -> String {
    let [start, end, axis] = [start, end, 3].map(|value| sketch.ints(&[value]));
    sketch.node("Slice", &[x, &start, &end, &axis], &[])
}

/// One operand, its heads side by side.
fn beside(sketch: &mut Sketch, x: &str, at: i64) -> String {
    let one = parts(sketch, x, at, at + 1);
    sketch.reshape(&one, &[1, 5, 8])
}

#[test]
fn packed_attention_is_that_of_its_parts() {
    let apart = attended(|sketch, x| [0, 1, 2].map(|at| beside(sketch, x, at)).to_vec());
    close(&attended(|_, x| vec![x.to_string()]), &apart);
    let pair = |sketch: &mut Sketch, x: &str| vec![beside(sketch, x, 0), parts(sketch, x, 1, 3)];
    close(&attended(pair), &apart);
    let by_head = |sketch: &mut Sketch, x: &str| {
        let [k, v] = [1, 2].map(|at| {
            let one = parts(sketch, x, at, at + 1);
            let heads = sketch.reshape(&one, &[1, 5, 2, 4]);
            sketch.transpose(&heads, &[0, 2, 1, 3])
        });
        vec![beside(sketch, x, 0), k, v]
    };
    close(&attended(by_head), &apart);
}
