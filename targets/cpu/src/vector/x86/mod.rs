//! Kernels for x86-64.
//!
//! [`Amx`] is a [`Compiled`] of its own: its products are those of tiles.

mod amx;
mod avx2;
mod avx512;
mod count;
pub(super) mod norms;
mod peak;

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
    unsigned: avx512::Avx512, 6 x 4
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

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use quant::arith::ShiftExp;
    use quant::ops::{ExponentialRef, ShiftmaxArgs, Tensor, TensorMut};
    use quant::{Kernels, Reference};

    use super::{Avx2, Avx512Vnni, AvxVnni};
    use crate::vector::set::Set;

    fn conform(mut set: impl Kernels) {
        let exp = ShiftExp { unit: 19, bits: 21 }.table();
        for width in [1, 3, 15, 16, 17, 49, 63, 64, 65, 100, 127, 197, 255, 256, 257, 600] {
            let args = ShiftmaxArgs { width, exp: ExponentialRef::Table(&exp) };
            let x: Vec<i8> = (0..3 * width).map(|i| (i * i * 31 % 256) as u8 as i8).collect();
            let (mut want, mut got) = (vec![0i16; x.len()], vec![0i16; x.len()]);
            Reference.shiftmax(&args, Tensor::I8(&x), &mut TensorMut::I16(&mut want)).unwrap();
            set.shiftmax(&args, Tensor::I8(&x), &mut TensorMut::I16(&mut got)).unwrap();
            assert_eq!(got, want, "{} {width}", set.name());
            let (mut want, mut got) = (vec![0i8; x.len()], vec![0i8; x.len()]);
            Reference.shiftmax(&args, Tensor::I8(&x), &mut TensorMut::I8(&mut want)).unwrap();
            set.shiftmax(&args, Tensor::I8(&x), &mut TensorMut::I8(&mut got)).unwrap();
            assert_eq!(got, want, "{} {width}", set.name());
        }
    }

    /// Short and long rows of Shiftmax, whole and ragged blocks, by every set: one that is not offered runs portably.
    #[test]
    fn shiftmax_is_the_reference() {
        conform(Set::<Avx512Vnni>::default());
        conform(Set::<AvxVnni>::default());
        conform(Set::<Avx2>::default());
    }
}
