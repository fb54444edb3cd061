//! How long one thread takes for a frame with each kernel set that this machine runs, or with some:
//! `cargo run --release --example kernels -- model.shf [SET...]`.

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use shiftformer::{Cpu, Model};

/// How long frames are repeated, and how often at least.
const DURATION: Duration = Duration::from_secs(3);
const MIN_RUNS: usize = 5;

/// The least and the median time of a frame by the kernel set called `name`.
pub fn time(model: &Model, name: &str) -> Result<(Duration, Duration), Box<dyn Error>> {
    let cpu = Cpu::best().with_kernels(name)?.with_threads(NonZeroUsize::MIN);
    let mut session = model.session_on(&cpu)?;
    let frame = vec![100; model.frame_len()];
    session.run(&frame)?;
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.len() < MIN_RUNS || begin.elapsed() < DURATION {
        let start = Instant::now();
        session.run(&frame)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok((times[0], times[times.len() / 2]))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let model = Model::open(args.next().ok_or("usage: kernels MODEL.shf [SET...]")?)?;
    let chosen: Vec<String> = args.collect();
    for name in Cpu::kernel_sets().map(|set| set.name()) {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            let (least, median) = time(&model, name)?;
            let [least, median] = [least, median].map(|time| time.as_secs_f64() * 1e3);
            println!("{name:12} {least:9.2} ms at least, {median:9.2} ms in the median");
        }
    }
    Ok(())
}
