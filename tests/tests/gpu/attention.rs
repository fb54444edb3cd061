//! Attentions as models have them, and those for which the shader has another variant.

use quant::Op;
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
