//! Convolution as a GEMM of gathered windows.

use quant::ops::{Clip, Conv2dArgs, LinearArgs, LinearOut};
use quant::slice::{window, window_mut};
use quant::{Fault, Kernels};

/// Bytes of windows gathered at once.
const WINDOWS: usize = 1024;

/// Output pixels of an ungrouped convolution whose windows fit the buffer, by `linear`; others
/// as the reference.
pub(crate) fn conv2d<K: Kernels>(
    kernels: &mut K,
    args: &Conv2dArgs<'_>,
    x: &[i8],
    mut out: LinearOut<'_>,
) -> Result<(), Fault> {
    let (n, k) = (args.weights.n, args.weights.k);
    let together = WINDOWS.checked_div(k).unwrap_or(0);
    if args.groups != 1 || together == 0 {
        return quant::Reference.conv2d(args, x, out);
    }
    let linear = LinearArgs { weights: args.weights, bias: args.bias, requant: args.requant };
    let pixels = out.len().checked_div(n).unwrap_or(0);
    let mut windows = [0i8; WINDOWS];
    let mut first = 0;
    while first < pixels {
        let count = (pixels - first).min(together);
        let windows = window_mut(&mut windows, 0, count * k)?;
        for pixel in 0..count {
            gather(args, x, args.first + first + pixel, window_mut(windows, pixel * k, k)?)?;
        }
        kernels.linear_i8(&linear, windows, out.window(first * n, count * n)?)?;
        first += count;
    }
    Ok(())
}

/// The window of output pixel `index`, kernel rows behind each other; zero outside the image.
fn gather(args: &Conv2dArgs<'_>, x: &[i8], index: usize, to: &mut [i8]) -> Result<(), Fault> {
    let depth = args.in_channels;
    let oy = index.checked_div(args.out_width).ok_or(Fault::Bounds)?;
    let ox = index - oy * args.out_width;
    let rows = Clip::new(oy, args.stride_h, args.pad_top, args.kernel_h, args.in_height);
    let columns = Clip::new(ox, args.stride_w, args.pad_left, args.kernel_w, args.in_width);
    let len = columns.taps.len() * depth;
    if rows.taps.len() * len < to.len() {
        to.fill(0);
    }
    for (down, tap) in rows.taps.clone().enumerate() {
        let from = window(x, ((rows.at + down) * args.in_width + columns.at) * depth, len)?;
        let to = window_mut(to, (tap * args.kernel_w + columns.taps.start) * depth, len)?;
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
    }
    Ok(())
}
