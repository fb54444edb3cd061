//! A program in the memory of a GPU, and its runs.

use std::collections::BTreeSet;
use std::ops::Range;

use runtime::{Model, SlotHandle};

use crate::clock::Clock;
use crate::device::Gpu;
use crate::error::{PlanError, RunError};
use crate::memory::{Constants, buffer};
use crate::pieces::Pieces;
use crate::plan::{Kernel, Launch, Plan};
use crate::submission::{Seen, Submission};

/// A program on a GPU: constants in its memory, kernels compiled.
pub struct Program {
    gpu: Gpu,
    plan: Plan,
    /// Of every kernel, once a run has asked for it.
    pipelines: Vec<Option<wgpu::ComputePipeline>>,
    constants: Constants,
    /// Bytes of each input in an arena.
    inputs: Vec<Range<u64>>,
    outputs: Vec<SlotHandle>,
    /// Of a whole submission.
    clock: Option<Clock>,
    /// Room for some frames, and for each step what it is bound to there.
    arena: Option<Arena>,
}

struct Arena {
    buffer: wgpu::Buffer,
    frames: usize,
    groups: Vec<wgpu::BindGroup>,
}

impl Program {
    /// Brings `model`, whose instructions run without tiles, to `gpu` and compiles its kernels.
    ///
    /// # Errors
    ///
    /// [`PlanError`] where an instruction has no shader or a piece of memory exceeds what the
    /// GPU can address: nothing has run then.
    pub async fn load(gpu: &Gpu, model: &Model<'_>) -> Result<Self, PlanError> {
        let plan = Plan::of(model)?;
        let limit = gpu.binding_bytes.min(gpu.buffer_bytes);
        let bytes = u64::from(plan.frame_words) * 4;
        if bytes > limit {
            return Err(PlanError::TooLarge { what: "the memory of one frame", bytes, limit });
        }
        let constants = Constants::upload(gpu, &plan)?;
        let pipelines = vec![None; plan.kernels.len()];
        let range = |slot: SlotHandle| u64::from(slot.offset)..u64::from(slot.offset) + slot.bytes();
        let inputs = model.inputs().map(|input| range(input.slot)).collect();
        let outputs = model.outputs().map(|output| output.slot).collect();
        let clock = Clock::new(gpu, 1);
        let arena = None;
        let mut program =
            Self { gpu: gpu.clone(), plan, pipelines, constants, inputs, outputs, clock, arena };
        program.compile(program.plan.needed(), 1)?;
        Ok(program)
    }

    /// Compiles what `steps` take for `frames` frames, where that has not been done.
    fn compile(&mut self, steps: Vec<usize>, frames: usize) -> Result<(), RunError> {
        let kernels = steps.into_iter().map(|at| self.plan.steps[at].launch(frames).kernel);
        let missing: BTreeSet<usize> = kernels.filter(|&kernel| self.pipelines[kernel].is_none()).collect();
        let sources: Vec<&Kernel> = missing.iter().map(|&kernel| &self.plan.kernels[kernel]).collect();
        let compiled = self.gpu.compiled().all(self.gpu.device(), &sources)?;
        for (kernel, pipeline) in missing.into_iter().zip(compiled) {
            self.pipelines[kernel] = Some(pipeline);
        }
        Ok(())
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

    /// Dispatches of one submission.
    pub fn dispatches(&self) -> usize {
        self.plan.needed().len()
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
        self.compile(self.plan.needed(), frames.len())?;
        self.reserve(frames.len())?;
        self.write(frames);
        let pieces = Pieces::of(&self.outputs);
        let times_at = (pieces.bytes * frames.len() as u64).next_multiple_of(8);
        let clock_bytes = self.clock.as_ref().map_or(0, Clock::bytes);
        let readback = self.readback(times_at + clock_bytes)?;
        let arena = self.arena.as_ref().expect("reserved above");
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        {
            let timestamp_writes = self.clock.as_ref().map(|clock| clock.around(0));
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            for at in self.plan.needed() {
                self.encode(&mut pass, arena, at, frames.len());
            }
        }
        for frame in 0..frames.len() as u64 {
            let (from, to) = (frame * self.frame_bytes(), frame * pieces.bytes);
            pieces.copy(&mut encoder, (&arena.buffer, from), (&readback, to));
        }
        if let Some(clock) = &self.clock {
            clock.read(&mut encoder, &readback, times_at);
        }
        let index = self.gpu.queue().submit([encoder.finish()]);
        let times_at = self.clock.as_ref().map(|_| times_at);
        Ok(Submission::new(self.gpu.clone(), (readback, times_at), index, pieces, frames.len()))
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
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer =
            buffer(&self.gpu, "the memory of all frames", frames as u64 * self.frame_bytes(), usage)?;
        let groups = (0..self.plan.steps.len()).map(|at| self.group(&buffer, at)).collect();
        self.arena = Some(Arena { buffer, frames, groups });
        Ok(())
    }

    fn group(&self, arena: &wgpu::Buffer, at: usize) -> wgpu::BindGroup {
        let [constants, params] = self.constants.of(at);
        let resources = [arena.as_entire_binding(), constants, params];
        let entry = |(binding, resource)| wgpu::BindGroupEntry { binding, resource };
        let entries: Vec<_> = (0..).zip(resources).map(entry).collect();
        let layout = self.gpu.bindings();
        self.gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout,
            entries: &entries,
        })
    }

    /// Brings frames to the beginnings of their arenas.
    fn write(&self, frames: &[&[u8]]) {
        let Some(arena) = &self.arena else { return };
        for (at, frame) in frames.iter().enumerate() {
            let mut rest = *frame;
            for input in &self.inputs {
                let (bytes, tail) = rest.split_at((input.end - input.start) as usize);
                rest = tail;
                let start = at as u64 * self.frame_bytes() + input.start;
                // Whole words: nothing but inputs, which begin at multiples of 16, is there yet.
                let size = (bytes.len() as u64).next_multiple_of(4);
                let Some(size) = wgpu::BufferSize::new(size) else { continue };
                if let Some(mut view) = self.gpu.queue().write_buffer_with(&arena.buffer, start, size) {
                    view.slice(..bytes.len()).copy_from_slice(bytes);
                }
            }
            assert!(rest.is_empty(), "a frame of {} bytes", frame.len());
        }
    }

    fn readback(&self, bytes: u64) -> Result<wgpu::Buffer, RunError> {
        buffer(&self.gpu, "the results", bytes, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)
    }

    /// Runs one frame, and notes the time and the hash of every instruction.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    ///
    /// # Panics
    ///
    /// If the frame has another size.
    pub fn observe(&mut self, frame: &[u8]) -> Result<Submission, RunError> {
        self.compile((0..self.plan.steps.len()).collect(), 1)?;
        self.reserve(1)?;
        self.write(&[frame]);
        let mut slots = self.outputs.clone();
        let mut seen = Vec::new();
        for instruction in &self.plan.instructions {
            let parts = instruction.written.into_iter().flatten();
            let first = slots.len();
            let firsts = parts.clone().map(|part| part.first).collect();
            slots.extend(parts.map(|part| part.slot));
            seen.push(Seen { instruction: instruction.index, pieces: first..slots.len(), firsts });
        }
        let pieces = Pieces::of(&slots);
        let clock = Clock::new(&self.gpu, self.plan.instructions.len());
        let clock_bytes = clock.as_ref().map_or(0, Clock::bytes);
        let times_at = pieces.bytes.next_multiple_of(8);
        let readback = self.readback(times_at + clock_bytes)?;
        let arena = self.arena.as_ref().expect("reserved above");
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
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
                piece.copy(&mut encoder, (&arena.buffer, 0), (&readback, 0));
            }
        }
        for piece in &pieces.all[..self.outputs.len()] {
            piece.copy(&mut encoder, (&arena.buffer, 0), (&readback, 0));
        }
        if let Some(clock) = &clock {
            clock.read(&mut encoder, &readback, times_at);
        }
        let index = self.gpu.queue().submit([encoder.finish()]);
        let times_at = clock.as_ref().map(|_| times_at);
        let mut submission = Submission::new(self.gpu.clone(), (readback, times_at), index, pieces, 1);
        submission.seen = seen;
        Ok(submission)
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("gpu", &self.gpu).field("dispatches", &self.dispatches()).finish()
    }
}
