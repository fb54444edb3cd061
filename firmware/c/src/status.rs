//! What a call reports, as a number and in words.

use core::ffi::{CStr, c_char};

use runtime::{ArenaError, LoadError};

/// What the runtime says of an error, and a hint, as a C string that is made at compile time.
macro_rules! words {
    ($error:expr, $hint:literal) => {{
        const WORDS: &str = $error.message();
        const BYTES: [u8; WORDS.len() + $hint.len() + 1] = joined(WORDS, $hint);
        const TEXT: &CStr = match CStr::from_bytes_with_nul(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!("words hold no 0"),
        };
        TEXT
    }};
}

/// `words` and `hint` with a 0 behind them: `N` is one more than both lengths.
const fn joined<const N: usize>(words: &str, hint: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let (front, back) = bytes.split_at_mut(words.len());
    front.copy_from_slice(words.as_bytes());
    back.split_at_mut(hint.len()).0.copy_from_slice(hint.as_bytes());
    bytes
}

/// What a call reports. Everything past `SF_STATUS_MORE` is an error, after which nothing
/// has changed unless the function says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// Done. From `sf_step`: the program has ended, the outputs are ready.
    Ok = 0,
    /// From `sf_step`: some work was done, and there is more.
    More = 1,
    /// A pointer is null.
    Null = 2,
    /// A pointer is not aligned for what it points to.
    Misaligned = 3,
    /// A length is larger than memory.
    Length = 4,
    /// Storage, container and arena overlap.
    Overlap = 5,
    /// The storage is smaller than an `sf_storage` of this library.
    Storage = 6,
    /// The arena is smaller than `sf_arena_size` says.
    Arena = 7,
    /// There is no container.
    Magic = 8,
    /// The container is shorter or longer than its header says.
    Size = 9,
    /// The container has another version of the format.
    Version = 10,
    /// The container's checksum does not match its content.
    Crc = 11,
    /// The container is malformed.
    Malformed = 12,
    /// An instruction is of an op that this library does not know.
    UnknownOp = 13,
    /// An instruction does not fit its operands.
    Instruction = 14,
    /// The program is too large.
    TooLarge = 15,
    /// There is no input or output of this index.
    Index = 16,
    /// A frame does not become what the input holds.
    Frame = 17,
    /// The container or the arena changed while the program ran.
    Fault = 18,
    /// The scratch is smaller than `sf_scratch_size` says.
    Scratch = 19,
}

impl Status {
    const ALL: [Status; 20] = [
        Status::Ok,
        Status::More,
        Status::Null,
        Status::Misaligned,
        Status::Length,
        Status::Overlap,
        Status::Storage,
        Status::Arena,
        Status::Magic,
        Status::Size,
        Status::Version,
        Status::Crc,
        Status::Malformed,
        Status::UnknownOp,
        Status::Instruction,
        Status::TooLarge,
        Status::Index,
        Status::Frame,
        Status::Fault,
        Status::Scratch,
    ];

    /// The status of a number, if it is one.
    fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|status| *status as i32 == number)
    }

    /// In words, with a hint. Where a status stands for one error of the runtime the words are
    /// the runtime's.
    const fn message(self) -> &'static CStr {
        match self {
            Status::Ok => c"done",
            Status::More => c"there is more to do: call sf_step again",
            Status::Null => c"a pointer is null",
            Status::Misaligned => {
                c"a pointer is misaligned: an arena starts at a multiple of 16, a container at one of 4"
            }
            Status::Length => c"a length is larger than memory",
            Status::Overlap => c"storage, container and arena overlap: each needs memory of its own",
            Status::Storage => {
                c"the storage is too small: pass an sf_storage, and use the library's own header"
            }
            Status::Arena => {
                words!(ArenaError::TooSmall { needed: 0 }, ": sf_arena_size says how many bytes it needs")
            }
            Status::Magic => {
                words!(LoadError::Magic, ": expected a .shf file made by `shiftformer convert`")
            }
            Status::Size => {
                c"the container is not as long as its header says: sf_container_size reads the length"
            }
            Status::Version => words!(LoadError::Version { found: 0 }, ": convert the model again"),
            Status::Crc => words!(LoadError::Crc, "; write it to flash again"),
            Status::Malformed => c"the container is malformed: `shiftformer inspect` says where",
            Status::UnknownOp => {
                words!(LoadError::UnknownOp { index: 0, id: 0 }, ": build a library that has it")
            }
            Status::Instruction => c"an instruction is refused: `shiftformer inspect` says which and why",
            Status::TooLarge => c"the program is too large",
            Status::Index => c"there is no input or output of this index",
            Status::Frame => c"the frame does not fit the input: see sf_fit for the channels it takes",
            Status::Fault => c"the container or the arena changed while the program ran",
            Status::Scratch => c"the scratch is too small: sf_scratch_size says how large it must be",
        }
    }
}

impl From<LoadError> for Status {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Truncated | LoadError::TrailingBytes => Status::Size,
            LoadError::Magic => Status::Magic,
            LoadError::Version { .. } => Status::Version,
            LoadError::Misaligned => Status::Misaligned,
            LoadError::Crc => Status::Crc,
            LoadError::Arena | LoadError::InstructionCount => Status::TooLarge,
            LoadError::UnknownOp { .. } => Status::UnknownOp,
            LoadError::Instruction { .. }
            | LoadError::Op { .. }
            | LoadError::Slot { .. }
            | LoadError::Tile { .. } => Status::Instruction,
            LoadError::Section(_) | LoadError::Io { .. } | LoadError::OutputUndefined { .. } => {
                Status::Malformed
            }
        }
    }
}

impl From<ArenaError> for Status {
    fn from(error: ArenaError) -> Self {
        match error {
            ArenaError::TooSmall { .. } => Status::Arena,
            ArenaError::Misaligned => Status::Misaligned,
        }
    }
}

impl From<Result<(), Status>> for Status {
    fn from(outcome: Result<(), Status>) -> Self {
        outcome.err().unwrap_or(Status::Ok)
    }
}

/// What a call reported, in words and with a hint: a constant, never null.
#[unsafe(no_mangle)]
pub extern "C" fn sf_error_message(status: i32) -> *const c_char {
    #[cfg(feature = "panics")]
    assert!(status >= 0);
    Status::of(status).map_or(c"not a status of this library", Status::message).as_ptr()
}
