//! Writes what `firmware/bench` runs, and what it must say:
//! `mcu_jobs FOLDER PACKS CASES SHAPES`.
//!
//! The jobs are the shapes that are measured (`full`, or `small` without those that take an
//! emulated core without vectors long), the bundled models on one image, and `CASES` generated
//! programs of every op, from the generator of the conformance tests. `FOLDER/jobs` is for the
//! device; in `FOLDER/expected` are, for each job, a line `job|kernel|shape|units` and the hash of
//! what each instruction writes.

use std::fmt::Write as _;
use std::path::PathBuf;

use converter::BuildOptions;
use converter::calibrate::QuantizeOptions;
use program::{Container, repack, write};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use quant::Op;
use quant::arith::ShiftExp;
use quant::bits::BitPack;
use quant::mem::DType;
use quant::op::OpKind;
use quant::ops::{
    Act, BinaryAttention, BinaryAttentionDestination, BinaryLinear, BinaryOut, BitAct, Conv2d, Destination,
    Exponential, LayerNorm, PerChannel, ShiftGelu, Shiftmax, Table,
};
use quant::pack::{Pack, Packs};
use runtime::Model;
use shiftformer_tests::case::{Case, multiplier};
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::ops::{self, AttentionShape, LinearShape};
use shiftformer_tests::source::Source;
use shiftformer_tests::{data, run};

/// Largest container and arena of a generated program: those that every emulated core holds.
const LARGEST: usize = 1 << 18;

struct Jobs {
    packs: Packs,
    count: u32,
    jobs: Vec<u8>,
    expected: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, packs, cases, shapes] = args.as_slice() else {
        return Err("usage: mcu_jobs FOLDER PACKS CASES full|small".into());
    };
    let packs = match packs.as_str() {
        "plain" => mcu::Plain::PACKS,
        "dsp" => mcu::Dsp::PACKS,
        "mve" => mcu::Mve::PACKS,
        _ => return Err("PACKS is plain, dsp or mve".into()),
    };
    let mut jobs = Jobs { packs, count: 0, jobs: Vec::new(), expected: String::new() };
    for (kernel, shape, units, case) in measured(shapes == "full") {
        let program = case.build(None);
        jobs.push(&format!("{kernel}|{shape}|{units}"), &program.container, &program.inputs, true)?;
        if kernel != "linear" || units < 1_000_000 {
            let about = format!("{kernel} (reference)|{shape}|{units}");
            jobs.push(&about, &program.container, &program.inputs, false)?;
        }
    }
    let image = data::frames(&data::test_images(), 1);
    let binarized = QuantizeOptions { binary: true, escalation: 1.0, ..QuantizeOptions::default() };
    for (name, bytes) in [
        ("vit_fmnist", data::qat(BuildOptions::default())),
        ("vit_fmnist_bivit_recipe", data::recipe(BuildOptions::default())),
        ("vit_fmnist_bivit", data::binarized(&binarized)?.container),
    ] {
        let file = Aligned::copy(&bytes);
        let container = Container::read(&Model::new(&file).map_err(|e| format!("{e:?}"))?);
        let macs: u64 = container.instructions.iter().map(|i| i.op.macs()).sum();
        jobs.push(&format!("model|{name}|{macs}"), &container, &image, true)?;
    }

    let mut runner = TestRunner::deterministic();
    for &kind in OpKind::ALL {
        let strategy = ops::cases(kind);
        for index in 0..cases.parse()? {
            let program = loop {
                let case = strategy.new_tree(&mut runner).map_err(|reason| reason.to_string())?.current();
                let program = case.build(if index % 2 == 0 { None } else { Some(1) });
                let macs: u64 = program.container.instructions.iter().map(|i| i.op.macs()).sum();
                let inputs: usize = program.inputs.iter().map(Vec::len).sum();
                if program.container.blobs.len() + inputs < LARGEST && macs < 1 << 20 {
                    break program;
                }
            };
            jobs.push(&format!("{}|generated|0", kind.name()), &program.container, &program.inputs, true)?;
        }
    }
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    let mut file = jobs.count.to_le_bytes().to_vec();
    file.extend(&jobs.jobs);
    std::fs::write(folder.join("jobs"), file)?;
    std::fs::write(folder.join("expected"), jobs.expected)?;
    Ok(())
}

impl Jobs {
    fn push(
        &mut self,
        about: &str,
        container: &Container<'_>,
        inputs: &[Vec<u8>],
        fast: bool,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let file = write(&repack(container, self.packs))?;
        let inputs_flat = inputs.concat();
        for number in [u32::from(fast), file.len() as u32, inputs_flat.len() as u32] {
            self.jobs.extend(number.to_le_bytes());
        }
        for block in [&file, &inputs_flat] {
            self.jobs.extend(block);
            self.jobs.resize(self.jobs.len().next_multiple_of(4), 0);
        }
        self.count += 1;
        writeln!(self.expected, "job|{about}")?;
        for written in run::trace(&file, inputs, &quant::REFERENCE, 0xa5).written {
            writeln!(self.expected, "{:016x}", written.hash)?;
        }
        Ok(())
    }
}

/// Kernel, shape, multiply-accumulates or elements, and the program.
fn measured(full: bool) -> Vec<(&'static str, String, u64, Case)> {
    let mut shapes = vec![(50, 192, 64), (50, 64, 128), (64, 256, 192)];
    if full {
        shapes.push((256, 1536, 384));
    }
    let mut all = Vec::new();
    for (rows, n, k) in shapes {
        let shape = LinearShape { rows, n, k, wide: false };
        let case = Case::one_op(String::new(), move |b| {
            let mut s = Source::new(1);
            let out = Destination::I8 { out: b.out(rows * n), table: None };
            let mut op = shape.op(b, &mut s, out);
            op.x = Act::I8(b.input(&bytes(&mut s, rows * k)));
            op.requant.scale = b.channels_from_scales(&mut s, n);
            Op::Linear(op)
        });
        let macs = u64::from(rows) * u64::from(n) * u64::from(k);
        all.push(("linear", format!("{rows}x{n}x{k}"), macs, case));
    }
    all.extend(binary(full));
    all.extend(convolutions());
    let exp = ShiftExp { unit: 12, bits: 15 };
    let softmax = Case::one_op(String::new(), move |b| {
        Op::Shiftmax(Shiftmax {
            rows: 50,
            width: 50,
            x: Act::I8(b.input(&bytes(&mut Source::new(2), 2500))),
            exp: Exponential::Table(b.blob(&exp.table())),
            out: b.act_out(DType::I16, 2500),
        })
    });
    all.push(("shiftmax", "50x50".into(), 2500, softmax));
    let norm = Case::one_op(String::new(), |b| {
        let s = &mut Source::new(3);
        Op::LayerNorm(LayerNorm {
            rows: 50,
            width: 64,
            eps: 64,
            x: b.input(&(0..3200).map(|_| s.bits() as i16 >> 4).collect::<Vec<_>>()),
            scale: b.channels_from_scales(s, 64),
            offset: b.blob(&s.biases(64)),
            out: b.act_out(DType::I8, 3200),
        })
    });
    all.push(("layer_norm", "50x64".into(), 3200, norm));
    let table = Case::one_op(String::new(), |b| {
        let s = &mut Source::new(4);
        let table = b.blob(&bytes(s, 256));
        Op::Table(Table { rows: 50, width: 128, x: b.updated(&bytes(s, 6400)), table })
    });
    all.push(("gelu_table", "50x128".into(), 6400, table));
    let gelu = Case::one_op(String::new(), move |b| {
        let s = &mut Source::new(5);
        let exp = b.blob(&exp.table());
        Op::ShiftGelu(ShiftGelu {
            rows: 50,
            width: 128,
            x: b.updated(&bytes(s, 6400)),
            exp,
            out: multiplier(s),
        })
    });
    all.push(("shift_gelu", "50x128".into(), 6400, gelu));
    let shape =
        AttentionShape { queries: 50, keys: 50, heads: 4, head_dim: 16, gap: 0, score_rows: 4, packed: true };
    let attention = Case::one_op(String::new(), move |b| {
        let out = b.out(3200);
        Op::Attention(shape.op(b, &mut Source::new(6), out))
    });
    all.push(("attention", "50x50x4x16".into(), 2 * 50 * 50 * 64, attention));
    all
}

/// Layers of 1-bit weights over signs and int8, and attention over signs.
fn binary(full: bool) -> Vec<(&'static str, String, u64, Case)> {
    const W1A1: &str = "binary_linear w1a1";
    const W1A2: &str = "binary_linear w1a2";
    const W1A8: &str = "binary_linear w1a8";
    const W1A16: &str = "binary_linear w1a16";
    let mut shapes =
        vec![(W1A1, (50, 192, 64)), (W1A2, (50, 64, 64)), (W1A8, (50, 128, 64)), (W1A16, (50, 128, 64))];
    if full {
        shapes.extend([(W1A1, (256, 1536, 384)), (W1A8, (256, 1536, 384))]);
    }
    let mut all = Vec::new();
    for (kernel, (rows, n, k)) in shapes {
        let case = Case::one_op(String::new(), move |b| {
            let s = &mut Source::new(7);
            let (x, words) = match kernel {
                W1A1 => (BitAct::Sign(b.input(&s.values::<u32>(rows * k / 32))), k / 32),
                // As behind heads of 16.
                W1A2 => {
                    let nonzero =
                        s.values::<u32>(rows * k / 16).iter().map(|m| m & 0xffff).collect::<Vec<_>>();
                    let sign: Vec<u32> = nonzero.iter().map(|m| m & s.bits() as u32).collect();
                    (BitAct::Ternary { sign: b.input(&sign), nonzero: b.input(&nonzero) }, k / 16)
                }
                W1A8 => (BitAct::I8(b.input(&bytes(s, rows * k))), k / 32),
                _ => (BitAct::I16(b.input(&s.values::<i16>(rows * k))), k / 32),
            };
            let group = if kernel == W1A2 { 16 } else { k };
            let used = if kernel == W1A2 { 0xffff } else { u32::MAX };
            let weights = b.blob(&s.values::<u32>(n * words).iter().map(|w| w & used).collect::<Vec<_>>());
            let requant = PerChannel { bias: b.blob(&s.biases(n)), scale: b.channels_from_scales(s, n) };
            let out = Destination::I8 { out: b.out(rows * n), table: None };
            let out = BinaryOut::Dense { requant, out };
            Op::BinaryLinear(BinaryLinear { rows, k, n, group, x, weights, pack: BitPack::Rows, out })
        });
        let macs = u64::from(rows) * u64::from(n) * u64::from(k);
        all.push((kernel, format!("{rows}x{n}x{k}"), macs, case));
    }
    let (tokens, heads, head_dim) = (50, 4, 16);
    let attention = Case::one_op(String::new(), move |b| {
        let s = &mut Source::new(8);
        let mut signs = |words: u32, used: u32| {
            b.input(&s.values::<u32>(words).iter().map(|w| w & used).collect::<Vec<_>>())
        };
        let (q, k) = (signs(tokens * heads, 0xffff), signs(tokens * heads, 0xffff));
        let v = signs(heads * head_dim * 2, u32::MAX);
        let distance = b.blob(&[4u32; 4]);
        let out = BinaryAttentionDestination::I16(b.out(tokens * heads * head_dim));
        Op::BinaryAttention(BinaryAttention {
            queries: tokens,
            keys: tokens,
            heads,
            head_dim,
            q,
            q_stride: heads,
            k,
            k_stride: heads,
            v,
            distance,
            out,
            selected: b.slot(2),
        })
    });
    all.push(("binary_attention", "50x50x4x16".into(), 2 * 50 * 50 * 64, attention));
    all
}

/// Convolutions of an image of 16 × 16, padded so that its size is divided by the stride: input and
/// output channels, groups, kernel and stride. Products with padding are counted.
fn convolutions() -> Vec<(&'static str, String, u64, Case)> {
    const DENSE: &str = "conv2d";
    const GROUPED: &str = "conv2d grouped";
    const DEPTHWISE: &str = "conv2d depthwise";
    let shapes = [
        (DENSE, (32, 64, 1, 1, 1)),
        (DENSE, (32, 64, 1, 3, 1)),
        (DENSE, (32, 64, 1, 3, 2)),
        (DENSE, (64, 32, 1, 3, 2)),
        (GROUPED, (32, 64, 4, 3, 1)),
        (DEPTHWISE, (64, 64, 64, 3, 1)),
        (DEPTHWISE, (64, 64, 64, 3, 2)),
        (DEPTHWISE, (64, 64, 64, 5, 1)),
    ];
    let size = 16;
    let mut all = Vec::new();
    for (kind, (inputs, outputs, groups, kernel, stride)) in shapes {
        let (out_size, k) = (size / stride, kernel * kernel * inputs / groups);
        let case = Case::one_op(String::new(), move |b| {
            let s = &mut Source::new(9);
            let x = b.input(&bytes(s, size * size * inputs));
            let weights = b.blob(&s.weights(outputs * k));
            let requant =
                PerChannel { bias: b.blob(&s.biases(outputs)), scale: b.channels_from_scales(s, outputs) };
            let out = Destination::I8 { out: b.out(out_size * out_size * outputs), table: None };
            Op::Conv2d(Conv2d {
                in_height: size,
                in_width: size,
                in_channels: inputs,
                out_channels: outputs,
                kernel_h: kernel,
                kernel_w: kernel,
                stride_h: stride,
                stride_w: stride,
                pad_top: kernel / 2,
                pad_left: kernel / 2,
                out_height: out_size,
                out_width: out_size,
                groups,
                x,
                weights,
                pack: Pack::RowMajor,
                requant,
                out,
            })
        });
        let macs = u64::from(out_size * out_size * outputs) * u64::from(k);
        all.push((kind, format!("{kernel}x{kernel}/{stride} {inputs}-{outputs}"), macs, case));
    }
    all
}

fn bytes(s: &mut Source, len: u32) -> Vec<i8> {
    (0..len).map(|_| s.bits() as i8).collect()
}
