//! Containers in files that somebody else has opened, read where the system maps them.

use std::io::{Error, ErrorKind};

use shiftformer::{MAX_FILE_BYTES, Model, OpenError, OpenProblem};

/// The model in the `length` bytes from `offset` on of the file behind `descriptor`.
pub(crate) fn open(descriptor: i32, offset: u64, length: u64) -> Result<Model, OpenError> {
    let name = format!("file descriptor {descriptor}");
    if length > MAX_FILE_BYTES {
        return Err(OpenError { name, problem: OpenProblem::TooLarge });
    }
    match map(descriptor, offset, length) {
        Ok(bytes) => Model::from_owner(name, bytes),
        Err(reason) => Err(OpenError { name, problem: OpenProblem::Read(reason) }),
    }
}

#[cfg(unix)]
fn map(descriptor: i32, offset: u64, length: u64) -> Result<memmap2::Mmap, Error> {
    use std::fs::File;
    use std::os::fd::BorrowedFd;

    if descriptor < 0 {
        return Err(Error::new(ErrorKind::InvalidInput, "the descriptor is negative"));
    }
    // SAFETY: not −1. It is borrowed for this one call, which duplicates it, and fails where it is
    // not open.
    let file = File::from(unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned()?);
    // What lies behind a file's end can be mapped and not be read.
    let end = offset.checked_add(length);
    if end.is_none_or(|end| end > file.metadata().map_or(0, |data| data.len())) {
        return Err(Error::new(ErrorKind::UnexpectedEof, "the file ends before the model does"));
    }
    // SAFETY: nobody alters or shortens the file while the model is open, as the callers of `open`
    // promise; its bytes all lie in the file now, as was checked.
    unsafe { memmap2::MmapOptions::new().offset(offset).len(length as usize).map(&file) }
}

#[cfg(not(unix))]
fn map(_: i32, _: u64, _: u64) -> Result<Vec<u8>, Error> {
    Err(Error::new(ErrorKind::Unsupported, "this system has no such descriptors"))
}
