//! What kernels are measured against.

use std::time::Instant;

use super::Cpu;

/// Rounds of one measurement: under a millisecond. The fastest of many counts, so that neither a
/// clock that has to rise first nor other programs lower it.
const ROUNDS: u32 = 100_000;
const MEASUREMENTS: usize = 30;

impl Cpu {
    /// The most multiply-accumulates of int8 a second that one core has for the kernels' instructions: a
    /// loop over registers alone, measured now. `None` for kernels that are not written for one instruction
    /// set.
    pub fn peak_macs_per_second(&self) -> Option<f64> {
        let peak = cpu::Peak::of(self.kernels.name())?;
        let measured = (0..MEASUREMENTS).map(|_| {
            let begin = Instant::now();
            let macs = peak.run(ROUNDS);
            macs as f64 / begin.elapsed().as_secs_f64()
        });
        Some(measured.fold(0.0, f64::max))
    }
}
