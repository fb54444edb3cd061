//! Systems without Vulkan.

/// None.
pub(super) fn shapes(_: &wgpu::Adapter) -> Vec<[u32; 3]> {
    Vec::new()
}
