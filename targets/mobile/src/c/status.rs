//! What a call reports, as a number and in words.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::ShiftformerError;

/// What a call reports. After an error nothing has changed unless the function says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum shiftformer_status {
    /// Done.
    Ok = 0,
    /// A pointer is null.
    Null = 1,
    /// A pointer is not aligned for what it points to.
    Misaligned = 2,
    /// A length is larger than memory, or not what it has to be.
    Length = 3,
    /// Two places of memory overlap.
    Overlap = 4,
    /// A buffer is too small; the length that it needs was written.
    Short = 5,
    /// A text is not UTF-8.
    Text = 6,
    /// A handle is not open: it was closed, or is none of this kind.
    Handle = 7,
    /// There is no frame or output of this index.
    Index = 8,
    /// A number is none of its enumeration.
    Value = 9,
    /// The model cannot be opened.
    Open = 10,
    /// The engine cannot run the model.
    Prepare = 11,
    /// The picture or the camera's frame does not become what the model takes.
    Picture = 12,
    /// The run failed.
    Run = 13,
    /// The run was cancelled.
    Cancelled = 14,
    /// The library has a defect: please report it.
    Defect = 15,
}

/// Why a call failed.
#[derive(Debug)]
pub(super) struct Failure {
    status: shiftformer_status,
    reason: Cow<'static, str>,
    hint: Cow<'static, str>,
}

impl Failure {
    pub(super) fn new(
        status: shiftformer_status,
        reason: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, reason: reason.into(), hint: hint.into() }
    }
}

impl From<ShiftformerError> for Failure {
    fn from(error: ShiftformerError) -> Self {
        let status = match error {
            ShiftformerError::Open { .. } => shiftformer_status::Open,
            ShiftformerError::Prepare { .. } => shiftformer_status::Prepare,
            ShiftformerError::Picture { .. } => shiftformer_status::Picture,
            ShiftformerError::Run { .. } => shiftformer_status::Run,
            ShiftformerError::Cancelled { .. } => shiftformer_status::Cancelled,
            ShiftformerError::Output { .. } => shiftformer_status::Index,
        };
        Self::new(status, error.reason(), error.hint())
    }
}

/// What the last call that failed on a thread says of it.
struct Words {
    reason: CString,
    hint: CString,
}

thread_local! {
    static LAST: RefCell<Option<Words>> = const { RefCell::new(None) };
}

/// Runs the body of a function: nothing unwinds out of it, and an error is kept for
/// [`shiftformer_last_error`].
pub(super) fn call(body: impl FnOnce() -> Result<(), Failure>) -> shiftformer_status {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return shiftformer_status::Ok,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::new(
            shiftformer_status::Defect,
            "the library failed",
            "this is a defect: report it with the model and what was called",
        ),
    };
    let words = Words { reason: text(&failure.reason), hint: text(&failure.hint) };
    // A thread that is about to end has nobody who asks.
    let _ = LAST.try_with(|last| last.replace(Some(words)));
    failure.status
}

/// What `number` stands for in the enumeration `shiftformer_` + `what`, of which `table` has every
/// number and its meaning.
pub(super) fn chosen<T: Copy>(what: &str, number: i32, table: &[(i32, T)]) -> Result<T, Failure> {
    let found = table.iter().find(|(known, _)| *known == number);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let reason = format!("there is no {what} {number}");
        Failure::new(shiftformer_status::Value, reason, format!("pass a shiftformer_{what}"))
    })
}

/// `text` for C, which cannot have a 0 within: it ends there.
pub(super) fn text(text: &str) -> CString {
    let bytes = text.bytes().take_while(|&byte| byte != 0).collect();
    CString::new::<Vec<u8>>(bytes).unwrap_or_default()
}

/// What was wrong in the last call that failed on this thread, in a sentence; empty where none
/// has. It is valid until the next call that fails on this thread. Never null.
#[unsafe(no_mangle)]
pub extern "C" fn shiftformer_last_error() -> *const c_char {
    last(|words| words.reason.as_ptr())
}

/// What to do about the last error of this thread; as `shiftformer_last_error`.
#[unsafe(no_mangle)]
pub extern "C" fn shiftformer_last_hint() -> *const c_char {
    last(|words| words.hint.as_ptr())
}

fn last(choose: fn(&Words) -> *const c_char) -> *const c_char {
    let pointer = LAST.try_with(|last| last.borrow().as_ref().map(choose));
    pointer.ok().flatten().unwrap_or(c"".as_ptr())
}
