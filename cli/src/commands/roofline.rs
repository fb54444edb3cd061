//! `bench --roofline`: what each instruction takes, against what the processor could do.

use std::num::NonZeroUsize;

use serde::Serialize;
use shiftformer::quant::operand::{Operand, Role};
use shiftformer::{Cpu, Model, Observe};

use crate::failure::Failure;

/// Runs of the model; the fastest of each instruction counts.
const RUNS: usize = 5;

/// Every instruction of one image on one thread, and the peak of the same core.
#[derive(Debug, Serialize)]
pub struct Roofline {
    kernels: &'static str,
    /// Of a loop over registers alone, measured before and after the instructions.
    peak_gmacs_per_s: f64,
    instructions: Vec<Row>,
    /// The same for all instructions of an op.
    ops: Vec<Row>,
    total: Row,
}

/// One instruction, or several.
#[derive(Clone, Debug, Default, Serialize)]
struct Row {
    name: String,
    ms: f64,
    /// Of the time of all.
    share: f64,
    macs: u64,
    /// Of the multiply-accumulates that the peak has in this time.
    of_peak: f64,
    /// Read and written once: activations, weights and other constants.
    bytes: u64,
    gbytes_per_s: f64,
}

impl Row {
    /// Adds what `other` takes and does.
    fn add(&mut self, other: &Row) {
        self.ms += other.ms;
        self.macs += other.macs;
        self.bytes += other.bytes;
    }

    /// Fills in what follows from the time of all and from the peak.
    fn relate(&mut self, whole_ms: f64, peak: f64) {
        let seconds = (self.ms / 1e3).max(f64::MIN_POSITIVE);
        self.share = self.ms / whole_ms.max(f64::MIN_POSITIVE);
        self.of_peak = self.macs as f64 / seconds / peak;
        self.gbytes_per_s = self.bytes as f64 / seconds / 1e9;
    }
}

/// Measures `model` on `cpu`, one thread of it.
///
/// # Errors
///
/// A [`Failure`] for kernels without a peak.
pub fn measure(model: &Model, cpu: Cpu, frame: &[u8]) -> Result<Roofline, Failure> {
    let kernels = cpu.kernels().name();
    let Some(before) = cpu.peak_macs_per_second() else {
        return Err(Failure::new(format!(
            "the {kernels} kernels are for any processor: there is no peak of them"
        ))
        .help("--kernels chooses others; a name that is unknown lists them"));
    };
    let mut instructions = instructions(model, cpu.with_threads(NonZeroUsize::MIN), frame)?;
    let peak = cpu.peak_macs_per_second().unwrap_or(before).max(before);
    let mut total = Row { name: "all".to_owned(), ..Row::default() };
    let mut ops: Vec<Row> = Vec::new();
    for (op, row) in &instructions {
        total.add(row);
        match ops.iter_mut().find(|sum| sum.name == *op) {
            Some(sum) => sum.add(row),
            None => ops.push(Row { name: (*op).to_owned(), ..row.clone() }),
        }
    }
    let whole = total.ms;
    ops.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    let rows = instructions.iter_mut().map(|(_, row)| row);
    rows.chain(&mut ops).chain([&mut total]).for_each(|row| row.relate(whole, peak));
    let instructions = instructions.into_iter().map(|(_, row)| row).collect();
    Ok(Roofline { kernels, peak_gmacs_per_s: peak / 1e9, instructions, ops, total })
}

/// Every instruction with its op, as measured.
fn instructions(model: &Model, cpu: Cpu, frame: &[u8]) -> Result<Vec<(&'static str, Row)>, Failure> {
    let failed = |error| Failure::new(format!("{}: {error}", model.name()));
    let mut session = model.session_on(&cpu)?;
    let model = session.model().clone();
    let container = model.container();
    let mut rows: Vec<_> = container
        .instructions()
        .map(|instruction| {
            let (op, mut bytes) = (instruction.op, 0);
            op.operands(&mut |operand| bytes += moved(operand));
            let (name, ms, macs) = (instruction.name.to_owned(), f64::INFINITY, op.macs());
            (op.kind().name(), Row { name, ms, macs, bytes, ..Row::default() })
        })
        .collect();
    for _ in 0..RUNS {
        for event in session.run_observed(frame, Observe::Times).map_err(failed)?.events() {
            let (_, row) = &mut rows[event.instruction as usize];
            row.ms = row.ms.min(event.nanoseconds as f64 / 1e6);
        }
    }
    // What no step completes, such as the records of tiles, takes no time of its own.
    rows.retain(|(_, row)| row.ms.is_finite());
    Ok(rows)
}

/// Bytes of `operand` that are read and written.
fn moved(operand: Operand) -> u64 {
    match operand {
        Operand::Blob(blob) => blob.bytes(),
        Operand::Slot(slot) => match slot.role {
            Role::Read | Role::Write => slot.bytes(),
            Role::Update(_) => 2 * slot.bytes(),
            Role::Scratch => 0,
        },
    }
}

/// The lines of a table: instructions, then ops, then all.
pub fn text(roofline: &Roofline) -> Vec<String> {
    let Roofline { kernels, peak_gmacs_per_s: peak, instructions, ops, total } = roofline;
    let mut lines = vec![format!(
        "one thread of the {kernels} kernels, whose instructions multiply {peak:.1} GMAC/s in registers:"
    )];
    lines.extend(instructions.iter().map(line));
    lines.push("by op:".to_owned());
    lines.extend(ops.iter().chain([total]).map(line));
    lines
}

/// What multiplies is told against the peak; all of it by the bytes that it moves, which limit what
/// multiplies little.
fn line(row: &Row) -> String {
    let products = match row.macs {
        0 => String::new(),
        macs => format!(
            "{:.2} GMAC/s, {:.1} % of the peak",
            macs as f64 / row.ms.max(f64::MIN_POSITIVE) / 1e6,
            100.0 * row.of_peak
        ),
    };
    format!(
        "  {:<36} {:>9.3} ms {:>6.2} % {:>9.3} MB {:>7.2} GB/s  {products}",
        row.name,
        row.ms,
        100.0 * row.share,
        row.bytes as f64 / 1e6,
        row.gbytes_per_s
    )
}
