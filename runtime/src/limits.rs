//! The numbers of the format.

/// First bytes of a container.
pub const MAGIC: [u8; 4] = *b"SHFM";
/// Version of the format; containers of any other are refused.
pub const FORMAT_VERSION: u16 = 1;
/// Bytes of the header.
pub const HEADER_LEN: usize = 96;
/// Alignment of sections and blobs within the file.
pub const BLOB_ALIGN: u32 = 16;
/// Largest arena, 1 GiB.
pub const MAX_ARENA: u32 = 1 << 30;
/// Most instructions of a program; the check takes time in proportion to its square.
pub const MAX_INSTRUCTIONS: u32 = 2048;
/// Most multiply-accumulates of one instruction: strides of zero let a small file ask
/// for any number.
pub const MAX_MACS: u64 = 1 << 36;
/// Most rows of a tile group, and so of its steps over one instruction.
pub const MAX_TILED_ROWS: u32 = 1 << 22;
