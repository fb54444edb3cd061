//! The caller's pointers, checked as far as a pointer can be.

use core::ffi::c_void;
use core::ops::Range;

use crate::status::Status;

/// The addresses of `len` bytes at `pointer`, where those can be memory aligned to `align`.
pub(crate) fn place(pointer: *const c_void, len: usize, align: usize) -> Result<Range<usize>, Status> {
    if pointer.is_null() {
        return Err(Status::Null);
    }
    let start = pointer.addr();
    if !start.is_multiple_of(align) {
        return Err(Status::Misaligned);
    }
    let end = start.checked_add(len).ok_or(Status::Length)?;
    if isize::try_from(len).is_err() { Err(Status::Length) } else { Ok(start..end) }
}

/// Whether two ranges share a byte.
pub(crate) fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Where a result goes: neither null nor misaligned.
pub(crate) fn result<T>(pointer: *mut T) -> Result<*mut T, Status> {
    place(pointer.cast_const().cast(), size_of::<T>(), align_of::<T>()).map(|_| pointer)
}

/// The bytes that the caller vouches for.
///
/// # Safety
///
/// The `len` bytes at `pointer` are readable, and nothing writes them while `'a` lasts.
pub(crate) unsafe fn bytes<'a>(pointer: *const c_void, len: usize, align: usize) -> Result<&'a [u8], Status> {
    place(pointer, len, align)?;
    // SAFETY: not null, and not longer than memory; readable and unchanged, as the caller vouches.
    Ok(unsafe { core::slice::from_raw_parts(pointer.cast(), len) })
}

/// The writable bytes that the caller vouches for.
///
/// # Safety
///
/// The `len` bytes at `pointer` are readable and writable, and nothing else reads or writes them
/// while `'a` lasts.
pub(crate) unsafe fn bytes_mut<'a>(pointer: *mut c_void, len: usize) -> Result<&'a mut [u8], Status> {
    place(pointer, len, 1)?;
    // SAFETY: not null, and not longer than memory; used by nobody else, as the caller vouches.
    Ok(unsafe { core::slice::from_raw_parts_mut(pointer.cast(), len) })
}
