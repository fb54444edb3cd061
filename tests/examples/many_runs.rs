//! The bundled model, run a million times on two threads that share it, every logit compared with the
//! reference's, and the memory that the program holds before and after:
//! `cargo run --release -p shiftformer-tests --example many_runs [RUNS [THREADS]]`.

use std::env::args;
use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::time::Instant;

use shiftformer::{Cpu, Model, Session};
use shiftformer_tests::data;

/// Frames that are handed over at once.
const BATCH: usize = 250;

fn main() -> Result<(), Box<dyn Error>> {
    let runs: usize = args().nth(1).map_or(Ok(1_000_000), |runs| runs.parse())?;
    let threads: NonZeroUsize =
        args().nth(2).map_or(Ok(const { NonZeroUsize::new(2).unwrap() }), |n| n.parse())?;
    let model = Model::open(data::path("vit_fmnist.shf"))?;
    let frames = data::frames(&data::test_images(), 1000);
    let mut reference = model.session_on(&Cpu::reference().with_threads(threads))?;
    let expected: Vec<Vec<i32>> = logits(&mut reference, &frames)?.collect();
    drop(reference);

    let mut session = model.session_on(&Cpu::best().with_threads(threads))?;
    let mut differing = different(&mut session, &frames[..BATCH], &expected)?;
    let (before, begun) = (resident_bytes(), Instant::now());
    let mut done = BATCH;
    while done < runs {
        let at = done % frames.len();
        let count = BATCH.min(runs - done);
        differing += different(&mut session, &frames[at..at + count], &expected[at..])?;
        done += count;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{done} runs on {threads} threads with {} kernels in {seconds:.0} s", session.kernels());
    println!("resident after {BATCH} runs: {}, at the end: {}", words(before), words(resident_bytes()));
    println!("different logits: {differing}");
    if differing > 0 { Err("a result differs from the reference's".into()) } else { Ok(()) }
}

/// The logits of every frame.
fn logits<'s>(
    session: &'s mut Session,
    frames: &[Vec<u8>],
) -> Result<impl Iterator<Item = Vec<i32>> + 's, Box<dyn Error>> {
    Ok(session.run_batch(frames)?.iter().map(|outputs| outputs.values(0).unwrap_or_default().to_vec()))
}

/// How many logits of `frames` are not those that are expected.
fn different(
    session: &mut Session,
    frames: &[Vec<u8>],
    expected: &[Vec<i32>],
) -> Result<usize, Box<dyn Error>> {
    let of_frame = |(found, expected): (Vec<i32>, &Vec<i32>)| {
        let unequal = found.iter().zip(expected).filter(|(found, expected)| found != expected).count();
        unequal + found.len().abs_diff(expected.len())
    };
    Ok(logits(session, frames)?.zip(expected).map(of_frame).sum())
}

/// Bytes of this program that lie in memory; `None` where the system does not tell as Linux does.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn words(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".into(), |bytes| format!("{bytes} bytes"))
}
