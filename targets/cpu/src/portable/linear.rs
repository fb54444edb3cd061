//! int8 GEMM.

use quant::Fault;
use quant::ops::{LinearArgs, LinearOut};
use quant::slice::{chunks, window};

/// Output channels of a panel.
const LANES: usize = 16;
/// Rows computed against one pass over a panel.
const ROWS: usize = 4;

/// Weights in [`Panel16x4`](quant::pack::Pack::Panel16x4).
pub(super) fn panels(args: &LinearArgs<'_>, x: &[i8], mut out: LinearOut<'_>) -> Result<(), Fault> {
    let (n, k) = (args.weights.n, args.weights.k);
    let panel_len = LANES * k.next_multiple_of(4);
    let rows = x.len().checked_div(k).unwrap_or(0);
    let mut channel = 0;
    for panel in quant::slice::rows(args.weights.data, panel_len) {
        let count = n.saturating_sub(channel).min(LANES);
        let bias = window(args.bias, channel, count)?;
        let requant = args.requant.window(channel, count)?;
        let mut row = 0;
        while row < rows {
            let tile = (rows - row).min(ROWS);
            let mut acc = [[0i32; LANES]; ROWS];
            for lanes in &mut acc {
                for (z, &b) in lanes.iter_mut().zip(bias) {
                    *z = b;
                }
            }
            if tile == ROWS {
                four_rows(window(x, row * k, ROWS * k)?, k, panel, &mut acc)?;
            } else {
                for (lanes, x) in acc.iter_mut().zip(quant::slice::rows(window(x, row * k, tile * k)?, k)) {
                    one_row(x, panel, lanes);
                }
            }
            for (r, lanes) in acc.iter().take(tile).enumerate() {
                out.store((row + r) * n + channel, window(lanes, 0, count)?, &requant)?;
            }
            row += tile;
        }
        channel += count;
    }
    Ok(())
}

/// Adds the products of four rows with one panel.
fn four_rows(x: &[i8], k: usize, panel: &[i8], acc: &mut [[i32; LANES]; ROWS]) -> Result<(), Fault> {
    let [x0, x1, x2, x3] = [window(x, 0, k)?, window(x, k, k)?, window(x, 2 * k, k)?, window(x, 3 * k, k)?];
    let [a0, a1, a2, a3] = acc;
    let (groups, _) = chunks::<{ 4 * LANES }, _>(panel);
    let quads = quads(x0).zip(quads(x1)).zip(quads(x2).zip(quads(x3)));
    for (group, ((x0, x1), (x2, x3))) in groups.iter().zip(quads) {
        let group = Group::new(group);
        group.add(x0, a0);
        group.add(x1, a1);
        group.add(x2, a2);
        group.add(x3, a3);
    }
    Ok(())
}

fn one_row(x: &[i8], panel: &[i8], acc: &mut [i32; LANES]) {
    let (groups, _) = chunks::<{ 4 * LANES }, _>(panel);
    for (group, x) in groups.iter().zip(quads(x)) {
        Group::new(group).add(x, acc);
    }
}

/// Groups of four inputs, the last one filled with zeros.
fn quads(x: &[i8]) -> impl Iterator<Item = [i8; 4]> {
    let (whole, tail) = chunks::<4, _>(x);
    let mut last = [0; 4];
    for (place, &v) in last.iter_mut().zip(tail) {
        *place = v;
    }
    whole.iter().copied().chain((!tail.is_empty()).then_some(last))
}

/// Four weights of each lane, by input.
struct Group([[i16; LANES]; 4]);

impl Group {
    #[inline(always)]
    fn new(bytes: &[i8; 4 * LANES]) -> Self {
        let mut words = [0i32; LANES];
        let (lanes, _) = chunks::<4, _>(bytes);
        for (word, lane) in words.iter_mut().zip(lanes) {
            *word = i32::from_le_bytes(lane.map(|byte| byte as u8));
        }
        // Byte `i` of each word, sign-extended.
        Self([24, 16, 8, 0].map(|up| words.map(|word| ((word << up) >> 24) as i16)))
    }

    /// `acc[lane] += Σ_i x[i] · w[i][lane]`.
    #[inline(always)]
    fn add(&self, x: [i8; 4], acc: &mut [i32; LANES]) {
        let [w0, w1, w2, w3] = &self.0;
        let [x0, x1, x2, x3] = x.map(i16::from);
        for lane in 0..LANES {
            // Weights exclude −128, so two products stay within 2 · 128 · 127 < 2¹⁵.
            let low = x0 * w0[lane] + x1 * w1[lane];
            let high = x2 * w2[lane] + x3 * w3[lane];
            acc[lane] += i32::from(low) + i32::from(high);
        }
    }
}

/// Row-major weights: four output channels at a time share one pass over a row.
pub(super) fn rows(args: &LinearArgs<'_>, x: &[i8], mut out: LinearOut<'_>) -> Result<(), Fault> {
    let (n, k) = (args.weights.n, args.weights.k);
    for (r, row) in quant::slice::rows(x, k).enumerate() {
        let mut channel = 0;
        while channel < n {
            let count = (n - channel).min(4);
            let mut acc = [0i32; 4];
            for (lane, z) in acc.iter_mut().take(count).enumerate() {
                let w = args.weights.row(channel + lane).ok_or(Fault::Bounds)?;
                *z = dot(row, w) + quant::slice::at(args.bias, channel + lane)?;
            }
            let requant = args.requant.window(channel, count)?;
            out.store(r * n + channel, window(&acc, 0, count)?, &requant)?;
            channel += count;
        }
    }
    Ok(())
}

/// Dot product in 32 independent lanes.
#[inline(always)]
pub(super) fn dot(a: &[i8], b: &[i8]) -> i32 {
    let (a_whole, a_tail) = chunks::<32, _>(a);
    let (b_whole, b_tail) = chunks::<32, _>(b);
    let mut lanes = [0i32; 32];
    for (a, b) in a_whole.iter().zip(b_whole) {
        for ((z, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *z += i32::from(i16::from(a) * i16::from(b));
        }
    }
    let tail: i32 = a_tail.iter().zip(b_tail).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
    lanes.iter().sum::<i32>() + tail
}
