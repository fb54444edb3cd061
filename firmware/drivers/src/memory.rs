//! Memory that the linker does not know.

/// The `len` bytes at `base`.
///
/// # Safety
///
/// They are readable memory that nothing writes while the program runs, and `base` is a
/// multiple of 16.
pub const unsafe fn region(base: usize, len: usize) -> &'static [u8] {
    // SAFETY: as the caller vouches.
    unsafe { core::slice::from_raw_parts(base as *const u8, len) }
}
