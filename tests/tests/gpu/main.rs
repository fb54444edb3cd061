//! The GPU against the reference: every op, and whole models. Without a GPU the system's
//! software rasterizer takes its place (Mesa's lavapipe).

mod attention;
mod binary;
mod futures;
mod models;
mod norm;
mod products;
mod skewed;
mod translation;
mod tuning;

use std::sync::OnceLock;

use quant::op::OpKind;
use shiftformer::Gpu;
use shiftformer_tests::backend;

/// One device for all tests: kernels are compiled once.
fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| Gpu::open(None).expect("a GPU, or Mesa's lavapipe: `cargo xtask prepare` installs it"))
}

macro_rules! every_op {
    ($($op:ident),* $(,)?) => {
        #[allow(non_snake_case)]
        mod op {
            use super::{OpKind, backend, gpu};
            $(
                /// With tiles drawn at random for each shape.
                #[test]
                fn $op() {
                    backend::check_op(&gpu().clone().with_any_tiles(OpKind::$op as u64), OpKind::$op, 16);
                }
            )*
        }
    };
}
quant::ops!(every_op);
