//! Which GPUs there are, and opening one.

use crate::device::Gpu;
use crate::error::OpenError;
use crate::kept::Cache;
use crate::matrices::{self, MatrixShape};

/// A GPU, or a processor that does a GPU's work, as the system lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// What it calls itself.
    pub name: String,
    /// Its kind.
    pub kind: AdapterKind,
    /// The interface that it is reached through: `vulkan`, `metal`, `dx12`, `webgpu`.
    pub interface: &'static str,
    /// The driver, with its version.
    pub driver: String,
    /// Most bytes that a shader may address in one piece.
    pub binding_bytes: u64,
    /// Most bytes of one piece of memory.
    pub buffer_bytes: u64,
    /// Bytes of memory that a workgroup shares.
    pub workgroup_bytes: u32,
    /// Whether it tells the time of each instruction.
    pub timestamps: bool,
    /// Shapes of cooperative matrices that products may take, the one that they take first.
    pub matrices: Vec<MatrixShape>,
}

/// Kinds of adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterKind {
    /// A card with memory of its own.
    Discrete,
    /// Part of a processor.
    Integrated,
    /// Offered by a virtual machine.
    Virtual,
    /// A processor that does the work of one.
    Software,
    /// The system does not tell.
    Unknown,
}

impl AdapterKind {
    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            AdapterKind::Discrete => "discrete GPU",
            AdapterKind::Integrated => "integrated GPU",
            AdapterKind::Virtual => "virtual GPU",
            AdapterKind::Software => "software",
            AdapterKind::Unknown => "unknown",
        }
    }

    /// The smaller, the sooner it is taken where nobody asks for one.
    const fn rank(self) -> u8 {
        match self {
            AdapterKind::Discrete => 0,
            AdapterKind::Integrated => 1,
            AdapterKind::Virtual => 2,
            AdapterKind::Unknown => 3,
            AdapterKind::Software => 4,
        }
    }
}

impl From<wgpu::DeviceType> for AdapterKind {
    fn from(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
            wgpu::DeviceType::Other => AdapterKind::Unknown,
        }
    }
}

impl Adapter {
    fn of(adapter: &wgpu::Adapter) -> Self {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        Self {
            kind: info.device_type.into(),
            interface: info.backend.to_str(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            name: info.name,
            binding_bytes: limits.max_storage_buffer_binding_size,
            buffer_bytes: limits.max_buffer_size,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
            matrices: matrices::of(adapter),
        }
    }
}

/// Those of this system, the one that is taken by default first.
pub async fn adapters() -> Vec<Adapter> {
    found().await.iter().map(|(_, adapter)| adapter.clone()).collect()
}

async fn found() -> Vec<(wgpu::Adapter, Adapter)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    descriptor.flags = wgpu::InstanceFlags::empty();
    let instance = wgpu::Instance::new(descriptor);
    let adapters = instance.enumerate_adapters(wgpu::Backends::PRIMARY).await;
    let mut found: Vec<_> = adapters
        .into_iter()
        .map(|adapter| {
            let about = Adapter::of(&adapter);
            (adapter, about)
        })
        .collect();
    found.sort_by_key(|(_, about)| about.kind.rank());
    found
}

impl Gpu {
    /// Opens the GPU that `asked` names: by its number in the list of [`adapters`], or by a part
    /// of its name in capital or small letters; the first of the list where it is `None`. Nothing of
    /// what it compiles is kept for other processes. What the driver takes time for goes on behind it:
    /// a driver that gives no device says so to [`Program::load`](crate::Program::load).
    ///
    /// # Errors
    ///
    /// [`OpenError`], which lists those that there are.
    pub async fn open(asked: Option<&str>) -> Result<Self, OpenError> {
        Self::open_with(asked, &Cache::off()).await
    }

    /// The same, with what is kept in `cache`: what it compiled there is not compiled again.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open). What is wrong with files is none: see [`remarks`](Self::remarks).
    pub async fn open_with(asked: Option<&str>, cache: &Cache) -> Result<Self, OpenError> {
        let found = found().await;
        if found.is_empty() {
            return Err(OpenError::NoAdapter);
        }
        let unknown = || OpenError::Unknown {
            asked: asked.unwrap_or_default().to_owned(),
            known: found.iter().map(|(_, about)| about.name.as_str()).collect::<Vec<_>>().join(", "),
        };
        let at = match asked {
            None => 0,
            Some(asked) => {
                choose(found.iter().map(|(_, about)| about.name.as_str()), asked).ok_or_else(unknown)?
            }
        };
        let (adapter, about) = &found[at];
        Ok(Gpu::on(adapter, about.clone(), cache).await)
    }
}

/// The position of the name that `asked` means.
fn choose<'n>(names: impl Iterator<Item = &'n str> + Clone, asked: &str) -> Option<usize> {
    if let Ok(number) = asked.parse::<usize>() {
        return (number < names.clone().count()).then_some(number);
    }
    let asked = asked.to_lowercase();
    names.clone().position(|name| name.to_lowercase().contains(&asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_number_or_by_part_of_the_name() {
        let names = ["NVIDIA H200", "llvmpipe (LLVM 15)"];
        let choose = |asked| choose(names.iter().copied(), asked);
        assert_eq!(choose("1"), Some(1));
        assert_eq!(choose("2"), None);
        assert_eq!(choose("h200"), Some(0));
        assert_eq!(choose("LLVM"), Some(1));
        assert_eq!(choose("radeon"), None);
    }
}
