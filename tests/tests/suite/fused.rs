//! A fused instruction equals the instructions it stands for.

use program::write;
use proptest::prelude::*;
use quant::Op;
use quant::mem::Slot;
use quant::ops::{Act, Add, Addend, Destination, Exponential, Linear, MatMul, Residual, Shiftmax, Table};
use shiftformer_tests::case::{Builder, multiplier};
use shiftformer_tests::kernels::kernel_sets;
use shiftformer_tests::ops::{AttentionShape, LinearShape, attention_shape, linear_shape};
use shiftformer_tests::source::Source;
use shiftformer_tests::{config, run};

/// The last output of the program that `make` builds, with every kernel set.
fn results(make: impl Fn(&mut Builder)) -> Vec<Vec<i32>> {
    let mut builder = Builder::default();
    make(&mut builder);
    let program = builder.finish();
    let file = write(&program.container).expect("a sound program");
    let result = |kernels: &'static quant::KernelSet| {
        run::trace(&file, &program.inputs, kernels, 0x3c).outputs.pop().expect("an output")
    };
    kernel_sets().map(result).collect()
}

fn table(b: &mut Builder, shape: LinearShape, seed: u64, fused: bool) {
    let s = &mut Source::new(seed);
    let table = b.blob(&s.values::<i8>(256));
    let out: Slot<i8> = b.out(shape.rows * shape.n);
    let linear = shape.op(b, s, Destination::I8 { out, table: fused.then_some(table) });
    b.push(Op::Linear(linear));
    if !fused {
        b.push(Op::Table(Table { rows: shape.rows, width: shape.n, x: out, table }));
    }
}

fn residual(b: &mut Builder, shape: LinearShape, seed: u64, fused: bool) {
    let s = &mut Source::new(seed);
    let len = shape.rows * shape.n;
    let (branch, stream) = (multiplier(s), multiplier(s));
    let x = b.updated_values::<i16>(s, len);
    let y = b.slot::<i16>(len);
    let to_branch = Destination::I16 { out: y, residual: None };
    let linear = shape.op(b, s, to_branch);
    if fused {
        let out = Destination::I16 { out: x, residual: Some(Residual { branch, stream }) };
        b.push(Op::Linear(Linear { out, ..linear }));
    } else {
        b.push(Op::Linear(linear));
        let (rows, width) = (shape.rows, shape.n);
        let add = Add { rows, width, x, x_scale: stream, y: Addend::Slot(y), y_scale: branch };
        b.push(Op::Add(add));
    }
}

fn attention(b: &mut Builder, shape: AttentionShape, seed: u64, fused: bool) {
    let AttentionShape { queries, keys, heads, head_dim, .. } = shape;
    let out: Slot<i8> = b.out(queries * shape.width());
    let op = shape.op(b, &mut Source::new(seed), out);
    if fused {
        return b.push(Op::Attention(op));
    }
    let scores: Slot<i8> = b.slot(heads * queries * keys);
    let probabilities: Slot<i16> = b.slot(heads * queries * keys);
    b.push(Op::MatMul(MatMul {
        batch: heads,
        m: queries,
        n: keys,
        k: head_dim,
        a: Act::I8(op.q),
        a_batch: head_dim,
        a_row: op.q_stride,
        b: op.k,
        b_batch: head_dim,
        b_row: op.kv_stride,
        transpose_b: true,
        out: Act::I8(scores),
        out_batch: queries * keys,
        out_row: keys,
        requant: op.score,
    }));
    b.push(Op::Shiftmax(Shiftmax {
        rows: heads * queries,
        width: keys,
        x: Act::I8(scores),
        exp: Exponential::Table(op.exp),
        out: Act::I16(probabilities),
    }));
    b.push(Op::MatMul(MatMul {
        batch: heads,
        m: queries,
        n: head_dim,
        k: keys,
        a: Act::I16(probabilities),
        a_batch: queries * keys,
        a_row: keys,
        b: op.v,
        b_batch: head_dim,
        b_row: op.kv_stride,
        transpose_b: false,
        out: Act::I8(out),
        out_batch: head_dim,
        out_row: shape.width(),
        requant: op.requant,
    }));
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn linear_with_a_table(shape in linear_shape(), seed in any::<u64>()) {
        let [fused, apart] = [true, false].map(|fused| results(|b| table(b, shape, seed, fused)));
        prop_assert_eq!(&fused, &apart);
        prop_assert!(fused.iter().all(|f| f == &fused[0]));
    }

    #[test]
    fn linear_with_a_residual(shape in linear_shape(), seed in any::<u64>()) {
        let [fused, apart] = [true, false].map(|fused| results(|b| residual(b, shape, seed, fused)));
        prop_assert_eq!(&fused, &apart);
        prop_assert!(fused.iter().all(|f| f == &fused[0]));
    }

    #[test]
    fn attention_and_its_three_parts(shape in attention_shape(), seed in any::<u64>()) {
        let [fused, apart] = [true, false].map(|fused| results(|b| attention(b, shape, seed, fused)));
        prop_assert_eq!(&fused, &apart);
        prop_assert!(fused.iter().all(|f| f == &fused[0]));
    }
}
