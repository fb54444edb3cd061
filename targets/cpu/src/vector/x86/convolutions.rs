//! Convolutions by every set of x86-64 in threads of little stack; a set that is not offered runs portably.

use std::thread;
use std::vec;
use std::vec::Vec;

use quant::arith::Multiplier;
use quant::ops::{ChannelsRef, Conv2dArgs, LinearOut, Residual};
use quant::pack::{Pack, Weights};
use quant::{Kernels, Reference};

use crate::vector::set::Set;
use crate::vector::x86::{Amx, Avx2, Avx512Vnni, AvxVnni};

/// Bytes of stack that suffice for every kernel, and for the tests around them.
const STACK: usize = 192 << 10;

/// Groups, with inputs and channels of each; rows and columns of the kernel, stride and padding.
type Shape = ([usize; 3], [usize; 4]);

/// Single channels by kernels of all sizes, panels of several groups, of parts of two and of one, and groups
/// whose inputs are too many to be laid out.
const SHAPES: [Shape; 14] = [
    ([70, 1, 1], [5, 5, 1, 2]),
    ([32, 1, 1], [7, 7, 2, 3]),
    ([96, 1, 1], [2, 2, 2, 0]),
    ([3, 1, 1], [3, 3, 3, 1]),
    ([130, 1, 1], [1, 4, 1, 1]),
    ([33, 1, 1], [3, 3, 1, 1]),
    ([16, 4, 4], [3, 3, 1, 1]),
    ([9, 8, 8], [3, 3, 2, 1]),
    ([20, 1, 2], [3, 3, 1, 1]),
    ([5, 3, 12], [3, 2, 1, 1]),
    ([3, 12, 24], [3, 3, 1, 1]),
    ([4, 20, 60], [1, 1, 1, 0]),
    ([3, 70, 5], [3, 3, 1, 1]),
    ([2, 5, 32], [3, 3, 1, 1]),
];

/// Rows and columns of the image.
const SIZE: [usize; 2] = [9, 11];

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.0 >> 32) as i32
    }
}

/// Every output of a convolution by the reference and by `set`, from the second pixel on.
fn agree<S: Kernels + Default>(noise: &mut Noise, shape: Shape, least_shift: u8) {
    let ([groups, depth, filters], [kernel_h, kernel_w, stride, pad]) = shape;
    let (mut set, n, k) = (S::default(), groups * filters, kernel_h * kernel_w * depth);
    let what = (set.name(), shape, least_shift);
    let mut data = vec![0i8; Pack::Panel16x4.len(n as u32, k as u32).unwrap() as usize];
    for channel in 0..n {
        for input in 0..k {
            data[Pack::Panel16x4.index(k, channel, input)] = (noise.next() as i8).max(-127);
        }
    }
    let x: Vec<i8> = (0..SIZE[0] * SIZE[1] * groups * depth)
        .map(|i| if i % 7 == 0 { i8::MIN } else { noise.next() as i8 })
        .collect();
    let bias: Vec<i32> = (0..n).map(|_| noise.next() >> 16).collect();
    let mantissa: Vec<i32> = (0..n).map(|_| noise.next() >> 1).collect();
    let shift: Vec<u8> = (0..n).map(|_| least_shift + (noise.next() & 3) as u8).collect();
    let [height, width] = [(SIZE[0], kernel_h), (SIZE[1], kernel_w)]
        .map(|(size, kernel)| (size + 2 * pad - kernel) / stride + 1);
    let args = Conv2dArgs {
        in_height: SIZE[0],
        in_width: SIZE[1],
        in_channels: groups * depth,
        kernel_h,
        kernel_w,
        stride_h: stride,
        stride_w: stride,
        pad_top: pad,
        pad_left: pad,
        out_width: width,
        groups,
        weights: Weights { data: &data, pack: Pack::Panel16x4, n, k },
        bias: &bias,
        requant: ChannelsRef { mantissa: &mantissa, shift: &shift },
        first: 1,
    };
    let len = (height * width - 1) * n;
    let table = core::array::from_fn(|i| (i as u8).wrapping_mul(37) as i8);
    for table in [None, Some(&table)] {
        let (mut want, mut got) = (vec![0; len], vec![0; len]);
        Reference.conv2d(&args, &x, LinearOut::I8 { out: &mut want, table }).unwrap();
        set.conv2d(&args, &x, LinearOut::I8 { out: &mut got, table }).unwrap();
        assert_eq!(got, want, "{what:?}");
        assert!(want.iter().any(|&value| value != want[0]), "{what:?}");
    }
    let by = |mantissa, shift| Multiplier { mantissa, shift };
    let residual = Residual { stream: by(3 << 28, 30), branch: by(5 << 27, 31) };
    for residual in [None, Some(&residual)] {
        let stream: Vec<i16> = (0..len).map(|_| noise.next() as i16).collect();
        let (mut want, mut got) = (stream.clone(), stream);
        Reference.conv2d(&args, &x, LinearOut::I16 { out: &mut want, residual: residual.copied() }).unwrap();
        set.conv2d(&args, &x, LinearOut::I16 { out: &mut got, residual: residual.copied() }).unwrap();
        assert_eq!(got, want, "{what:?}");
    }
    let (mut want, mut got) = (vec![0; len], vec![0; len]);
    Reference.conv2d(&args, &x, LinearOut::I32 { out: &mut want }).unwrap();
    set.conv2d(&args, &x, LinearOut::I32 { out: &mut got }).unwrap();
    assert_eq!(got, want, "{what:?}");
}

#[test]
fn convolutions_are_the_reference() {
    let test = || {
        let mut noise = Noise(1);
        for shape in SHAPES {
            for least_shift in [38, 30] {
                agree::<Set<Amx>>(&mut noise, shape, least_shift);
                agree::<Set<Avx512Vnni>>(&mut noise, shape, least_shift);
                agree::<Set<AvxVnni>>(&mut noise, shape, least_shift);
                agree::<Set<Avx2>>(&mut noise, shape, least_shift);
            }
        }
    };
    thread::Builder::new().stack_size(STACK).spawn(test).unwrap().join().unwrap();
}
