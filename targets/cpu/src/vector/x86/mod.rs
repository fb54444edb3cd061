//! Kernels for x86-64.
//!
//! [`Amx`] is a [`Compiled`] of its own: its products are those of tiles.
//!
//! A call takes at most 96 KiB of the stack, on an optimised build: threads of apps have 512 KiB at times, and
//! those of musl 128 KiB.

mod amx;
mod avx2;
mod avx512;
#[cfg(test)]
mod convolutions;
mod count;
pub(super) mod norms;
mod peak;
mod room;
mod taps;
#[cfg(test)]
mod tests;
mod words;

use std::is_x86_feature_detected as is_detected;

use amx::Amx;
pub(crate) use peak::PEAKS;
use quant::KernelSet;

use crate::Split;
use crate::vector::compiled::Compiled;
use crate::vector::set::Set;

/// The rows of this architecture, the fastest first.
pub(crate) const KERNEL_SETS: [KernelSet; 4] = [
    KernelSet::of::<Split<Set<Amx>>>(Amx::is_available),
    KernelSet::of::<Split<Set<Avx512Vnni>>>(Avx512Vnni::is_available),
    KernelSet::of::<Split<Set<AvxVnni>>>(AvxVnni::is_available),
    KernelSet::of::<Split<Set<Avx2>>>(Avx2::is_available),
];

compiled! {
    /// AVX-512 with VNNI, VBMI and VPOPCNTDQ, which come together: Intel since Ice Lake, AMD since Zen 4.
    Avx512Vnni "avx512vnni",
    for "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi,avx512vpopcntdq,popcnt",
    where ["avx512f" "avx512bw" "avx512vl" "avx512vnni" "avx512vbmi" "avx512vpopcntdq" "popcnt"],
    linear: avx512::Avx512, 6 x 4,
    unsigned: avx512::Avx512, 6 x 2
}

compiled! {
    /// AVX2 with AVX-VNNI: Intel since Alder Lake, AMD since Zen 5.
    AvxVnni "avxvnni",
    for "avx2,popcnt,avxvnni",
    where ["avx2" "popcnt" "avxvnni"],
    linear: avx2::AvxVnni, 6 x 1,
    unsigned: avx2::AvxVnni, 6 x 1
}

compiled! {
    /// AVX2: Intel since Haswell, AMD since Excavator.
    Avx2 "avx2",
    for "avx2,popcnt",
    where ["avx2" "popcnt"],
    linear: avx2::Avx2, 4 x 1,
    unsigned: avx2::Avx2Unsigned, 4 x 1
}
