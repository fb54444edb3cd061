//! The time that instructions take, by the GPU's own clock.

use crate::device::Gpu;

/// Two timestamps for each instruction.
pub(crate) struct Clock {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    instructions: u32,
}

impl Clock {
    /// For `instructions` instructions; `None` where the GPU does not tell, or not so many.
    pub(crate) fn new(gpu: &Gpu, instructions: usize) -> Option<Self> {
        let device = gpu.device();
        let count = 2 * instructions as u32;
        let fits = (1..=wgpu::QUERY_SET_MAX_QUERIES).contains(&count);
        if !(fits && device.features().contains(wgpu::Features::TIMESTAMP_QUERY)) {
            return None;
        }
        let ty = wgpu::QueryType::Timestamp;
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor { label: None, ty, count });
        let resolved = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: u64::from(count) * 8,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Some(Self { queries, resolved, instructions: instructions as u32 })
    }

    /// Bytes that [`read`](Self::read) writes.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.instructions) * 16
    }

    /// What a pass of instruction number `at` is to note.
    pub(crate) fn around(&self, at: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(2 * at as u32),
            end_of_pass_write_index: Some(2 * at as u32 + 1),
        }
    }

    /// Copies the timestamps to byte `at` of `to`.
    pub(crate) fn read(&self, encoder: &mut wgpu::CommandEncoder, to: &wgpu::Buffer, at: u64) {
        encoder.resolve_query_set(&self.queries, 0..2 * self.instructions, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, to, at, self.bytes());
    }
}

/// The time between each two of `timestamps`, which are `period` nanoseconds apart.
pub(crate) fn nanoseconds(timestamps: &[u8], period: f32) -> impl Iterator<Item = u64> + '_ {
    timestamps.chunks_exact(16).map(move |pair| {
        let stamp = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |all, &byte| all << 8 | u64::from(byte));
        let (start, end) = pair.split_at(8);
        (stamp(end).saturating_sub(stamp(start)) as f64 * f64::from(period)) as u64
    })
}
