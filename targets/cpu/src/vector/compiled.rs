//! What is compiled for one instruction set.

use quant::Fault;
use quant::ops::{self, LinearArgs, LinearOut};

use crate::portable::{binary_ops, loops, row_norms};

use super::source::Source;

/// Calls a macro with the methods of [`Kernels`](quant::Kernels) that instructions are written for, as
/// [`loops`] does with others.
macro_rules! own {
    ($callback:ident) => {
        $callback! {
            conv2d(args: &ops::Conv2dArgs<'_>, x: &[i8], out: ops::LinearOut<'_>);
            matmul(args: &ops::MatMulArgs, a: ops::Tensor<'_>, b: &[i8], out: &mut ops::TensorMut<'_>);
            attention(args: ops::AttentionArgs<'_>);
            shiftmax(args: &ops::ShiftmaxArgs<'_>, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
            shift_gelu(args: &ops::ShiftGeluArgs<'_>, x: &mut [i8]);
            table(table: &[i8; 256], x: &mut [i8]);
        }
    };
}

/// Methods of [`Kernels`](quant::Kernels) as functions of [`Compiled`].
macro_rules! declared {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        /// The method of this name.
        ///
        /// # Safety
        ///
        /// As the trait says.
        unsafe fn $name($($arg: $type),*) -> Result<(), Fault>;
    )*};
}

/// The portable loops, compiled for `features`: what they are made of is inlined into them.
#[cfg(not(any(target_arch = "aarch64", target_arch = "wasm32")))]
macro_rules! compiled_loops {
    ($features:literal $($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        #[target_feature(enable = $features)]
        unsafe fn $name($($arg: $type),*) -> Result<(), Fault> {
            portable::$name($($arg),*)
        }
    )*};
}

/// The portable loops, which are compiled for NEON, as all of AArch64 is, or for the vectors of
/// WebAssembly, as the whole program is.
#[cfg(any(target_arch = "aarch64", target_arch = "wasm32"))]
macro_rules! compiled_loops {
    ($features:literal $($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        unsafe fn $name($($arg: $type),*) -> Result<(), Fault> {
            quant::Kernels::$name(&mut crate::Portable, $($arg),*)
        }
    )*};
}

/// Norms of rows as a set has them.
#[cfg(target_arch = "x86_64")]
macro_rules! compiled_norms {
    ($features:literal $set:ty) => {
        #[target_feature(enable = $features)]
        unsafe fn layer_norm(
            args: &ops::LayerNormArgs<'_>,
            x: &[i16],
            out: &mut ops::TensorMut<'_>,
        ) -> Result<(), Fault> {
            // SAFETY: this function is compiled for the instructions.
            unsafe { <$set as Norms>::layer_norm(args, x, out) }
        }

        #[target_feature(enable = $features)]
        unsafe fn rms_norm(
            args: &ops::LayerNormArgs<'_>,
            x: &[i16],
            out: &mut ops::TensorMut<'_>,
        ) -> Result<(), Fault> {
            // SAFETY: this function is compiled for the instructions.
            unsafe { <$set as Norms>::rms_norm(args, x, out) }
        }

        #[target_feature(enable = $features)]
        unsafe fn add(args: &ops::AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
            // SAFETY: this function is compiled for the instructions.
            unsafe { <$set as Norms>::add(args, x, y) }
        }

        #[target_feature(enable = $features)]
        unsafe fn quantize_image(tables: &[i8], channels: usize, x: &mut [u8]) -> Result<(), Fault> {
            // SAFETY: this function is compiled for the instructions.
            unsafe { <$set as Norms>::quantize_image(tables, channels, x) }
        }
    };
}

/// Norms of rows are the portable loops.
#[cfg(not(target_arch = "x86_64"))]
macro_rules! compiled_norms {
    ($features:literal $set:ty) => {
        row_norms!(compiled_loops $features);
    };
}

/// Binary layers and attention over the counts and the products of a set.
macro_rules! compiled_binary {
    (
        $features:literal
        $linear:ty, $rows:literal x $panels:literal,
        $unsigned:ty, $queries:literal x $blocks:literal
    ) => {
        #[target_feature(enable = $features)]
        unsafe fn binary_linear_sign(
            args: &ops::BinaryLinearArgs<'_>,
            x: &[u32],
            out: ops::BinaryLinearOut<'_>,
        ) -> Result<(), Fault> {
            // SAFETY: this function is compiled for the instructions.
            unsafe { binary::signs::<$linear, $panels, { $panels * LANES }>(args, x, out) }
        }

        #[target_feature(enable = $features)]
        unsafe fn binary_linear_ternary(
            args: &ops::BinaryLinearArgs<'_>,
            sign: &[u32],
            nonzero: &[u32],
            out: ops::BinaryLinearOut<'_>,
        ) -> Result<(), Fault> {
            // SAFETY: this function is compiled for the instructions.
            unsafe { binary::ternary::<$linear, $panels, { $panels * LANES }>(args, sign, nonzero, out) }
        }

        #[target_feature(enable = $features)]
        unsafe fn binary_linear_i8(
            args: &ops::BinaryLinearArgs<'_>,
            x: &[i8],
            out: ops::BinaryLinearOut<'_>,
        ) -> Result<(), Fault> {
            // SAFETY: this function is compiled for the instructions.
            unsafe { binary::bytes::<$linear, $rows, $panels, { $panels * LANES }>(args, x, out) }
        }

        #[target_feature(enable = $features)]
        unsafe fn binary_linear_i16(
            args: &ops::BinaryLinearArgs<'_>,
            x: &[i16],
            out: ops::BinaryLinearOut<'_>,
        ) -> Result<(), Fault> {
            // SAFETY: this function is compiled for the instructions.
            unsafe { binary::words::<$unsigned, $queries, $blocks, { $blocks * LANES }>(args, x, out) }
        }

        #[target_feature(enable = $features)]
        unsafe fn binary_attention(args: ops::BinaryAttentionArgs<'_>) -> Result<(), Fault> {
            // SAFETY: this function is compiled for the instructions.
            unsafe { binary::attention::<$linear>(args) }
        }
    };
}

/// Kernels that are compiled for one instruction set.
///
/// # Safety
///
/// [`is_available`](Self::is_available) says whether the CPU and the system offer every instruction
/// that the functions are compiled for. They may be called only where it does.
pub(super) unsafe trait Compiled: Copy + Default {
    /// Its name on the command line.
    const NAME: &'static str;

    /// Whether the CPU and the system offer the instructions.
    fn is_available() -> bool;

    /// Rows of `source` by the weights of `args`, which are panels, as many as `out` takes.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn linear(args: &LinearArgs<'_>, source: &impl Source, out: LinearOut<'_>) -> Result<(), Fault>;

    /// Rows of int16 in memory by the weights of `args`, which are panels, as many as `out` takes.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn linear_i16(args: &LinearArgs<'_>, x: &[i16], out: LinearOut<'_>) -> Result<(), Fault>;

    own!(declared);
    loops!(declared);
    row_norms!(declared);
    binary_ops!(declared);
}

/// A [`Compiled`]: its name, the instructions as the compiler and as the detection take them, and its
/// products for linear layers and for unsigned activations, which attention and int16 have, with the
/// rows and panels of their tiles.
macro_rules! compiled {
    (
        $(#[$doc:meta])*
        $set:ident $name:literal,
        for $features:literal,
        where [$($feature:tt)+],
        linear: $linear:ty, $rows:literal x $panels:literal,
        unsigned: $unsigned:ty, $queries:literal x $blocks:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        struct $set;

        const _: () = {
            use quant::Fault;
            use quant::ops::{self, LinearArgs, LinearOut};

            #[cfg(not(target_arch = "x86_64"))]
            use crate::portable::row_norms;
            use crate::portable::{self, loops};
            use crate::vector::binary;
            use crate::vector::isa::{Isa, LANES, Lookup};
            use crate::vector::conv2d::conv2d;
            #[cfg(target_arch = "x86_64")]
            use crate::vector::x86::norms::Norms;
            use crate::vector::linear::linear;
            use crate::vector::matmul::matmul;
            use crate::vector::shiftmax::shiftmax;
            use crate::vector::source::{Bytes, Source, Words};
            use crate::vector::attention::{MAX_HEAD_DIM, attention};

            /// Attention as the set has it for itself. It and [`packed_attention`] are not inlined, so that none
            /// takes the other's room on the stack.
            ///
            /// # Safety
            ///
            /// As [`Compiled`] says.
            #[inline(never)]
            #[target_feature(enable = $features)]
            unsafe fn own_attention(args: &mut ops::AttentionArgs<'_>) -> Result<bool, Fault> {
                // SAFETY: this function is compiled for the instructions.
                unsafe { <$linear as Isa>::attention(args) }
            }

            /// Attention over panels.
            ///
            /// # Safety
            ///
            /// As [`Compiled`] says.
            #[inline(never)]
            #[target_feature(enable = $features)]
            unsafe fn packed_attention(args: ops::AttentionArgs<'_>) -> Result<(), Fault> {
                // SAFETY: this function is compiled for the instructions.
                unsafe { attention::<$unsigned, $queries, $blocks, { $blocks * LANES }>(args) }
            }

            // SAFETY: every instruction that the functions are compiled for is looked for.
            unsafe impl Compiled for $set {
                const NAME: &'static str = $name;

                fn is_available() -> bool {
                    $(is_detected!($feature))&&+
                }

                #[target_feature(enable = $features)]
                unsafe fn linear(
                    args: &LinearArgs<'_>,
                    source: &impl Source,
                    out: LinearOut<'_>,
                ) -> Result<(), Fault> {
                    let (rows, input) = (out.len().checked_div(args.weights.n).unwrap_or(0), Bytes(source));
                    // SAFETY: this function is compiled for the instructions.
                    unsafe { linear::<$linear, $rows, $panels, { $panels * LANES }>(args, &input, rows, out) }
                }

                #[target_feature(enable = $features)]
                unsafe fn linear_i16(
                    args: &LinearArgs<'_>,
                    x: &[i16],
                    out: LinearOut<'_>,
                ) -> Result<(), Fault> {
                    let rows = out.len().checked_div(args.weights.n).unwrap_or(0);
                    let input = Words { x, stride: args.weights.k };
                    // SAFETY: this function is compiled for the instructions.
                    unsafe { linear::<$unsigned, $queries, $blocks, { $blocks * LANES }>(args, &input, rows, out) }
                }

                #[target_feature(enable = $features)]
                unsafe fn conv2d(args: &ops::Conv2dArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
                    // SAFETY: this function is compiled for the instructions.
                    unsafe { conv2d::<$linear, $rows, $panels, { $panels * LANES }>(args, x, out) }
                }

                #[target_feature(enable = $features)]
                unsafe fn matmul(
                    args: &ops::MatMulArgs,
                    a: ops::Tensor<'_>,
                    b: &[i8],
                    out: &mut ops::TensorMut<'_>,
                ) -> Result<(), Fault> {
                    // SAFETY: this function is compiled for the instructions.
                    unsafe { matmul::<$unsigned, $queries, $blocks, { $blocks * LANES }>(args, a, b, out) }
                }

                #[target_feature(enable = $features)]
                unsafe fn attention(mut args: ops::AttentionArgs<'_>) -> Result<(), Fault> {
                    // SAFETY: this function is compiled for the instructions.
                    if unsafe { own_attention(&mut args)? } {
                        return Ok(());
                    }
                    if args.head_dim > MAX_HEAD_DIM {
                        return portable::attention::attention(args);
                    }
                    // SAFETY: this function is compiled for the instructions.
                    unsafe { packed_attention(args) }
                }

                #[target_feature(enable = $features)]
                unsafe fn table(table: &[i8; 256], x: &mut [i8]) -> Result<(), Fault> {
                    // SAFETY: this function is compiled for the instructions.
                    unsafe { <$linear as Lookup>::table(table, x) };
                    Ok(())
                }

                #[target_feature(enable = $features)]
                unsafe fn shift_gelu(args: &ops::ShiftGeluArgs<'_>, x: &mut [i8]) -> Result<(), Fault> {
                    portable::shift_gelu::shift_gelu(args, x, |table, x| {
                        // SAFETY: this function is compiled for the instructions.
                        unsafe { <$linear as Lookup>::table(table, x) }
                    })
                }

                #[target_feature(enable = $features)]
                unsafe fn shiftmax(
                    args: &ops::ShiftmaxArgs<'_>,
                    x: ops::Tensor<'_>,
                    out: &mut ops::TensorMut<'_>,
                ) -> Result<(), Fault> {
                    match (args.exp, x) {
                        (ops::ExponentialRef::Table(exp), ops::Tensor::I8(x)) => {
                            // SAFETY: this function is compiled for the instructions.
                            unsafe { shiftmax::<$linear>(args.width, exp, x, out) }
                        }
                        (_, x) => portable::shiftmax::shiftmax(args, x, out),
                    }
                }

                loops!(compiled_loops $features);
                compiled_norms!($features $linear);
                compiled_binary!($features $linear, $rows x $panels, $unsigned, $queries x $blocks);
            }
        };
    };
}
