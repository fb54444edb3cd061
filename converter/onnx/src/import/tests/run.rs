//! The nodes of a float graph as their documentation defines them, as plainly as can be.

use float::{Function, Graph, Node, Output, Pairs, Part, math};
use runtime::Ending;

/// The outputs of `graph` with their endings, for a frame of pixel values in 0..=255.
pub fn run(graph: &Graph, frame: &[f32]) -> Vec<Vec<f32>> {
    let mut values: Vec<Vec<f32>> = vec![Vec::new(); graph.tensors.len()];
    values[0] = frame.to_vec();
    for node in &graph.nodes {
        let tensor = &graph.tensors[node.output()];
        let mut out = vec![f32::NAN; tensor.len()];
        evaluate(graph, node, &values, &mut out);
        values[node.output()] = out;
    }
    graph.outputs.iter().map(|output| ended(output, &values[output.tensor])).collect()
}

/// `values` with the ending of `output` behind them, over the channels of each row.
fn ended(output: &Output, values: &[f32]) -> Vec<f32> {
    let channels = match output.kind {
        runtime::OutputKind::Dense => output.shape[2],
        _ => values.len(),
    };
    let Some(ending) = output.ending else { return values.to_vec() };
    let row = |row: &[f32]| -> Vec<f32> {
        let sum = |f: fn(f32) -> f32| row.iter().map(|&x| f(x)).sum::<f32>();
        match ending {
            Ending::Softmax => row.iter().map(|&x| math::expf(x) / sum(math::expf)).collect(),
            Ending::LogSoftmax => row.iter().map(|x| x - math::logf(sum(math::expf))).collect(),
            Ending::Sigmoid => row.iter().map(|x| 1.0 / (1.0 + math::expf(-x))).collect(),
            Ending::UnitLength => row.iter().map(|x| x / sum(|x| x * x).sqrt()).collect(),
            Ending::UnitSum => row.iter().map(|x| x / sum(f32::abs)).collect(),
            Ending::ArgMax => {
                let largest = row.iter().copied().fold(f32::MIN, f32::max);
                vec![row.iter().position(|&x| x == largest).unwrap() as f32]
            }
        }
    };
    values.chunks(channels).flat_map(row).collect()
}

fn evaluate(graph: &Graph, node: &Node, values: &[Vec<f32>], out: &mut [f32]) {
    let width = graph.tensors[node.output()].width;
    let input = |id: usize| (values[id].as_slice(), graph.tensors[id].width);
    match node {
        Node::Pixels { x, mean, std, .. } => {
            for (at, out) in out.iter_mut().enumerate() {
                *out = (values[*x][at] / 255.0 - mean[at % width]) / std[at % width];
            }
        }
        Node::Linear { x, dense, .. } => {
            let (x, k) = input(*x);
            assert_eq!((k, dense.n), (dense.k, width));
            for (at, out) in out.iter_mut().enumerate() {
                let (row, n) = (at / width, at % width);
                let pairs = x[row * k..][..k].iter().zip(&dense.weights[n * k..]);
                *out = dense.bias[n] + pairs.map(|(x, w)| x * w).sum::<f32>();
            }
        }
        Node::Conv { x, geometry, dense, .. } => {
            let [height, wide, channels] = geometry.input.map(|v| v as usize);
            let (x, have) = input(*x);
            assert_eq!((have, x.len()), (channels, height * wide * channels));
            let groups = geometry.groups as usize;
            let cg = channels / groups;
            for (at, out) in out.iter_mut().enumerate() {
                let (pixel, n) = (at / width, at % width);
                let (oy, ox) = (pixel / geometry.output[1] as usize, pixel % geometry.output[1] as usize);
                let mut sum = dense.bias[n];
                for tap in 0..dense.k {
                    let (c, spot) = (tap % cg, tap / cg);
                    let (ky, kx) = (spot / geometry.kernel[1] as usize, spot % geometry.kernel[1] as usize);
                    let y = oy * geometry.stride[0] as usize + ky;
                    let x_at = ox * geometry.stride[1] as usize + kx;
                    let (Some(y), Some(x_at)) = (
                        y.checked_sub(geometry.padding[0] as usize).filter(|&y| y < height),
                        x_at.checked_sub(geometry.padding[1] as usize).filter(|&x| x < wide),
                    ) else {
                        continue;
                    };
                    let channel = n / (width / groups) * cg + c;
                    sum += x[(y * wide + x_at) * channels + channel] * dense.weights[n * dense.k + tap];
                }
                *out = sum;
            }
        }
        Node::Affine { x, scale, offset, .. } => {
            for (at, out) in out.iter_mut().enumerate() {
                *out = values[*x][at] * scale[at % width] + offset[at % width];
            }
        }
        Node::LayerNorm { x, gamma, beta, eps, centred, .. } => {
            let len = gamma.len();
            for (x, out) in values[*x].chunks(len).zip(out.chunks_mut(len)) {
                let mean = if *centred { x.iter().sum::<f32>() / len as f32 } else { 0.0 };
                let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / len as f32;
                for (at, out) in out.iter_mut().enumerate() {
                    *out = (x[at] - mean) / (variance + eps).sqrt() * gamma[at] + beta[at];
                }
            }
        }
        Node::GroupNorm { x, groups, gamma, beta, eps, .. } => {
            let (x, channels) = (&values[*x], width / groups);
            for group in 0..*groups {
                let of_group = |at: &usize| at % width / channels == group;
                let places: Vec<usize> = (0..x.len()).filter(of_group).collect();
                let n = places.len() as f32;
                let mean = places.iter().map(|&at| x[at]).sum::<f32>() / n;
                let variance = places.iter().map(|&at| (x[at] - mean) * (x[at] - mean)).sum::<f32>() / n;
                for at in places {
                    let normed = (x[at] - mean) / (variance + eps).sqrt();
                    out[at] = normed * gamma[at % width] + beta[at % width];
                }
            }
        }
        Node::Softmax { x, width, .. } => {
            for (x, out) in values[*x].chunks(*width).zip(out.chunks_mut(*width)) {
                let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = x.iter().map(|x| math::expf(x - max)).sum();
                out.iter_mut().zip(x).for_each(|(out, x)| *out = math::expf(x - max) / sum);
            }
        }
        Node::Select { x, width, ratio, .. } => {
            for (x, out) in values[*x].chunks(*width).zip(out.chunks_mut(*width)) {
                let max = x.iter().copied().fold(f32::MIN, f32::max);
                out.iter_mut().zip(x).for_each(|(out, &x)| *out = if x >= ratio * max { 1.0 } else { 0.0 });
            }
        }
        Node::Activate { x, function, .. } => {
            for (out, &x) in out.iter_mut().zip(&values[*x]) {
                *out = match *function {
                    Function::Gelu => {
                        (0.5 * f64::from(x) * (1.0 + math::erf(f64::from(x) / std::f64::consts::SQRT_2)))
                            as f32
                    }
                    Function::Relu => x.max(0.0),
                    Function::Tanh => math::tanhf(x),
                    Function::Sigmoid => 1.0 / (1.0 + math::expf(-x)),
                    Function::Clip { min, max } => x.clamp(min, max),
                    Function::Elu { alpha } => {
                        if x > 0.0 {
                            x
                        } else {
                            alpha * math::expm1(x.into()) as f32
                        }
                    }
                    Function::Sign => f32::from(i8::from(x > 0.0) - i8::from(x < 0.0)),
                    Function::LeakyRelu { slope } => x.max(0.0) + slope * x.min(0.0),
                    Function::Softplus => math::logf(1.0 + math::expf(x)),
                    Function::LogSigmoid => math::logf(1.0 / (1.0 + math::expf(-x))),
                    Function::Softsign => x / (1.0 + x.abs()),
                    Function::Mish => x * math::tanhf(math::logf(1.0 + math::expf(x))),
                    Function::Celu { alpha } => x.max(0.0) + (alpha * (math::expf(x / alpha) - 1.0)).min(0.0),
                    Function::ThresholdedRelu { alpha } => x * f32::from(u8::from(x > alpha)),
                    Function::Abs => x.max(-x),
                    Function::Exp => math::expf(x),
                    Function::Log => math::logf(x),
                    Function::Sin => math::sinf(x),
                    Function::Cos => math::cosf(x),
                    Function::Erf => math::erf(x.into()) as f32,
                    Function::Power { exponent } => math::pow(x.into(), exponent.into()) as f32,
                    ref other => panic!("{other:?} is not in these tests"),
                };
            }
        }
        Node::Add { x, y, .. } => {
            out.iter_mut().zip(values[*x].iter().zip(&values[*y])).for_each(|(out, (x, y))| *out = x + y);
        }
        Node::Mul { x, y, .. } => {
            let (y, have) = input(*y);
            for (at, (out, x)) in out.iter_mut().zip(&values[*x]).enumerate() {
                let (row, column) = (at / width, at % width);
                *out = x * y[row % (y.len() / have) * have + column % have];
            }
        }
        Node::Div { x, y, .. } => {
            let (y, have) = input(*y);
            for (at, (out, x)) in out.iter_mut().zip(&values[*x]).enumerate() {
                let (row, column) = (at / width, at % width);
                *out = x / y[row % (y.len() / have) * have + column % have];
            }
        }
        Node::ResponseNorm { x, eps, .. } => {
            let squares = |c: usize| values[*x].iter().skip(c).step_by(width).map(|x| x * x).sum::<f32>();
            let lengths: Vec<f32> = (0..width).map(|c| squares(c).sqrt()).collect();
            let mean = lengths.iter().sum::<f32>() / width as f32;
            out.iter_mut().zip(lengths).for_each(|(out, length)| *out = length / (mean + eps));
        }
        Node::AddConstant { x, values: added, .. } => {
            out.iter_mut().zip(values[*x].iter().zip(added)).for_each(|(out, (x, y))| *out = x + y);
        }
        Node::MatMul { a, b, transpose_b, out: to, batch, m, n, k, scales } => {
            let (x, y) = (&values[a.tensor], &values[b.tensor]);
            for at in 0..batch * m * n {
                let (i, r, c) = (at / (m * n), at / n % m, at % n);
                let sum: f32 = (0..*k)
                    .map(|k| {
                        let (row, column) = if *transpose_b { (c, k) } else { (k, c) };
                        x[a.offset + i * a.batch + r * a.row + k]
                            * y[b.offset + i * b.batch + row * b.row + column]
                    })
                    .sum();
                out[to.offset + i * to.batch + r * to.row + c] = sum * scales[i];
            }
        }
        Node::Mean { x, .. } => {
            let x = &values[*x];
            let rows = x.len() / width;
            for (at, out) in out.iter_mut().enumerate() {
                *out = x[at..].iter().step_by(width).sum::<f32>() / rows as f32;
            }
        }
        Node::Rows { x, start, .. } => out.copy_from_slice(&values[*x][start * width..][..out.len()]),
        Node::Permute { x, offset, shape, strides, .. } => {
            assert_eq!(out.len(), shape.iter().product::<usize>());
            for (at, out) in out.iter_mut().enumerate() {
                let (mut rest, mut from) = (at, *offset);
                for axis in (0..4).rev() {
                    from += rest % shape[axis] * strides[axis];
                    rest /= shape[axis];
                }
                *out = values[*x][from];
            }
        }
        Node::Gather { x, rows, .. } => {
            let (x, have) = input(*x);
            assert_eq!((have, rows.len() * width), (width, out.len()));
            for (out, &row) in out.chunks_mut(width).zip(rows) {
                out.copy_from_slice(&x[row as usize * width..][..width]);
            }
        }
        Node::Concat { parts, .. } => {
            let mut joined = Vec::new();
            for part in parts {
                match part {
                    Part::Tensor(id) => {
                        assert_eq!(graph.tensors[*id].width, width);
                        joined.extend_from_slice(&values[*id]);
                    }
                    Part::Constant(values) => joined.extend_from_slice(values),
                }
            }
            out.copy_from_slice(&joined);
        }
        Node::Rotary { x, offset, head_dim, pairs, angles, .. } => {
            let (x, stride) = input(*x);
            let half = head_dim / 2;
            for (at, out) in out.iter_mut().enumerate() {
                let (row, head, channel) = (at / width, at % width / head_dim, at % head_dim);
                let (partner, pair, sign) = match (*pairs, channel < half) {
                    (Pairs::Halves, true) => (channel + half, channel, -1.0),
                    (Pairs::Halves, false) => (channel - half, channel - half, 1.0),
                    (Pairs::Neighbours, _) => (channel ^ 1, channel / 2, (channel % 2) as f32 * 2.0 - 1.0),
                };
                let value = |channel: usize| x[offset + row * stride + head * head_dim + channel];
                let angle = |at: usize| angles[row * head_dim + at];
                *out = value(channel) * angle(pair) + sign * value(partner) * angle(half + pair);
            }
        }
        Node::Attention { .. } | Node::BinaryAttention { .. } => panic!("only simplification makes it"),
    }
}
