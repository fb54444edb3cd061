//! How each instruction is cut. What is not cut says why.

use quant::ops::{
    AddArgs, AttentionArgs, BinaryAttentionArgs, BinaryLinearArgs, BinaryLinearOut, BitTransposeArgs,
    BitsOut, Conv2dArgs, DivArgs, GroupNormArgs, KNOTS, LayerNormArgs, LinearArgs, LinearOut, MatMulArgs,
    MeanTokensArgs, MulArgs, PermuteArgs, RequantizeArgs, ResponseNormArgs, RotaryArgs, ShiftGeluArgs,
    ShiftmaxArgs, Tensor, TensorMut,
};
use quant::pack::{Packs, Weights};
use quant::slice::window;
use quant::{Fault, Kernels};

use super::cut::{Rows, Scratch};
use super::sharing::Work;
use super::{PIECE, Split, beside, elements, sums};

impl<K: Kernels + Copy + Sync> Kernels for Split<K> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn preferred_packs(&self) -> Packs {
        self.0.preferred_packs()
    }

    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        self.linear(args, x, out, |mut kernels, args, x, out| kernels.linear_i8(args, x, out))
    }

    fn linear_i16(&mut self, args: &LinearArgs<'_>, x: &[i16], out: LinearOut<'_>) -> Result<(), Fault> {
        self.linear(args, x, out, |mut kernels, args, x, out| kernels.linear_i16(args, x, out))
    }

    fn conv2d(&mut self, args: &Conv2dArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        let Weights { n, k, .. } = args.weights;
        let pixels = out.len().checked_div(n).unwrap_or(0);
        let out = Rows { elements: out, width: n };
        self.rows(Work { rows: pixels, cost: sums(n, k), tiled: true }, out, |mut kernels, pixels, out| {
            let args = Conv2dArgs { first: args.first + pixels.start, ..*args };
            kernels.conv2d(&args, x, out.elements)
        })
    }

    fn matmul(
        &mut self,
        args: &MatMulArgs,
        a: Tensor<'_>,
        b: &[i8],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        let len = out.len();
        let out = Rows { elements: out.window(0, len)?, width: args.out_row };
        self.rows(
            Work { rows: args.m, cost: sums(args.n, args.k), tiled: true },
            out,
            |mut kernels, rows, mut out| {
                let start = rows.start * args.a_row;
                let a = a.window(start, a.len().checked_sub(start).ok_or(Fault::Bounds)?)?;
                kernels.matmul(&MatMulArgs { m: rows.len(), ..*args }, a, b, &mut out.elements)
            },
        )
    }

    fn attention(&mut self, args: AttentionArgs<'_>) -> Result<(), Fault> {
        let AttentionArgs {
            keys, heads, head_dim, q, q_stride, k, v, kv_stride, score, exp, requant, ..
        } = args;
        let width = heads * head_dim;
        let queries = args.out.len().checked_div(width).unwrap_or(0);
        let scores = Scratch { room: args.scores, width: keys };
        let probabilities = Scratch { room: args.probabilities, width: keys };
        let out = (Rows { elements: args.out, width }, (scores, probabilities));
        let work = Work { rows: queries, cost: sums(width, 2 * keys) + heads * keys, tiled: true };
        self.rows(work, out, |mut kernels, rows, (out, (scores, probabilities))| {
            kernels.attention(AttentionArgs {
                keys,
                heads,
                head_dim,
                q: q.get(rows.start * q_stride..).ok_or(Fault::Bounds)?,
                q_stride,
                k,
                v,
                kv_stride,
                score,
                exp,
                requant,
                out: out.elements,
                scores: scores.room,
                probabilities: probabilities.room,
            })
        })
    }

    fn shiftmax(
        &mut self,
        args: &ShiftmaxArgs<'_>,
        x: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        self.tensor(args.width, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, args.width);
            kernels.shiftmax(args, x.window(start, len)?, out)
        })
    }

    fn shift_gelu(&mut self, args: &ShiftGeluArgs<'_>, x: &mut [i8]) -> Result<(), Fault> {
        self.in_place(args.width, x, |mut kernels, _, x| kernels.shift_gelu(args, x))
    }

    fn table(&mut self, table: &[i8; 256], x: &mut [i8]) -> Result<(), Fault> {
        self.in_place(PIECE, x, |mut kernels, _, x| kernels.table(table, x))
    }

    fn interpolate(&mut self, table: &[i16; KNOTS], x: &mut [i16]) -> Result<(), Fault> {
        self.in_place(PIECE, x, |mut kernels, _, x| kernels.interpolate(table, x))
    }

    fn relu_i8(&mut self, x: &mut [i8]) -> Result<(), Fault> {
        self.in_place(PIECE, x, |mut kernels, _, x| kernels.relu_i8(x))
    }

    fn relu_i16(&mut self, x: &mut [i16]) -> Result<(), Fault> {
        self.in_place(PIECE, x, |mut kernels, _, x| kernels.relu_i16(x))
    }

    fn layer_norm(
        &mut self,
        args: &LayerNormArgs<'_>,
        x: &[i16],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        self.tensor(args.width, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, args.width);
            kernels.layer_norm(args, window(x, start, len)?, out)
        })
    }

    fn rms_norm(
        &mut self,
        args: &LayerNormArgs<'_>,
        x: &[i16],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        self.tensor(args.width, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, args.width);
            kernels.rms_norm(args, window(x, start, len)?, out)
        })
    }

    fn rotary(&mut self, args: &RotaryArgs<'_>, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
        self.tensor(args.width, out, |mut kernels, rows, out| {
            let start = rows.start * args.stride;
            let x = x.window(start, x.len().checked_sub(start).ok_or(Fault::Bounds)?)?;
            kernels.rotary(&RotaryArgs { first: args.first + rows.start, ..*args }, x, out)
        })
    }

    /// Its statistics are of all rows.
    fn group_norm(
        &mut self,
        args: &GroupNormArgs<'_>,
        x: &[i16],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        self.0.group_norm(args, x, out)
    }

    fn add(&mut self, args: &AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
        let repeated = y.len() < x.len();
        let width = if repeated { y.len() } else { PIECE };
        self.in_place(width, x, |mut kernels, rows, x| {
            let y = if repeated { y } else { window(y, rows.start * width, x.len())? };
            kernels.add(args, x, y)
        })
    }

    fn mul(
        &mut self,
        args: &MulArgs,
        x: Option<Tensor<'_>>,
        y: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        self.tensor(args.width, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, args.width);
            let x = x.map(|x| x.window(start, len)).transpose()?;
            kernels.mul(args, x, beside(y, args.spread, &rows, args.width)?, out)
        })
    }

    fn div(
        &mut self,
        args: &DivArgs,
        x: Option<Tensor<'_>>,
        y: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        self.tensor(args.width, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, args.width);
            let x = x.map(|x| x.window(start, len)).transpose()?;
            kernels.div(args, x, beside(y, args.spread, &rows, args.width)?, out)
        })
    }

    /// Its lengths are of all rows.
    fn response_norm(
        &mut self,
        args: &ResponseNormArgs,
        x: Tensor<'_>,
        lengths: &mut [u32],
        out: &mut [i16],
    ) -> Result<(), Fault> {
        self.0.response_norm(args, x, lengths, out)
    }

    fn requantize(
        &mut self,
        args: &RequantizeArgs<'_>,
        x: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        self.tensor(args.width, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, args.width);
            kernels.requantize(args, x.window(start, len)?, out)
        })
    }

    /// Its sums are over all rows.
    fn mean_tokens(
        &mut self,
        args: &MeanTokensArgs,
        x: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        self.0.mean_tokens(args, x, out)
    }

    fn quantize_image(&mut self, tables: &[i8], channels: usize, x: &mut [u8]) -> Result<(), Fault> {
        self.in_place(channels, x, |mut kernels, _, x| kernels.quantize_image(tables, channels, x))
    }

    fn permute(&mut self, args: &PermuteArgs, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
        let [_, b, c, d] = args.shape;
        self.tensor(b * c * d, out, |mut kernels, rows, out| {
            kernels.permute(&PermuteArgs { first: args.first + rows.start, ..*args }, x, out)
        })
    }

    fn gather(
        &mut self,
        index: &[u32],
        width: usize,
        x: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        self.tensor(width, out, |mut kernels, rows, out| {
            kernels.gather(window(index, rows.start, rows.len())?, width, x, out)
        })
    }

    /// A copy: memory is what takes the time.
    fn load(&mut self, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
        self.0.load(x, out)
    }

    fn binarize(&mut self, width: usize, x: Tensor<'_>, out: BitsOut<'_>) -> Result<(), Fault> {
        let rows = x.len().checked_div(width).unwrap_or(0);
        self.rows(Work { rows, cost: width, tiled: false }, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, width);
            kernels.binarize(width, x.window(start, len)?, out)
        })
    }

    /// Each of its words is of many rows.
    fn bit_transpose(&mut self, args: &BitTransposeArgs, x: &[u32], out: &mut [u32]) -> Result<(), Fault> {
        self.0.bit_transpose(args, x, out)
    }

    fn binary_linear_sign(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[u32],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        let words = args.weights.words;
        let rows = x.len().checked_div(words).unwrap_or(0);
        self.binary_linear(args, rows, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, words);
            kernels.binary_linear_sign(args, window(x, start, len)?, out)
        })
    }

    fn binary_linear_ternary(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        sign: &[u32],
        nonzero: &[u32],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        let words = args.weights.words;
        let rows = sign.len().checked_div(words).unwrap_or(0);
        self.binary_linear(args, rows, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, words);
            let (sign, nonzero) = (window(sign, start, len)?, window(nonzero, start, len)?);
            kernels.binary_linear_ternary(args, sign, nonzero, out)
        })
    }

    fn binary_linear_i8(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[i8],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        let rows = x.len().checked_div(args.k).unwrap_or(0);
        self.binary_linear(args, rows, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, args.k);
            kernels.binary_linear_i8(args, window(x, start, len)?, out)
        })
    }

    fn binary_linear_i16(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[i16],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        let rows = x.len().checked_div(args.k).unwrap_or(0);
        self.binary_linear(args, rows, out, |mut kernels, rows, out| {
            let (start, len) = elements(&rows, args.k);
            kernels.binary_linear_i16(args, window(x, start, len)?, out)
        })
    }

    /// It has room for the selected keys of one query.
    fn binary_attention(&mut self, args: BinaryAttentionArgs<'_>) -> Result<(), Fault> {
        self.0.binary_attention(args)
    }
}
