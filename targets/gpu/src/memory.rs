//! Memory of a GPU.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::device::Gpu;
use crate::error::{PlanError, RunError};
use crate::plan::{Plan, Step};
use crate::source::PARAMS;

/// A new piece of memory, of at least 16 bytes; mapped where the processor is to write it.
pub(crate) fn buffer(
    gpu: &Gpu,
    what: &'static str,
    bytes: u64,
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer, RunError> {
    if bytes > gpu.buffer_bytes {
        return Err(RunError::Memory { what, bytes });
    }
    let size = bytes.max(16);
    let mapped_at_creation = usage.contains(wgpu::BufferUsages::MAP_WRITE);
    let descriptor = wgpu::BufferDescriptor { label: Some(what), size, usage, mapped_at_creation };
    Ok(gpu.device().create_buffer(&descriptor))
}

/// The constants and parameters of all steps: as many pieces of memory as the GPU's limit asks for.
pub(crate) struct Constants {
    pieces: Vec<wgpu::Buffer>,
    /// Of every step: the piece, the first byte and the bytes.
    places: Vec<(usize, u64, u64)>,
    params: wgpu::Buffer,
    bytes: u64,
}

/// Bytes of one step's parameters.
const PARAM_BYTES: u64 = PARAMS as u64 * 4;

impl Constants {
    /// Brings those of `plan` to `gpu`.
    pub(crate) fn upload(gpu: &Gpu, plan: &Plan) -> Result<Self, PlanError> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let groups = groups(gpu, plan)?;
        let mut pieces = Vec::with_capacity(groups.len());
        for group in &groups {
            let words = &plan.constants[group.clone()];
            let piece = buffer(gpu, "the constants", words.len() as u64 * 4, usage)?;
            gpu.queue().write_buffer(&piece, 0, bytemuck::cast_slice(words));
            pieces.push(piece);
        }
        let place = |step: &Step| {
            let (start, len) = step.constants;
            let piece = groups.partition_point(|group| group.end <= start);
            (piece, (start - groups[piece].start) as u64 * 4, len as u64 * 4)
        };
        let places = plan.steps.iter().map(place).collect();
        let words: Vec<u32> = plan.steps.iter().flat_map(|step| step.params).collect();
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let params = buffer(gpu, "the parameters", (words.len() as u64 * 4).max(PARAM_BYTES), usage)?;
        gpu.queue().write_buffer(&params, 0, bytemuck::cast_slice(&words));
        let bytes = (plan.constants.len() + words.len()) as u64 * 4;
        Ok(Self { pieces, places, params, bytes })
    }

    /// Binds step number `step` to its constants, its parameters, and the arenas of all frames in
    /// `arena`.
    pub(crate) fn group(&self, gpu: &Gpu, arena: &wgpu::Buffer, step: usize) -> wgpu::BindGroup {
        let [constants, params] = self.of(step);
        let resources = [arena.as_entire_binding(), constants, params];
        let entry = |(binding, resource)| wgpu::BindGroupEntry { binding, resource };
        let entries: Vec<_> = (0..).zip(resources).map(entry).collect();
        let layout = gpu.bindings();
        gpu.device().create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
    }

    fn of(&self, step: usize) -> [wgpu::BindingResource<'_>; 2] {
        let (piece, offset, bytes) = self.places[step];
        let part = |buffer, offset, bytes| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset,
                size: wgpu::BufferSize::new(bytes),
            })
        };
        let params = part(&self.params, step as u64 * PARAM_BYTES, PARAM_BYTES);
        [part(&self.pieces[piece], offset, bytes), params]
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Consecutive constants that share a piece of memory, in words; none reaches over the end of one.
fn groups(gpu: &Gpu, plan: &Plan) -> Result<Vec<Range<usize>>, PlanError> {
    let limit = gpu.binding_bytes.min(gpu.buffer_bytes);
    let places: BTreeSet<(usize, usize)> = plan.steps.iter().map(|step| step.constants).collect();
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (start, len) in places {
        let bytes = len as u64 * 4;
        if bytes > limit {
            return Err(PlanError::TooLarge { what: "the constants of one instruction", bytes, limit });
        }
        match groups.last_mut() {
            Some(group) if (start + len - group.start) as u64 * 4 <= gpu.buffer_bytes => {
                group.end = start + len;
            }
            _ => groups.push(start..start + len),
        }
    }
    Ok(groups)
}
