//! The caller's pointers, looked at as far as a pointer can be.

use std::ffi::{CStr, c_char};
use std::ops::Range;
use std::slice;

use super::status::{Failure, shiftformer_status};

/// The addresses of `count` values at `pointer`, where those can be memory.
pub(super) fn place<T>(pointer: *const T, count: usize) -> Result<Range<usize>, Failure> {
    if pointer.is_null() {
        return Err(Failure::new(shiftformer_status::Null, "a pointer is null", "pass one to memory"));
    }
    if !pointer.is_aligned() {
        let reason = format!("a pointer is not at a multiple of {}", align_of::<T>());
        return Err(Failure::new(shiftformer_status::Misaligned, reason, "pass memory of its own type"));
    }
    let bytes = count.checked_mul(size_of::<T>()).filter(|&bytes| isize::try_from(bytes).is_ok());
    let end = bytes.and_then(|bytes| pointer.addr().checked_add(bytes));
    end.map(|end| pointer.addr()..end).ok_or_else(|| {
        Failure::new(shiftformer_status::Length, "a length is larger than memory", "pass that of the buffer")
    })
}

/// Refuses two places that share a byte.
pub(super) fn apart(a: &Range<usize>, b: &Range<usize>) -> Result<(), Failure> {
    if a.start < b.end && b.start < a.end {
        return Err(Failure::new(
            shiftformer_status::Overlap,
            "two places of memory overlap",
            "pass memory of its own for each",
        ));
    }
    Ok(())
}

/// The values that the caller vouches for.
///
/// # Safety
///
/// The `count` values at `pointer` are readable, and nothing writes them while `'a` lasts.
pub(super) unsafe fn values<'a, T>(pointer: *const T, count: usize) -> Result<&'a [T], Failure> {
    place(pointer, count)?;
    // SAFETY: not null, aligned, and not longer than memory; readable and unchanged, as the caller
    // vouches.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// One value that the caller vouches for.
///
/// # Safety
///
/// As [`values`], for one value.
pub(super) unsafe fn value<'a, T>(pointer: *const T) -> Result<&'a T, Failure> {
    place(pointer, 1)?;
    // SAFETY: not null and aligned; readable and unchanged, as the caller vouches.
    Ok(unsafe { &*pointer })
}

/// The text that the caller vouches for.
///
/// # Safety
///
/// `pointer` is null or points to bytes that a 0 ends, and nothing writes them while `'a` lasts.
pub(super) unsafe fn text<'a>(pointer: *const c_char) -> Result<&'a str, Failure> {
    place(pointer, 1)?;
    // SAFETY: not null; ended by a 0 and unchanged, as the caller vouches.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| Failure::new(shiftformer_status::Text, "a text is not UTF-8", "encode it so"))
}

/// Writes a result where the caller wants it.
///
/// # Safety
///
/// `pointer` is null or points to memory for a `T` that nobody else uses during the call.
pub(super) unsafe fn put<T>(pointer: *mut T, result: T) -> Result<(), Failure> {
    place(pointer.cast_const(), 1)?;
    // SAFETY: not null and aligned; writable, as the caller vouches.
    unsafe { pointer.write(result) };
    Ok(())
}

/// Copies `results` to `buffer`, which has room for `capacity` of them, and writes to `length` how
/// many there are, also where they are too many. The buffer may be null where its capacity is 0.
///
/// # Safety
///
/// `buffer` points to memory for `capacity` values, `length` to that of a `size_t`, and nobody else
/// uses them during the call.
pub(super) unsafe fn copy<T: Copy>(
    results: &[T],
    buffer: *mut T,
    capacity: usize,
    length: *mut usize,
) -> Result<(), Failure> {
    let lengths = place(length.cast_const(), 1)?;
    if capacity > 0 {
        apart(&place(buffer.cast_const(), capacity)?, &lengths)?;
    }
    // SAFETY: not null and aligned, as was checked; writable, as the caller vouches.
    unsafe { length.write(results.len()) };
    if capacity < results.len() {
        let reason = format!("the buffer has room for {capacity}, {} are needed", results.len());
        return Err(Failure::new(shiftformer_status::Short, reason, "pass a buffer of the length written"));
    }
    // SAFETY: the buffer is aligned, has room for the results, and is not theirs, since nobody else
    // uses it; where there are results it is not null.
    unsafe { results.as_ptr().copy_to(buffer, results.len()) };
    Ok(())
}

/// Copies `text` and a 0 behind it, as [`copy`] does.
///
/// # Safety
///
/// As [`copy`].
pub(super) unsafe fn copy_text(
    text: &str,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Result<(), Failure> {
    let text = super::status::text(text);
    let bytes = text.as_bytes_with_nul();
    // SAFETY: as the caller vouches; a byte has the size of a `char`.
    unsafe { copy(bytes, buffer.cast(), capacity, length) }
}
