//! Times kernels of a GPU by its own clock: `gpu_kernels [--tiles] [--quick] [--json] [NAME]`, those
//! whose name begins with NAME.
//!
//! Every row is a program of one instruction over many frames at once, so that the time of a pass
//! without work does not matter. Before it is timed, rows of its first and last frame are compared
//! with the processor's. `--tiles` times the products of DeiT-S with every tile, and attention in every
//! way. `--quick` takes small shapes, for software that imitates a GPU.

use std::env::args;
use std::error::Error;
use std::time::{Duration, Instant};

use program::write;
use quant::Op;
use quant::arith::Multiplier;
use quant::hash::mix;
use quant::mem::{Blob, DType};
use quant::ops::{Attention, Destination, Linear, PerChannel, Residual};
use quant::pack::Pack;
use shiftformer::{Cpu, Gpu, Model, Session};
use shiftformer_tests::case::{Builder, Case, Epilogue};
use shiftformer_tests::ops::AttentionShape;
use shiftformer_tests::source::Source;

/// How long a GPU is kept busy before a program is timed: an idle one has a low clock.
const WARM: Duration = Duration::from_millis(400);
/// The same before each run that is timed: while frames go in and results come back, it is idle.
const REWARM: Duration = Duration::from_millis(8);
/// Runs that are timed.
const RUNS: usize = 25;
/// Rows of a frame that are compared with the processor's.
const COMPARED: u32 = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = args().skip(1).collect();
    let (flags, names): (Vec<String>, Vec<String>) = args.into_iter().partition(|arg| arg.starts_with('-'));
    let unknown = flags.iter().find(|flag| !["--tiles", "--quick", "--json"].contains(&flag.as_str()));
    if let Some(unknown) = unknown.or(names.get(1)) {
        let usage = "usage: gpu_kernels [--tiles] [--quick] [--json] [NAME]";
        return Err(format!("no argument `{unknown}`; {usage}").into());
    }
    let has = |flag: &str| flags.iter().any(|arg| arg == flag);
    let (quick, json) = (has("--quick"), has("--json"));
    let gpu = Gpu::open(None)?;
    let about = gpu.adapter();
    if !about.timestamps {
        return Err(format!("{} does not tell the time", about.name).into());
    }
    if !json {
        println!("{}, {}", about.name, about.driver);
        println!("{:<46} {:>6} {:>9} {:>8} {:>10} {:>7}", "", "frames", "ms", "TOPS", "fs per MAC", "ratio");
    }
    let mut base = 0.0;
    let mut heater = if quick { None } else { Some(Heater::new(&gpu)?) };
    let rows = if has("--tiles") { tiles(&gpu) } else { rows(quick) };
    let name = names.first().map_or("", String::as_str);
    for row in rows.into_iter().filter(|row| row.name.starts_with(name)) {
        let timed =
            row.time(&row.tile.map_or(gpu.clone(), |tile| gpu.clone().with_tile(tile)), heater.as_mut())?;
        if row.is_base {
            base = timed.fs_per_mac();
        }
        timed.print(&row, timed.fs_per_mac() / base, json);
    }
    Ok(())
}

/// A program that keeps a GPU busy: much work on few bytes.
struct Heater {
    session: Session,
    frame: Vec<u8>,
}

impl Heater {
    fn new(gpu: &Gpu) -> Result<Self, Box<dyn Error>> {
        let model = Shape::Attention { keys: 4096, heads: 6, head_dim: 64 }.model(u32::MAX)?;
        Ok(Self { session: model.session_on(gpu)?, frame: frame(&model, 0) })
    }

    fn run(&mut self, time: Duration) -> Result<(), Box<dyn Error>> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.session.run(&self.frame)?;
        }
        Ok(())
    }
}

/// Something to time.
struct Row {
    name: String,
    shape: Shape,
    frames: usize,
    /// Whether the time of a multiply-accumulate is that which the rows below are compared with.
    is_base: bool,
    /// The only tile that there is.
    tile: Option<&'static str>,
}

/// An instruction.
#[derive(Clone, Copy)]
enum Shape {
    /// A dense layer of int8.
    Linear { rows: u32, k: u32, n: u32, epilogue: Epilogue },
    /// Attention over rows of queries, keys and values, as many queries as keys.
    Attention { keys: u32, heads: u32, head_dim: u32 },
}

/// Channels of a head, keys and frames of attentions.
const ATTENTIONS: [(u32, u32, usize); 6] =
    [(64, 197, 64), (32, 197, 64), (80, 197, 64), (64, 257, 64), (64, 577, 32), (64, 1025, 16)];

/// What is timed, in the order of the report: the base of a kind before what is compared with it.
fn rows(quick: bool) -> Vec<Row> {
    // Dimensions that are divided where it is to be quick.
    let some = |count: u32, divisor: u32| if quick { count / divisor } else { count };
    let mut rows = Vec::new();
    let mut linear = |about: &str, [m, k, n]: [u32; 3], epilogue, frames, is_base| {
        let shape = Shape::Linear { rows: m, k, n, epilogue };
        let name = format!("linear {m} x {k} x {n}, {about}");
        rows.push(Row { name, shape, frames, is_base, tile: None });
    };
    let (few, frames) = (some(1576, 8), some(8, 4) as usize);
    linear("to int8", [few, 384, 1536], Epilogue::I8, frames, true);
    linear("through a table", [few, 384, 1536], Epilogue::Table, frames, false);
    linear("onto a residual stream", [few, 384, 1536], Epilogue::Residual, frames, false);
    linear("to int8", [few, 200, 1536], Epilogue::I8, frames, false);
    linear("to int8", [some(4096, 16); 3], Epilogue::I8, 1, false);
    let heads = some(6, 6);
    for (head_dim, keys, frames) in ATTENTIONS {
        let name = format!("attention of {heads} x {head_dim} channels, {keys} keys");
        let shape = Shape::Attention { keys, heads, head_dim };
        let frames = if quick { 1 } else { frames };
        rows.push(Row { name, shape, frames, is_base: [head_dim, keys] == [64, 197], tile: None });
    }
    rows
}

/// The products of a block of DeiT-S with every tile, and attention in every way, what they take of
/// themselves first.
fn tiles(gpu: &Gpu) -> Vec<Row> {
    let products = [
        ("qkv", 384, 1152, Epilogue::I8),
        ("proj", 384, 384, Epilogue::Residual),
        ("fc1", 384, 1536, Epilogue::Table),
        ("fc2", 1536, 384, Epilogue::Residual),
    ];
    let mut rows = Vec::new();
    for frames in [1, 8, 64] {
        for (about, k, n, epilogue) in products {
            for tile in [None].into_iter().chain(gpu.tiles().into_iter().map(Some)) {
                let name = format!("{about}, {}", tile.unwrap_or("of itself"));
                let shape = Shape::Linear { rows: 197, k, n, epilogue };
                rows.push(Row { name, shape, frames, is_base: tile.is_none(), tile });
            }
        }
    }
    for (head_dim, keys, frames) in ATTENTIONS.into_iter().chain([(64, 197, 1), (64, 197, 8)]) {
        let words = gpu.clone().with_matrices(None).tiles();
        // Where products alone have tiles, attention takes packed dot products.
        let ways = gpu.attention_tiles().into_iter().chain(words.into_iter().take(1));
        for tile in [None].into_iter().chain(ways.map(Some)) {
            let name = format!("attention of {keys} x {head_dim}, {}", tile.unwrap_or("of itself"));
            let shape = Shape::Attention { keys, heads: 6, head_dim };
            rows.push(Row { name, shape, frames, is_base: tile.is_none(), tile });
        }
    }
    rows
}

impl Shape {
    /// A program of this instruction, of its first `most` rows at most.
    fn model(self, most: u32) -> Result<Model, Box<dyn Error>> {
        let case = Case::one_op(String::new(), move |b| self.op(b, most));
        Ok(Model::from_bytes("a kernel", &write(&case.build(None).container)?)?)
    }

    fn op(self, b: &mut Builder, most: u32) -> Op {
        let s = &mut Source::new(1);
        match self {
            Shape::Linear { rows, k, n, epilogue } => {
                let rows = rows.min(most);
                Op::Linear(Linear {
                    rows,
                    k,
                    n,
                    x: b.act(s, DType::I8, rows * k),
                    weights: weights(b, n * k),
                    pack: Pack::RowMajor,
                    requant: per_channel(b, n),
                    out: destination(b, epilogue, rows * n),
                })
            }
            Shape::Attention { keys, heads, head_dim } => {
                let queries = keys.min(most);
                let shape =
                    AttentionShape { queries, keys, heads, head_dim, gap: 0, score_rows: 1, packed: true };
                let out = b.out(queries * shape.width());
                let op = shape.op(b, s, out);
                let (score, requant) = (per_channel(b, heads).scale, per_channel(b, heads).scale);
                Op::Attention(Attention { score, requant, ..op })
            }
        }
    }
}

fn weights(b: &mut Builder, len: u32) -> Blob<i8> {
    b.blob(&(0..len).map(|at| (mix(at, 3) as i8).max(-127)).collect::<Vec<_>>())
}

/// Biases and multipliers as scales give them, whatever else there was.
fn per_channel(b: &mut Builder, n: u32) -> PerChannel {
    let s = &mut Source::new(2);
    PerChannel { bias: b.blob(&s.biases(n)), scale: b.channels_from_scales(s, n) }
}

/// Where results go. Multipliers of a residual are such as scales give.
fn destination(b: &mut Builder, epilogue: Epilogue, len: u32) -> Destination {
    let residual = Residual {
        branch: Multiplier { mantissa: 3 << 29, shift: 36 },
        stream: Multiplier { mantissa: 1 << 30, shift: 30 },
    };
    match b.destination(&mut Source::new(3), epilogue, len) {
        Destination::I16 { out, residual: Some(_) } => Destination::I16 { out, residual: Some(residual) },
        other => other,
    }
}

/// The bytes of frame number `number`. Those of a program of fewer rows are the same, as far as
/// there are rows.
fn frame(model: &Model, number: usize) -> Vec<u8> {
    let input = |(index, bytes): (usize, u64)| {
        let seed = (number * 8 + index) as i32;
        (0..bytes as u32).map(move |at| mix(at, seed) as u8)
    };
    let container = model.container();
    container.inputs().map(|input| input.slot.bytes()).enumerate().flat_map(input).collect()
}

fn output(session: &mut Session, frames: &[Vec<u8>], number: usize) -> Result<Vec<i32>, Box<dyn Error>> {
    let batch = session.run_batch(frames)?;
    Ok(batch.frame(number).values(0).unwrap_or_default().to_vec())
}

impl Row {
    fn time(&self, gpu: &Gpu, mut heater: Option<&mut Heater>) -> Result<Timed, Box<dyn Error>> {
        let mut heat = |time| heater.as_mut().map_or(Ok(()), |heater| heater.run(time));
        let model = self.shape.model(u32::MAX)?;
        let mut session = model.session_on(gpu)?;
        let frames: Vec<Vec<u8>> = (0..self.frames).map(|number| frame(&model, number)).collect();
        self.compare(&mut session, &frames)?;
        heat(WARM)?;
        let mut nanoseconds = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            heat(REWARM)?;
            session.run_batch(&frames)?;
            nanoseconds.push(session.engine().device_nanoseconds().ok_or("the GPU does not tell the time")?);
        }
        nanoseconds.sort_unstable();
        let macs: u64 = model.container().instructions().map(|instruction| instruction.op.macs()).sum();
        Ok(Timed { nanoseconds: nanoseconds[RUNS / 2], macs: macs * self.frames as u64 })
    }

    /// Compares the first rows of the first and the last of `frames` with the processor's.
    fn compare(&self, session: &mut Session, frames: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
        let model = self.shape.model(COMPARED)?;
        let mut reference = model.session_on(&Cpu::best())?;
        for number in [0, frames.len() - 1] {
            let expected = output(&mut reference, &[frame(&model, number)], 0)?;
            let found = output(session, frames, number)?;
            if found.get(..expected.len()) != Some(&expected) {
                return Err(format!("{}: another result than the processor's", self.name).into());
            }
        }
        Ok(())
    }
}

/// The median of a row.
struct Timed {
    nanoseconds: u64,
    macs: u64,
}

impl Timed {
    fn fs_per_mac(&self) -> f64 {
        self.nanoseconds as f64 * 1e6 / self.macs as f64
    }

    fn print(&self, row: &Row, ratio: f64, json: bool) {
        let (ms, tops) =
            (self.nanoseconds as f64 / 1e6, 2.0 * self.macs as f64 / self.nanoseconds as f64 / 1e3);
        let (name, frames, per_mac) = (&row.name, row.frames, self.fs_per_mac());
        if json {
            println!(
                r#"{{"kernel": "{name}", "frames": {frames}, "device_ms": {ms}, "macs": {}, "tops": {tops}, "fs_per_mac": {per_mac}, "ratio": {ratio}}}"#,
                self.macs
            );
        } else {
            println!("{name:<46} {frames:>6} {ms:>9.4} {tops:>8.2} {per_mac:>10.2} {ratio:>7.2}");
        }
    }
}
