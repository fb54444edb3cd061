use proptest::prelude::*;
use quant::Op;
use quant::mem::DType;
use quant::ops::{Destination, Linear, MAX_K};
use quant::pack::Pack;

use super::{Generated, size};
use crate::case::{Builder, Case, Epilogue};
use crate::source::Source;

/// Dimensions of a dense layer.
#[derive(Clone, Copy, Debug)]
pub struct LinearShape {
    /// Rows.
    pub rows: u32,
    /// Output channels.
    pub n: u32,
    /// Inputs.
    pub k: u32,
    /// Whether activations are int16.
    pub wide: bool,
}

impl LinearShape {
    /// A layer of this shape that writes to `out`.
    pub fn op(self, b: &mut Builder, s: &mut Source, out: Destination) -> Linear {
        let Self { rows, n, k, wide } = self;
        Linear {
            rows,
            k,
            n,
            x: b.act(s, if wide { DType::I16 } else { DType::I8 }, rows * k),
            weights: b.blob(&s.weights(n * k)),
            pack: Pack::RowMajor,
            requant: b.per_channel(s, n),
            out,
        }
    }
}

/// Ragged, long and deep layers, and some that are all of it a little.
pub fn linear_shape() -> BoxedStrategy<LinearShape> {
    let deepest = prop_oneof![Just(MAX_K), Just(MAX_K - 1)];
    let dims = prop_oneof![
        10 => (size(), size(), size()),
        1 => (1u32..=2, 1u32..=2, deepest),
        1 => (150u32..300, 1u32..3, 1u32..9),
        1 => (66u32..80, 30u32..70, 445u32..460),
    ];
    (dims, any::<bool>()).prop_map(|((rows, n, k), wide)| LinearShape { rows, n, k, wide }).boxed()
}

impl Generated for Linear {
    fn cases() -> BoxedStrategy<Case> {
        let epilogue = prop::sample::select(&Epilogue::ALL[..]);
        let make = |(shape, epilogue, seed): (LinearShape, Epilogue, u64)| {
            Case::one_op(format!("{shape:?} {epilogue:?} seed {seed}"), move |b| {
                let mut s = Source::new(seed);
                let out = b.destination(&mut s, epilogue, shape.rows * shape.n);
                Op::Linear(shape.op(b, &mut s, out))
            })
        };
        (linear_shape(), epilogue, any::<u64>()).prop_map(make).boxed()
    }
}
