//! Cooperative matrices: products that a whole subgroup computes at once. Which shapes of them an
//! adapter has, only Vulkan tells.

#[cfg_attr(not(any(windows, target_os = "linux", target_os = "android")), path = "elsewhere.rs")]
mod vulkan;

/// A shape of matrices of int8 whose products a subgroup adds up as int32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixShape {
    /// Rows of the left matrix and of the sums.
    pub rows: u32,
    /// Columns of the right matrix and of the sums.
    pub columns: u32,
    /// Columns of the left matrix and rows of the right one.
    pub depth: u32,
    /// Invocations of a subgroup.
    pub subgroup: u32,
}

impl MatrixShape {
    /// Its constants in kernels.
    pub(crate) const fn settings(self) -> [(&'static str, u32); 4] {
        [
            ("MATRIX_ROWS", self.rows),
            ("MATRIX_COLUMNS", self.columns),
            ("MATRIX_DEPTH", self.depth),
            ("SUBGROUP", self.subgroup),
        ]
    }
}

/// Bytes that kernels load at once.
pub(crate) const PIECE: u32 = 16;

/// Invocations of a workgroup that every GPU has.
pub(crate) const MOST_THREADS: u32 = 256;

/// Whether `b` divides `a`, and both are something.
pub(crate) fn whole(a: u32, b: u32) -> bool {
    a > 0 && b > 0 && a.is_multiple_of(b)
}

/// What a device has to be asked for before a kernel may use them.
pub(crate) const FEATURES: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
    .union(wgpu::Features::PASSTHROUGH_SHADERS)
    .union(wgpu::Features::SUBGROUP);

/// The shapes that `adapter` has, the one of the most products first. None where its subgroups have
/// several sizes: the division of a tile among subgroups is fixed when a kernel is compiled.
pub(crate) fn of(adapter: &wgpu::Adapter) -> Vec<MatrixShape> {
    let info = adapter.get_info();
    let subgroup = info.subgroup_max_size;
    if info.subgroup_min_size != subgroup || !adapter.features().contains(FEATURES) {
        return Vec::new();
    }
    let shape = |[rows, columns, depth]: [u32; 3]| MatrixShape { rows, columns, depth, subgroup };
    let mut shapes: Vec<MatrixShape> = vulkan::shapes(adapter).into_iter().map(shape).collect();
    shapes.sort_by_key(|shape| std::cmp::Reverse(shape.rows * shape.columns * shape.depth));
    shapes
}

/// That a device may have features which wgpu calls experimental.
#[allow(unsafe_code)]
pub(crate) fn permission() -> wgpu::ExperimentalFeatures {
    // SAFETY: what is experimental about [`FEATURES`] is how wgpu translates and checks shaders that
    // use them. The only such shaders are modules of this crate, which it passes through as they are.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}
