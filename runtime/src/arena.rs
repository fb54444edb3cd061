//! The caller's memory.

/// Alignment that a session asks of its arena, in bytes.
pub const ARENA_ALIGN: usize = 16;

/// An aligned arena of `N` bytes for a `static` or the stack.
#[repr(C, align(16))]
pub struct Arena<const N: usize>([u8; N]);

impl<const N: usize> Arena<N> {
    /// Zeroed memory.
    pub const fn new() -> Self {
        Self([0; N])
    }

    /// The bytes to give to [`Session::new`](crate::Session::new).
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}
