//! What a driver of Vulkan lists. wgpu passes on only the shapes of floating-point numbers.

use ash::khr::cooperative_matrix;
use ash::vk::{ComponentTypeKHR, CooperativeMatrixPropertiesKHR, ScopeKHR};
use wgpu::hal::api::Vulkan;

/// Rows, columns and depth of the matrices of int8 whose products `adapter` adds up as int32 in a
/// subgroup; none where it is not one of Vulkan. It lists cooperative matrices of some kind.
#[allow(unsafe_code)]
pub(super) fn shapes(adapter: &wgpu::Adapter) -> Vec<[u32; 3]> {
    // SAFETY: nothing is destroyed through the adapter that is lent here.
    let Some(adapter) = (unsafe { adapter.as_hal::<Vulkan>() }) else { return Vec::new() };
    let instance = adapter.shared_instance();
    let matrices = cooperative_matrix::Instance::new(instance.entry(), instance.raw_instance());
    // SAFETY: the physical device is of this instance, and both live while the adapter is lent. The
    // driver has the extension, for the adapter offers the feature that stands for it.
    let listed =
        unsafe { matrices.get_physical_device_cooperative_matrix_properties(adapter.raw_physical_device()) };
    listed.unwrap_or_default().iter().filter(|listed| is_of_bytes(listed)).map(shape).collect()
}

fn is_of_bytes(listed: &CooperativeMatrixPropertiesKHR<'_>) -> bool {
    let bytes = [listed.a_type, listed.b_type] == [ComponentTypeKHR::SINT8; 2];
    let words = [listed.c_type, listed.result_type] == [ComponentTypeKHR::SINT32; 2];
    bytes && words && listed.scope == ScopeKHR::SUBGROUP && listed.saturating_accumulation == 0
}

fn shape(listed: &CooperativeMatrixPropertiesKHR<'_>) -> [u32; 3] {
    [listed.m_size, listed.n_size, listed.k_size]
}
