//! A program in the memory of a GPU, and its runs.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use runtime::{Model, SlotHandle};

use crate::clock::Clock;
use crate::compile::at_once;
use crate::device::Gpu;
use crate::error::{PlanError, RunError};
use crate::memory::{Constants, buffer};
use crate::pieces::Pieces;
use crate::plan::{Kernel, Launch, Plan};
use crate::selftest::{self, Case};
use crate::source::Text;
use crate::submission::{Seen, Submission};
use crate::transfer::{Lent, Transfers, frame_bytes};

/// A program on a GPU: constants in its memory, kernels compiled.
pub struct Program {
    gpu: Gpu,
    plan: Plan,
    /// The steps that the outputs depend on, in order.
    needed: Arc<[usize]>,
    /// Of every kernel, once a run has asked for it and its test has passed.
    pipelines: Vec<Option<wgpu::ComputePipeline>>,
    /// What each kernel is tested with; `None` for those that were tested before.
    cases: Vec<Option<Case>>,
    constants: Constants,
    /// Bytes of each input in an arena.
    inputs: Vec<Range<u64>>,
    outputs: Vec<SlotHandle>,
    /// The outputs of each frame among the results.
    pieces: Arc<Pieces>,
    /// Of a whole submission.
    clock: Option<Clock>,
    /// Room for some frames, and for each step what it is bound to there.
    arena: Option<Arena>,
    transfers: Arc<Transfers>,
    /// Made while the GPU was at work with the last submission, for one of as many frames.
    next: Option<Orders>,
}

/// What the GPU is to do with some frames, once they are there.
struct Orders {
    frames: usize,
    commands: wgpu::CommandBuffer,
    lent: Lent,
    pieces: Arc<Pieces>,
    seen: Vec<Seen>,
    /// Bytes of the times among the results.
    times: Option<Range<u64>>,
}

struct Arena {
    buffer: wgpu::Buffer,
    frames: usize,
    groups: Vec<wgpu::BindGroup>,
}

impl Program {
    /// Brings `model`, whose instructions run without tiles, to `gpu`, compiles its kernels and tests
    /// those that were not tested there: each runs a small instruction, which is compared with the
    /// reference. Products go without the tiles of a kernel that fails, see [`Gpu::disabled`].
    ///
    /// # Errors
    ///
    /// [`PlanError`] where an instruction has no shader, a shader fails its test and has no
    /// alternative, or a piece of memory exceeds what the GPU can address: no frame has run then.
    pub async fn load(gpu: &Gpu, model: &Model<'_>) -> Result<Self, PlanError> {
        loop {
            let mut program = Self::new(gpu, model)?;
            // A browser tells the results of tests later than `submit` can wait for them.
            let kernels = if cfg!(target_arch = "wasm32") {
                (0..program.plan.kernels.len()).collect()
            } else {
                program.launched(&program.needed, 1)
            };
            let failed = program.compile(kernels).await?;
            if failed.is_empty() {
                return Ok(program);
            }
            let mut failed = failed.into_iter().map(|kernel| &program.plan.kernels[kernel]);
            if let Some(kernel) = failed.find(|kernel| kernel.row.is_none()) {
                let adapter = gpu.adapter().name.clone();
                return Err(PlanError::Miscompiled { kernel: kernel.name, adapter });
            }
        }
    }

    /// Without kernels.
    fn new(gpu: &Gpu, model: &Model<'_>) -> Result<Self, PlanError> {
        let plan = Plan::of(model, gpu.means())?;
        let limit = gpu.binding_bytes.min(gpu.buffer_bytes);
        let bytes = u64::from(plan.frame_words) * 4;
        if bytes > limit {
            return Err(PlanError::TooLarge { what: "the memory of one frame", bytes, limit });
        }
        gpu.ready()?;
        let constants = Constants::upload(gpu, &plan)?;
        let pipelines = vec![None; plan.kernels.len()];
        let tested = |kernel: &Kernel| gpu.verdicts().of(kernel).is_some();
        let case =
            |(kernel, op)| (!tested(kernel)).then(|| Case::of(kernel, op, model.blobs(), gpu.hardware));
        let cases = plan.kernels.iter().zip(&plan.users).map(case).collect();
        let range = |slot: SlotHandle| u64::from(slot.offset)..u64::from(slot.offset) + slot.bytes();
        let inputs = model.inputs().map(|input| range(input.slot)).collect();
        let outputs: Vec<SlotHandle> = model.outputs().map(|output| output.slot).collect();
        Ok(Self {
            gpu: gpu.clone(),
            needed: plan.needed().into(),
            plan,
            pipelines,
            cases,
            constants,
            inputs,
            pieces: Arc::new(Pieces::of(&outputs)),
            outputs,
            clock: Clock::new(gpu, 1),
            arena: None,
            transfers: Arc::default(),
            next: None,
        })
    }

    /// What `steps` take for `frames` frames.
    fn launched(&self, steps: &[usize], frames: usize) -> BTreeSet<usize> {
        steps.iter().map(|&at| self.plan.steps[at].launch(frames).kernel).collect()
    }

    /// Compiles and tests `kernels` where that has not been done. Returns those that fail their test.
    async fn compile(&mut self, kernels: BTreeSet<usize>) -> Result<Vec<usize>, RunError> {
        let all = &self.plan.kernels;
        let missing: Vec<usize> =
            kernels.into_iter().filter(|&kernel| self.pipelines[kernel].is_none()).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let sources: Vec<&Kernel> = missing.iter().map(|&kernel| &all[kernel]).collect();
        let compiled = self.gpu.compiled().all(self.gpu.device(), &sources)?;
        self.gpu.compiled().keep(&sources, self.gpu.kept());
        let verdict = |kernel: usize| self.gpu.verdicts().of(&all[kernel]);
        let untested = missing.iter().filter(|&&kernel| verdict(kernel).is_none());
        let cases: Vec<&Case> = untested.filter_map(|&kernel| self.cases[kernel].as_ref()).collect();
        selftest::run(&self.gpu, &cases).await?;
        let mut failed = Vec::new();
        for (kernel, pipeline) in missing.into_iter().zip(compiled) {
            if verdict(kernel) == Some(true) {
                self.pipelines[kernel] = Some(pipeline);
            } else {
                failed.push(kernel);
            }
        }
        Ok(failed)
    }

    /// Makes `steps` ready to run on `frames` frames. Where a kernel for many frames fails its test,
    /// the one for fewer stays in its place.
    fn ready(&mut self, steps: &[usize], frames: usize) -> Result<(), RunError> {
        loop {
            let kernels = self.launched(steps, frames);
            let failed = at_once(self.compile(kernels)).expect("what waits was tested by `load`")?;
            if failed.is_empty() {
                return Ok(());
            }
            let mut first = steps.iter().map(|&at| self.plan.steps[at].launch.kernel);
            if let Some(kernel) = first.find(|kernel| failed.contains(kernel)) {
                return Err(RunError::Miscompiled { kernel: self.plan.kernels[kernel].name });
            }
            for step in &mut self.plan.steps {
                step.larger.retain(|(_, launch)| !failed.contains(&launch.kernel));
            }
        }
    }

    /// The GPU.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Most frames of one submission.
    pub fn most_frames(&self) -> usize {
        let limit = self.gpu.binding_bytes.min(self.gpu.buffer_bytes);
        let most = limit / self.frame_bytes();
        // Workgroups in one dimension, which is the frames'.
        most.clamp(1, 65535) as usize
    }

    /// Bytes of GPU memory that the program holds: its constants, and the arenas of the largest
    /// submission so far.
    pub fn memory_bytes(&self) -> u64 {
        let frames = self.arena.as_ref().map_or(0, |arena| arena.frames);
        self.constants.bytes() + frames as u64 * self.frame_bytes()
    }

    /// What its kernels are written in: `wgsl`, and `matrices` where some multiply cooperative matrices.
    pub fn kernels(&self) -> &'static str {
        let passed_through = |kernel: &Kernel| matches!(kernel.text, Text::Spirv(_));
        if self.plan.kernels.iter().any(passed_through) { "wgsl+matrices" } else { "wgsl" }
    }

    /// Dispatches of one submission.
    pub fn dispatches(&self) -> usize {
        self.needed.len()
    }

    fn frame_bytes(&self) -> u64 {
        u64::from(self.plan.frame_words) * 4
    }

    /// Runs `frames`, each the bytes of all inputs one after another, at most
    /// [`most_frames`](Self::most_frames) of them. Returns as soon as the GPU has its orders.
    ///
    /// # Errors
    ///
    /// [`RunError::Memory`] where there is no memory for so many frames.
    ///
    /// # Panics
    ///
    /// If there are none or too many, or one has another size.
    pub fn submit(&mut self, frames: &[&[u8]]) -> Result<Submission, RunError> {
        assert!((1..=self.most_frames()).contains(&frames.len()), "{} frames", frames.len());
        if self.gpu.has_failed() {
            return Err(RunError::Lost);
        }
        self.ready(&Arc::clone(&self.needed), frames.len())?;
        self.reserve(frames.len())?;
        let next = self.next.take().filter(|next| next.frames == frames.len());
        let orders = next.map_or_else(|| self.orders(frames.len()), Ok)?;
        let submission = self.give(orders, frames)?;
        // What fails here fails in the submission that needs it.
        self.next = self.orders(frames.len()).ok();
        Ok(submission)
    }

    /// Gives the GPU `orders` with their `frames`.
    fn give(&self, mut orders: Orders, frames: &[&[u8]]) -> Result<Submission, RunError> {
        orders.lent.transfer.write(frames, &self.inputs)?;
        let index = self.gpu.queue().submit([orders.commands]);
        let landing = orders.lent.transfer.map();
        Ok(Submission {
            gpu: self.gpu.clone(),
            lent: orders.lent,
            landing,
            index,
            pieces: orders.pieces,
            frames: orders.frames,
            seen: orders.seen,
            times: orders.times,
        })
    }

    /// What the GPU is to do with `frames` frames, for which there is room.
    fn orders(&self, frames: usize) -> Result<Orders, RunError> {
        let (pieces, clock) = (Arc::clone(&self.pieces), self.clock.as_ref());
        let (lent, times) = self.lend(&self.transfers, (frames, &pieces), clock)?;
        let arena = self.arena.as_ref().expect("room for the frames");
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        let places = (frames, self.inputs.as_slice());
        lent.transfer.bring(&mut encoder, places, (&arena.buffer, self.frame_bytes()));
        {
            let timestamp_writes = clock.map(|clock| clock.around(0));
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            for &at in &*self.needed {
                self.encode(&mut pass, arena, at, frames);
            }
        }
        for frame in 0..frames as u64 {
            let (from, to) = (frame * self.frame_bytes(), frame * pieces.bytes);
            pieces.copy(&mut encoder, (&arena.buffer, from), (lent.transfer.results(), to));
        }
        if let Some((clock, times)) = clock.zip(times.as_ref()) {
            clock.read(&mut encoder, lent.transfer.results(), times.start);
        }
        Ok(Orders { frames, commands: encoder.finish(), lent, pieces, seen: Vec::new(), times })
    }

    /// Memory for `frames` frames and their results, of which `pieces` are those of each, and where
    /// in the results the times of `clock` are.
    fn lend(
        &self,
        transfers: &Arc<Transfers>,
        (frames, pieces): (usize, &Pieces),
        clock: Option<&Clock>,
    ) -> Result<(Lent, Option<Range<u64>>), RunError> {
        let results = pieces.bytes * frames as u64;
        let times = clock.map(|clock| results..results + clock.bytes());
        let bytes = times.as_ref().map_or(results, |times| times.end);
        Ok((transfers.lend(&self.gpu, frame_bytes(&self.inputs) * frames as u64, bytes)?, times))
    }

    fn encode(&self, pass: &mut wgpu::ComputePass<'_>, arena: &Arena, at: usize, frames: usize) {
        let Launch { kernel, grid: [x, y] } = self.plan.steps[at].launch(frames);
        pass.set_pipeline(self.pipelines[kernel].as_ref().expect("compiled before"));
        pass.set_bind_group(0, &arena.groups[at], &[]);
        pass.dispatch_workgroups(x, y, frames as u32);
    }

    /// Makes room for `frames` frames.
    fn reserve(&mut self, frames: usize) -> Result<(), RunError> {
        if self.arena.as_ref().is_some_and(|arena| arena.frames >= frames) {
            return Ok(());
        }
        // What refers to the smaller memory goes first, so that it can be given back.
        (self.next, self.arena) = (None, None);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let bytes = frames as u64 * self.frame_bytes();
        let buffer = buffer(&self.gpu, "the memory of all frames", bytes, usage)?;
        let group = |at| self.constants.group(&self.gpu, &buffer, at);
        let groups = (0..self.plan.steps.len()).map(group).collect();
        self.arena = Some(Arena { buffer, frames, groups });
        Ok(())
    }

    /// Runs one frame, and notes the time and the hash of every instruction.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit), and [`RunError::Miscompiled`] where a kernel fails its test that
    /// only rows take which no output depends on.
    ///
    /// # Panics
    ///
    /// If the frame has another size.
    pub fn observe(&mut self, frame: &[u8]) -> Result<Submission, RunError> {
        let steps: Vec<usize> = (0..self.plan.steps.len()).collect();
        self.ready(&steps, 1)?;
        self.reserve(1)?;
        let orders = self.observing()?;
        self.give(orders, &[frame])
    }

    /// What the GPU is to do with a frame of which every instruction is observed.
    fn observing(&self) -> Result<Orders, RunError> {
        let (pieces, seen) = self.observed();
        let clock = Clock::new(&self.gpu, self.plan.instructions.len());
        // Large and for once: nothing of it is kept.
        let (lent, times) = self.lend(&Arc::default(), (1, &pieces), clock.as_ref())?;
        let arena = self.arena.as_ref().expect("room for the frame");
        let results = lent.transfer.results();
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        let places = (1, self.inputs.as_slice());
        lent.transfer.bring(&mut encoder, places, (&arena.buffer, self.frame_bytes()));
        for (at, (instruction, seen)) in self.plan.instructions.iter().zip(&seen).enumerate() {
            {
                let timestamp_writes = clock.as_ref().map(|clock| clock.around(at));
                let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
                let mut pass = encoder.begin_compute_pass(&descriptor);
                for at in instruction.steps.clone() {
                    self.encode(&mut pass, arena, at, 1);
                }
            }
            for piece in &pieces.all[seen.pieces.clone()] {
                piece.copy(&mut encoder, (&arena.buffer, 0), (results, 0));
            }
        }
        for piece in &pieces.all[..self.outputs.len()] {
            piece.copy(&mut encoder, (&arena.buffer, 0), (results, 0));
        }
        if let Some((clock, times)) = clock.as_ref().zip(times.as_ref()) {
            clock.read(&mut encoder, results, times.start);
        }
        let commands = encoder.finish();
        Ok(Orders { frames: 1, commands, lent, pieces: Arc::new(pieces), seen, times })
    }

    /// The outputs, and then the results of every instruction.
    fn observed(&self) -> (Pieces, Vec<Seen>) {
        let mut slots = self.outputs.clone();
        let mut seen = Vec::new();
        for instruction in &self.plan.instructions {
            let parts = instruction.written.into_iter().flatten();
            let first = slots.len();
            let firsts = parts.clone().map(|part| part.first).collect();
            slots.extend(parts.map(|part| part.slot));
            seen.push(Seen { instruction: instruction.index, pieces: first..slots.len(), firsts });
        }
        (Pieces::of(&slots), seen)
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("gpu", &self.gpu).field("dispatches", &self.dispatches()).finish()
    }
}
