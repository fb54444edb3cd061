//! The kernel set of what is compiled for an instruction set.

use quant::ops::{self, LinearArgs, LinearOut};
use quant::pack::{Pack, Packs};
use quant::{Fault, Kernels};

use super::compiled::Compiled;
use super::source::Dense;
use crate::Portable;
use crate::portable::{binary_ops, loops, row_norms};

/// Methods by what is compiled for the instructions of `C`, where they are available.
macro_rules! methods {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $name(&mut self, $($arg: $type),*) -> Result<(), Fault> {
            if !C::is_available() {
                return Portable.$name($($arg),*);
            }
            // SAFETY: it is available.
            unsafe { C::$name($($arg),*) }
        }
    )*};
}

/// The kernels of `C` where the CPU and the system offer its instructions, and the portable ones
/// for all else.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Set<C>(C);

impl<C: Compiled> Kernels for Set<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn preferred_packs(&self) -> Packs {
        Portable.preferred_packs()
    }

    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        if args.weights.pack != Pack::Panel16x4 || !C::is_available() {
            return Portable.linear_i8(args, x, out);
        }
        // SAFETY: it is available.
        unsafe { C::linear(args, &Dense { x, stride: args.weights.k }, out) }
    }

    fn linear_i16(&mut self, args: &LinearArgs<'_>, x: &[i16], out: LinearOut<'_>) -> Result<(), Fault> {
        if args.weights.pack != Pack::Panel16x4 || !C::is_available() {
            return Portable.linear_i16(args, x, out);
        }
        // SAFETY: it is available.
        unsafe { C::linear_i16(args, x, out) }
    }

    own!(methods);
    loops!(methods);
    row_norms!(methods);
    binary_ops!(methods);
}
