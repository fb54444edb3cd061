//! Attentions as models have them, and those for which the shader has another variant.

use quant::Op;
use quant::ops::Attention;
use shiftformer::Gpu;
use shiftformer_tests::backend::check_case;
use shiftformer_tests::case::Case;
use shiftformer_tests::ops::AttentionShape;
use shiftformer_tests::source::Source;

use super::{gpu, products};

/// Compares some programs of `queries`, `keys`, `heads` and `head_dim`.
fn check([queries, keys, heads, head_dim]: [u32; 4]) {
    for seed in 0..3 {
        let packed = seed % 2 == 0;
        let shape = AttentionShape { queries, keys, heads, head_dim, gap: 0, score_rows: 1, packed };
        let case = Case::one_op(format!("{shape:?} seed {seed}"), move |b| {
            let out = b.out(queries * shape.width());
            Op::Attention(shape.op(b, &mut Source::new(seed), out))
        });
        check_case(gpu(), &case);
    }
}

#[test]
fn of_common_models() {
    check([197, 197, 2, 64]);
    check([49, 49, 3, 32]);
    check([40, 257, 2, 80]);
    check([33, 577, 2, 64]);
}

/// Many workgroups take another variant than few, and those with little memory another still.
#[test]
fn of_many_frames() {
    let little = gpu().clone().with_workgroup_bytes(16 << 10);
    for gpu in [gpu(), &little] {
        for (queries, keys, heads, head_dim) in [(70, 197, 3, 64), (40, 577, 2, 64), (33, 1025, 1, 32)] {
            let shape =
                AttentionShape { queries, keys, heads, head_dim, gap: 0, score_rows: 1, packed: false };
            products::check(gpu, &format!("{shape:?}"), &[1, 65], move |b| {
                let out = b.out(queries * shape.width());
                Op::Attention(shape.op(b, &mut Source::new(1), out))
            });
        }
    }
}

/// Every way to take cooperative matrices of every shape that the adapter lists, with all the memory
/// that there is and with little.
fn forms() -> Vec<(Gpu, u32)> {
    let shapes = &gpu().adapter().matrices;
    if shapes.is_empty() {
        println!("{} lists no cooperative matrices of int8: attention is not tested", gpu().adapter().name);
    }
    let mut all = Vec::new();
    for &shape in shapes {
        for bytes in [u32::MAX, 16 << 10] {
            let gpu = gpu().clone().with_matrices(Some(shape)).with_workgroup_bytes(bytes);
            let forms = gpu.attention_tiles();
            println!("{shape:?}, {bytes} bytes: {forms:?}");
            all.extend(forms.into_iter().map(|form| (gpu.clone().with_tile(form), bytes)));
        }
    }
    all
}

/// Heads of every number of matrices, turns of every kind, ragged queries and keys, and all ways in
/// which rows lie.
#[test]
fn of_matrices() {
    let shapes = [
        ([70, 197, 3, 64], 0, true),
        ([33, 64, 2, 32], 0, false),
        ([1, 3, 1, 16], 0, false),
        ([17, 100, 2, 48], 4, true),
        ([40, 257, 2, 80], 4, false),
        ([35, 513, 1, 64], 0, true),
        ([20, 577, 2, 64], 0, false),
        ([9, 130, 1, 256], 0, true),
        ([67, 1025, 1, 16], 0, false),
        ([18, 2500, 1, 64], 3, false),
    ];
    for (gpu, bytes) in forms() {
        let mut taken = 0;
        for (at, ([queries, keys, heads, head_dim], gap, packed)) in shapes.into_iter().enumerate() {
            let shape = AttentionShape { queries, keys, heads, head_dim, gap, score_rows: 1, packed };
            let counts: &[usize] = if keys < 1000 { &[1, 9] } else { &[2] };
            let kernels = products::check(&gpu, &format!("{shape:?}"), counts, move |b| {
                let out = b.out(queries * shape.width());
                let source = &mut Source::new(at as u64);
                let op = shape.op(b, source, out);
                let scales = at % 2 == 0;
                let mut of = |own| if scales { b.channels_from_scales(source, heads) } else { own };
                let (score, requant) = (of(op.score), of(op.requant));
                Op::Attention(Attention { score, requant, ..op })
            });
            taken += u32::from(kernels == "wgsl+matrices");
        }
        println!("{taken} of {} shapes took matrices", shapes.len());
        assert!(taken == shapes.len() as u32 || (bytes == 16 << 10 && taken > 0));
    }
}

/// Too many keys for their scores to be kept, of few and of many queries.
#[test]
fn of_many_keys() {
    check([40, 1025, 1, 64]);
    check([3, 5000, 1, 32]);
}

/// Heads of which queries do not find room at once, and of which results take several turns.
#[test]
fn of_wide_heads() {
    check([17, 65, 1, 256]);
    check([33, 700, 1, 132]);
    check([2, 3, 1, 1 << 13]);
}

/// Heads that begin within a word.
#[test]
fn of_ragged_heads() {
    check([35, 70, 3, 33]);
    check([2, 700, 3, 66]);
}
