//! The time of one dispatch, by the GPU's own clock.

use std::time::{Duration, Instant};

use crate::clock::{self, Clock};
use crate::compile::at_once;
use crate::device::Gpu;
use crate::error::RunError;
use crate::memory::buffer;
use crate::selftest::mapped;

/// Most passes that are timed.
const PASSES: usize = 15;
/// Nanoseconds that a pass lasts at least, where a dispatch is short: a pass itself takes some.
const PASS: u64 = 200_000;
/// Nanoseconds that all passes of a dispatch last, where [`FEWEST`] do not last longer.
const ALL: u64 = 20_000_000;
const FEWEST: u64 = 3;
/// A dispatch that takes as many nanoseconds is timed once.
const SLOW: u64 = 300_000_000;
/// How long a GPU is kept busy until its clock is that of work.
const WARM: Duration = Duration::from_millis(300);

/// What is timed.
pub(super) struct Work<'w> {
    pub pipeline: &'w wgpu::ComputePipeline,
    pub group: &'w wgpu::BindGroup,
    pub grid: [u32; 2],
    pub frames: u32,
}

/// The clock of a GPU.
pub(super) struct Stopwatch<'g>(&'g Gpu);

impl<'g> Stopwatch<'g> {
    /// That of `gpu`; `None` where it does not tell the time.
    pub(super) fn new(gpu: &'g Gpu) -> Option<Self> {
        // A browser tells results later than they can be waited for.
        let waits = cfg!(not(target_arch = "wasm32"));
        (waits && gpu.adapter().timestamps).then_some(Self(gpu))
    }

    /// Keeps it busy with `work`.
    pub(super) fn warm(&self, work: &Work<'_>) -> Result<(), RunError> {
        let begin = Instant::now();
        while begin.elapsed() < WARM {
            self.passes(work, PASSES, 1)?;
        }
        Ok(())
    }

    /// Nanoseconds of `work`, the median of some passes.
    pub(super) fn time(&self, work: &Work<'_>) -> Result<u64, RunError> {
        let once = self.passes(work, 1, 1)?.first().copied().unwrap_or(0).max(1);
        if once >= SLOW {
            return Ok(once);
        }
        let times = PASS.div_ceil(once).min(64);
        let passes = (ALL / (once * times)).clamp(FEWEST, PASSES as u64) as usize;
        let mut nanoseconds = self.passes(work, passes, times)?;
        nanoseconds.sort_unstable();
        Ok(nanoseconds[nanoseconds.len() / 2] / times)
    }

    /// The time of each of so many passes, in which `work` is done so many `times`.
    fn passes(&self, work: &Work<'_>, passes: usize, times: u64) -> Result<Vec<u64>, RunError> {
        let gpu = self.0;
        // As many as are timed: a query that nothing has written is not to be read.
        let clock = Clock::new(gpu, passes).ok_or(RunError::Lost)?;
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        for at in 0..passes {
            let timestamp_writes = Some(clock.around(at));
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            pass.set_pipeline(work.pipeline);
            pass.set_bind_group(0, work.group, &[]);
            for _ in 0..times {
                pass.dispatch_workgroups(work.grid[0], work.grid[1], work.frames);
            }
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let readback = buffer(gpu, "the times", clock.bytes(), usage)?;
        clock.read(&mut encoder, &readback, 0);
        let index = gpu.queue().submit([encoder.finish()]);
        at_once(mapped(gpu, &readback, index)).ok_or(RunError::Lost)??;
        let view = readback.slice(..).get_mapped_range().map_err(|_| RunError::Lost)?;
        let times = clock::nanoseconds(&view, gpu.queue().get_timestamp_period());
        Ok(times.collect())
    }
}
