//! `bench`: speed.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use conversion::frames;
use conversion::stream::failed;
use serde::Serialize;
use shiftformer::device::DeviceFacts;
use shiftformer::{Cpu, Model, Observe, Session};

use super::roofline::{self, Roofline};
use crate::failure::Failure;
use crate::memory::Memory;
use crate::output::{bytes, emit};
use crate::place::{EngineArgs, session};
use crate::progress::Progress;
use crate::subject::SubjectArgs;
use crate::threads::ThreadArgs;

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    subject: SubjectArgs,
    /// Images of a batch, spread over the threads.
    #[arg(long, value_name = "N", default_value = "1")]
    batch: NonZeroUsize,
    /// Batches to time [default: for 3 seconds, at least 3].
    #[arg(long, value_name = "N")]
    runs: Option<NonZeroUsize>,
    /// Time every instruction.
    #[arg(long)]
    profile: bool,
    /// Time every instruction on one thread of this machine's processor, and compare with what its
    /// instructions could multiply, which is measured too.
    #[arg(long)]
    roofline: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    threads: ThreadArgs,
}

const EXAMPLES: &str = r"Examples, in a clone (the first of `convert --help` makes model.shf):
  shiftformer bench model.shf
  shiftformer bench model.shf --threads 1 --profile
  shiftformer bench --arch deit-tiny --threads 1 --roofline
  shiftformer bench --arch deit-tiny --batch 8 --threads 4 --json";

/// Seed of the frame.
const SEED: u64 = 1;
/// How long batches are repeated, and how often at least and at most.
const DURATION: Duration = Duration::from_secs(3);
const MIN_RUNS: usize = 3;
const MAX_RUNS: usize = 1000;

#[derive(Debug, Serialize)]
struct Speed {
    model: String,
    /// Of a whole batch.
    median_ms: f64,
    min_ms: f64,
    images_per_s: f64,
    /// Of a whole batch by the GPU's own clock, transfers left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_median_ms: Option<f64>,
    /// Reading and checking the container, or building it, in milliseconds.
    open_ms: f64,
    /// From opening the engine to the first result, in milliseconds.
    first_result_ms: f64,
    /// After the first result, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    batch: usize,
    /// Of this machine, or emulators. One thread feeds a GPU.
    threads: usize,
    runs: usize,
    backend: String,
    kernels: String,
    /// Of one engine.
    arena_bytes: usize,
    /// Of a GPU: constants, and the arenas of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<OnDevice>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profile: Vec<Cost>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roofline: Option<Roofline>,
}

/// What a device says of one image. An emulator's nanoseconds are instructions.
#[derive(Debug, Serialize)]
struct OnDevice {
    nanoseconds: u64,
    ticks: u64,
    ticks_per_s: u32,
    stack_bytes: u32,
    stack_size: u32,
    arena_size: u32,
}

impl OnDevice {
    fn of(facts: DeviceFacts) -> Self {
        let DeviceFacts { ticks, hz, memory } = facts;
        let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(hz.max(1));
        Self {
            nanoseconds: nanoseconds as u64,
            ticks,
            ticks_per_s: hz,
            stack_bytes: memory.stack,
            stack_size: memory.stack_size,
            arena_size: memory.arena_size,
        }
    }
}

#[derive(Debug, Serialize)]
struct Cost {
    index: u32,
    name: String,
    op: &'static str,
    /// Of one image on one thread.
    ms: f64,
    macs: u64,
}

/// Measures the container.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let processor = args.roofline.then(|| args.engine.processor()).transpose()?;
    let begin = Instant::now();
    let file = args.subject.open()?;
    let open_ms = begin.elapsed().as_secs_f64() * 1e3;
    let frame = frames::random(&file, SEED);
    let begin = Instant::now();
    let backend = args.engine.backend(args.threads.count())?;
    let mut session = session(&file, backend.as_ref())?;
    // The session keeps what of it the engine reads.
    drop(file);
    if let Err(error) = session.run(&frame) {
        return Err(failed(&session, error));
    }
    let first_result_ms = begin.elapsed().as_secs_f64() * 1e3;
    let memory = Memory::of_this_process();
    let model = session.model().clone();
    let Times { wall: times, device: device_times } = time_batches(args, &mut session, &frame)?;
    let (batch, median_ms) = (args.batch.get(), times[times.len() / 2]);
    let gpu_memory_bytes = session.engine().memory_bytes();
    let threads = match session.fallback() {
        Some(_) => args.threads.count().get(),
        None if gpu_memory_bytes.is_some() => 1,
        None => backend.limits().parallel,
    };
    let (costs, device) = costs(args, &mut session, &frame)?;
    let roofline = processor.map(|cpu| roofline(cpu, &model, &frame)).transpose()?;
    let speed = Speed {
        model: model.name().to_owned(),
        median_ms,
        min_ms: times[0],
        images_per_s: batch as f64 * 1e3 / median_ms,
        device_median_ms: device_times.get(device_times.len() / 2).copied(),
        open_ms,
        first_result_ms,
        memory,
        batch,
        threads,
        runs: times.len(),
        backend: session.backend().to_owned(),
        kernels: session.kernels().to_owned(),
        arena_bytes: model.container().arena_len(),
        gpu_memory_bytes,
        device,
        profile: if args.profile { costs } else { Vec::new() },
        roofline,
    };
    emit(json, &speed, text)
}

/// Every instruction against the peak of the processor's kernels.
fn roofline(cpu: Cpu, model: &Model, frame: &[u8]) -> Result<Roofline, Failure> {
    let _progress = Progress::spinner(format!("measuring the instructions of {}", model.name()));
    roofline::measure(model, cpu, frame)
}

/// Milliseconds of batches, ascending.
struct Times {
    wall: Vec<f64>,
    /// By the engine's own clock, where it has one.
    device: Vec<f64>,
}

/// The times of every batch after the first; at least one.
fn time_batches(args: &Args, session: &mut Session, frame: &[u8]) -> Result<Times, Failure> {
    let _progress = Progress::spinner(format!("measuring {}", session.model().name()));
    let frames = vec![frame; args.batch.get()];
    let run = |session: &mut Session| match session.run_batch(&frames) {
        Ok(_) => Ok(()),
        Err(error) => Err(failed(session, error)),
    };
    run(session)?;
    let (begin, mut times) = (Instant::now(), Times { wall: Vec::new(), device: Vec::new() });
    let enough = |done: usize| match args.runs {
        Some(runs) => done >= runs.get(),
        None => done >= MIN_RUNS && (begin.elapsed() >= DURATION || done >= MAX_RUNS),
    };
    while !enough(times.wall.len()) {
        let start = Instant::now();
        run(session)?;
        times.wall.push(start.elapsed().as_secs_f64() * 1e3);
        times.device.extend(session.engine().device_nanoseconds().map(|spent| spent as f64 / 1e6));
    }
    times.wall.sort_by(f64::total_cmp);
    times.device.sort_by(f64::total_cmp);
    Ok(times)
}

/// The cost of every instruction, the fastest of three runs, and what a device says of the last;
/// of one run where no profile is asked for.
fn costs(args: &Args, session: &mut Session, frame: &[u8]) -> Result<(Vec<Cost>, Option<OnDevice>), Failure> {
    let model = session.model().clone();
    let container = model.container();
    let instructions: Vec<_> = container.instructions().collect();
    let (mut costs, mut device) = (BTreeMap::<u32, Cost>::new(), None);
    for _ in 0..if args.profile { MIN_RUNS } else { 1 } {
        let outputs = match session.run_observed(frame, Observe::Times) {
            Ok(outputs) => outputs,
            Err(error) => return Err(Failure::new(format!("{}: {error}", model.name()))),
        };
        for event in outputs.events() {
            let (ms, instruction) =
                (event.nanoseconds as f64 / 1e6, &instructions[event.instruction as usize]);
            let cost = costs.entry(event.instruction).or_insert_with(|| Cost {
                index: event.instruction,
                name: instruction.name.to_owned(),
                op: instruction.op.kind().name(),
                ms,
                macs: instruction.op.macs(),
            });
            cost.ms = cost.ms.min(ms);
        }
        device = outputs.device().map(OnDevice::of);
    }
    Ok((costs.into_values().collect(), device))
}

fn text(speed: &Speed) -> String {
    let total: f64 = speed.profile.iter().map(|cost| cost.ms).sum();
    let mut lines = Vec::new();
    for cost in &speed.profile {
        let (share, gmacs) = (100.0 * cost.ms / total, cost.macs as f64 / cost.ms / 1e6);
        let rate = if cost.macs > 0 { format!("{gmacs:.2} GMAC/s") } else { String::new() };
        lines.push(format!(
            "{:>5}  {:<34} {:<14} {:>9.3} ms {share:>6.2} %  {rate}",
            cost.index, cost.name, cost.op, cost.ms
        ));
    }
    lines.extend(speed.roofline.iter().flat_map(roofline::text));
    let threads = match speed.gpu_memory_bytes {
        Some(_) => String::new(),
        None => format!(", {} threads", speed.threads),
    };
    let engine = format!("{} ({} kernels{threads})", speed.backend, speed.kernels);
    lines.push(format!("{}: batch {} on {engine}", speed.model, speed.batch));
    lines.push(format!(
        "median {:.3} ms, fastest {:.3} ms of {} runs, {:.1} images/s, arena {}",
        speed.median_ms,
        speed.min_ms,
        speed.runs,
        speed.images_per_s,
        bytes(speed.arena_bytes as u64)
    ));
    lines.push(format!(
        "open in {:.1} ms, from opening the engine to the first result {:.1} ms",
        speed.open_ms, speed.first_result_ms
    ));
    if let Some(Memory { resident_bytes, peak_bytes }) = speed.memory {
        lines.push(format!("memory {} then, at most {}", bytes(resident_bytes), bytes(peak_bytes)));
    }
    if let Some(ms) = speed.device_median_ms {
        lines.push(format!("by the GPU's own clock {ms:.3} ms, transfers left out"));
    }
    if let Some(memory) = speed.gpu_memory_bytes {
        lines.push(format!("{} of the GPU's memory for constants and the arenas of a batch", bytes(memory)));
    }
    if let Some(device) = &speed.device {
        lines.push(format!(
            "on the device {:.3} ms an image ({} ticks of {} a second; an emulator's nanosecond is an instruction), \
             stack {} of {}, arena of {}",
            device.nanoseconds as f64 / 1e6,
            device.ticks,
            device.ticks_per_s,
            bytes(device.stack_bytes.into()),
            bytes(device.stack_size.into()),
            bytes(device.arena_size.into())
        ));
    }
    lines.join("\n")
}
