//! The test that every kernel passes before a program uses it: drivers compile shaders, and some
//! compile some of them wrong.
//!
//! A kernel's text depends on few sizes; the others are parameters. So each is tested with a small
//! [`Case`], an instruction like one that uses it, ragged wherever a kernel has tiles, on numbers
//! among which are the extremes of every type. Two frames of it run on the GPU and by the scalar
//! reference, and everything that they leave is compared: results are computed here rather than
//! stored, so that there is no table of hashes that a change of a kernel or of a tile could leave
//! behind. All cases that are due run in one submission. What comes of a text holds for the GPU, so
//! that a second program tests nothing anew.
//!
//! A program's first load takes for this about 10 ms of one core of the processor: DeiT-Small has 13
//! cases, which take 220 KiB a frame.

mod case;
mod fill;
mod shrink;

use std::collections::{BTreeSet, HashMap};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

pub(crate) use self::case::Case;
use self::case::{Batch, FRAMES};
pub(crate) use self::shrink::Sides;
use crate::device::Gpu;
use crate::error::RunError;
use crate::landing::{Landing, State};
use crate::memory::{Constants, buffer};
use crate::plan::{Kernel, Plan};
use crate::source::Text;

/// What was found out about kernels on a GPU, by their text.
#[derive(Default)]
pub(crate) struct Verdicts(Mutex<HashMap<Text, Verdict>>);

#[derive(Clone, Copy)]
struct Verdict {
    /// Whether it computes what the reference does.
    holds: bool,
    row: Option<&'static str>,
}

impl Verdicts {
    /// Whether `kernel` computes what the reference does; `None` before its test.
    pub(crate) fn of(&self, kernel: &Kernel) -> Option<bool> {
        self.all().get(&kernel.text).map(|verdict| verdict.holds)
    }

    /// Rows of tiles with a kernel that does not, in the order of their names.
    pub(crate) fn disabled(&self) -> Vec<&'static str> {
        let all = self.all();
        let rows = all.values().filter(|verdict| !verdict.holds).filter_map(|verdict| verdict.row);
        rows.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Notes what came of one case; of several, one that fails decides.
    fn note(&self, kernel: &Kernel, holds: bool) {
        let mut all = self.all();
        let verdict = all.entry(kernel.text.clone()).or_insert(Verdict { holds, row: kernel.row });
        verdict.holds &= holds;
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Text, Verdict>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `cases`, and notes of every kernel that they use whether it computes what the reference does.
///
/// # Errors
///
/// [`RunError`] where that could not be found out. Native drivers answer at once: the future is
/// pending in a browser alone.
pub(crate) async fn run(gpu: &Gpu, cases: &[&Case]) -> Result<(), RunError> {
    // Kernels of one instruction have one case.
    let mut different: Vec<&Case> = Vec::new();
    for case in cases {
        if !different.contains(case) {
            different.push(case);
        }
    }
    if different.is_empty() {
        return Ok(());
    }
    let batch = Batch::of(&different);
    let (plan, steps) = batch.plan();
    let kernels: Vec<&Kernel> = plan.kernels.iter().collect();
    let pipelines = gpu.compiled().all(gpu.device(), &kernels)?;
    let words = plan.frame_words as usize;
    let before: Vec<u32> = (0..FRAMES).flat_map(|frame| batch.arena(frame, words)).collect();
    let after = execute(gpu, &plan, &pipelines, &before).await?;
    for (at, steps) in steps.into_iter().enumerate() {
        let mut frames = before.chunks(words).zip(after.chunks(words));
        let holds = frames.all(|(before, after)| batch.agrees(at, before, after));
        for step in &plan.steps[steps] {
            gpu.verdicts().note(&plan.kernels[step.launch.kernel], holds);
        }
    }
    Ok(())
}

/// What `plan` makes of `arenas`, those of all frames.
async fn execute(
    gpu: &Gpu,
    plan: &Plan,
    pipelines: &[wgpu::ComputePipeline],
    arenas: &[u32],
) -> Result<Vec<u32>, RunError> {
    // Cases are small: limits that are set for programs are not for them.
    let gpu = &gpu.whole();
    let bytes = plan.constants.len() as u64 * 4;
    let too_large = |_| RunError::Memory { what: "the constants of the test of kernels", bytes };
    let constants = Constants::upload(gpu, plan).map_err(too_large)?;
    let bytes = arenas.len() as u64 * 4;
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let arena = buffer(gpu, "the test of kernels", bytes, usage)?;
    gpu.queue().write_buffer(&arena, 0, bytemuck::cast_slice(arenas));
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let readback = buffer(gpu, "the results of the test of kernels", bytes, usage)?;
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for (at, step) in plan.steps.iter().enumerate() {
            let [x, y] = step.launch.grid;
            pass.set_pipeline(&pipelines[step.launch.kernel]);
            pass.set_bind_group(0, &constants.group(gpu, &arena, at), &[]);
            pass.dispatch_workgroups(x, y, FRAMES);
        }
    }
    encoder.copy_buffer_to_buffer(&arena, 0, &readback, 0, bytes);
    let index = gpu.queue().submit([encoder.finish()]);
    mapped(gpu, &readback, index).await?;
    let view = readback.slice(..).get_mapped_range().map_err(|_| RunError::Lost)?;
    Ok(bytemuck::pod_collect_to_vec(&view))
}

/// Maps `buffer` as soon as submission `index` has ended.
pub(crate) async fn mapped(
    gpu: &Gpu,
    buffer: &wgpu::Buffer,
    index: wgpu::SubmissionIndex,
) -> Result<(), RunError> {
    let landing = Arc::new(Landing::default());
    let told = Arc::clone(&landing);
    buffer.slice(..).map_async(wgpu::MapMode::Read, move |result| told.end(result.is_ok()));
    // A browser answers later. A native driver may tell another thread, one that asks at the same
    // time, and that thread may take a moment to tell the landing.
    while cfg!(not(target_arch = "wasm32")) && landing.state() == State::Pending {
        let wait = wgpu::PollType::Wait { submission_index: Some(index.clone()), timeout: None };
        gpu.device().poll(wait).map_err(|_| RunError::Lost)?;
    }
    let ended = poll_fn(|context| {
        landing.wake_later(context.waker());
        match landing.state() {
            State::Pending => Poll::Pending,
            ended => Poll::Ready(ended),
        }
    });
    if ended.await == State::Done && !gpu.has_failed() { Ok(()) } else { Err(RunError::Lost) }
}
