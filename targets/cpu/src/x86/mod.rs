//! Kernels for x86-64.
//!
//! Products are written over [`Isa`](isa::Isa), which each instruction set implements, look-ups over
//! [`Lookup`](isa::Lookup), and epilogues over [`Requantize`](isa::Requantize); all else is safe code in
//! loops that the compiler turns into vectors. Both are inlined into the functions of a [`Compiled`],
//! which are compiled for its instructions, and a [`Set`] calls those where the CPU and the system offer
//! them. [`Amx`] is a [`Compiled`] of its own: its products are those of tiles.

mod amx;
mod attention;
mod avx2;
mod avx512;
#[macro_use]
mod compiled;
mod conv2d;
mod isa;
mod linear;
mod matmul;
mod peak;
mod set;
mod shiftmax;
mod source;

use amx::Amx;
use compiled::Compiled;
pub(crate) use peak::PEAKS;
use quant::KernelSet;
use set::Set;

use crate::Split;

/// The rows of this architecture, the fastest first.
pub(crate) const KERNEL_SETS: [KernelSet; 4] = [
    KernelSet::of::<Split<Set<Amx>>>(Amx::is_available),
    KernelSet::of::<Split<Set<Avx512Vnni>>>(Avx512Vnni::is_available),
    KernelSet::of::<Split<Set<AvxVnni>>>(AvxVnni::is_available),
    KernelSet::of::<Split<Set<Avx2>>>(Avx2::is_available),
];

compiled! {
    /// AVX-512 with VNNI and VBMI: Intel since Ice Lake, AMD since Zen 4.
    Avx512Vnni "avx512vnni",
    for "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi",
    where ["avx512f" "avx512bw" "avx512vl" "avx512vnni" "avx512vbmi"],
    linear: avx512::Avx512, 6 x 4,
    unsigned: avx512::Avx512, 6 x 4
}

compiled! {
    /// AVX2 with AVX-VNNI: Intel since Alder Lake, AMD since Zen 5.
    AvxVnni "avxvnni",
    for "avx2,avxvnni",
    where ["avx2" "avxvnni"],
    linear: avx2::AvxVnni, 6 x 1,
    unsigned: avx2::AvxVnni, 6 x 1
}

compiled! {
    /// AVX2: Intel since Haswell, AMD since Excavator.
    Avx2 "avx2",
    for "avx2",
    where ["avx2"],
    linear: avx2::Avx2, 4 x 1,
    unsigned: avx2::Avx2Unsigned, 4 x 1
}
