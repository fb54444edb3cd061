//! The list of GPUs.

use serde::Serialize;
use shiftformer::{Adapter, Gpu};

use crate::failure::Failure;
use crate::output::{bytes, emit};

#[derive(Debug, Serialize)]
struct Devices {
    gpus: Vec<Device>,
}

/// A GPU, and what it can do.
#[derive(Debug, Serialize)]
struct Device {
    index: usize,
    name: String,
    kind: &'static str,
    interface: &'static str,
    driver: String,
    /// Most bytes that a shader may address in one piece.
    binding_bytes: u64,
    /// Most bytes of one piece of memory.
    buffer_bytes: u64,
    /// Bytes of memory that a workgroup shares.
    workgroup_bytes: u32,
    /// Whether it tells the time of each instruction.
    timestamps: bool,
    /// Rows, columns and depth of the cooperative matrices that products may take.
    matrices: Vec<[u32; 3]>,
}

impl Device {
    fn of(index: usize, adapter: Adapter) -> Self {
        Self {
            index,
            kind: adapter.kind.name(),
            name: adapter.name,
            interface: adapter.interface,
            driver: adapter.driver,
            binding_bytes: adapter.binding_bytes,
            buffer_bytes: adapter.buffer_bytes,
            workgroup_bytes: adapter.workgroup_bytes,
            timestamps: adapter.timestamps,
            matrices: adapter.matrices.iter().map(|shape| [shape.rows, shape.columns, shape.depth]).collect(),
        }
    }
}

/// Prints them, and what they can do.
pub fn list(json: bool) -> Result<(), Failure> {
    let gpus = Gpu::adapters().into_iter().enumerate().map(|(index, adapter)| Device::of(index, adapter));
    emit(json, &Devices { gpus: gpus.collect() }, text)
}

fn text(devices: &Devices) -> String {
    if devices.gpus.is_empty() {
        return "no GPU: this system offers none through Vulkan, Metal or Direct3D 12".into();
    }
    let line = |device: &Device| {
        format!(
            "{:>2}  {} ({}, {}; {})\n    memory in one piece {}, of a workgroup {}; times of instructions: {}\n    \
             cooperative matrices: {}",
            device.index,
            device.name,
            device.kind,
            device.interface,
            device.driver,
            bytes(device.binding_bytes),
            bytes(device.workgroup_bytes.into()),
            if device.timestamps { "yes" } else { "no" },
            matrices(&device.matrices),
        )
    };
    devices.gpus.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn matrices(shapes: &[[u32; 3]]) -> String {
    if shapes.is_empty() {
        return "none of int8".into();
    }
    let shape = |[rows, columns, depth]: &[u32; 3]| format!("{rows}×{columns}×{depth}");
    shapes.iter().map(shape).collect::<Vec<_>>().join(", ")
}
