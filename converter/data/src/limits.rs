//! How much a file may make its reader hold.

/// Bounds on what a file may make the reader hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest decompressed size of one array, or of one decoded image, in bytes.
    pub max_bytes: u64,
}

impl Default for Limits {
    /// 2 GiB.
    fn default() -> Self {
        Limits { max_bytes: 1 << 31 }
    }
}
