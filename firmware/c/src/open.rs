//! From a container in flash to an opened model.

use core::ffi::c_void;
use core::{ptr, slice};

use mcu::Fastest;
use runtime::{Model, Session, container_in};

use crate::memory::{bytes, overlap, place, result};
use crate::model::{Opened, Storage};
use crate::status::Status;

/// Alignment of a container in memory, at least; 16 is faster on some cores.
pub const CONTAINER_ALIGN: usize = 4;
/// Alignment of an arena.
pub const ARENA_ALIGN: usize = 16;

const _: () = assert!(ARENA_ALIGN == runtime::ARENA_ALIGN);

/// Finds out how long the container at the front of a memory region is, for a container that
/// was written to flash apart from the program: `*size` becomes the length to open it with,
/// at most `region_len`. The container is not checked.
///
/// # Safety
///
/// `region` points to `region_len` readable bytes, `size` to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_container_size(
    region: *const c_void,
    region_len: usize,
    size: *mut usize,
) -> Status {
    let find = || {
        let size = result(size)?;
        // SAFETY: as the caller vouches.
        let region = unsafe { bytes(region, region_len, CONTAINER_ALIGN)? };
        let container = container_in(region).ok_or(Status::Magic)?;
        // SAFETY: not null and aligned; writable, as the caller vouches.
        unsafe { size.write(container.len()) };
        Ok(())
    };
    find().into()
}

/// Checks a container as `sf_open` does, and says how many bytes of arena it needs. That
/// number is in what `shiftformer inspect` prints, too, for an arena of constant size.
///
/// # Safety
///
/// `container` points to `container_len` readable bytes, `size` to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_arena_size(
    container: *const c_void,
    container_len: usize,
    size: *mut usize,
) -> Status {
    let check = || {
        let size = result(size)?;
        // SAFETY: as the caller vouches.
        let container = unsafe { bytes(container, container_len, CONTAINER_ALIGN)? };
        let needed = Model::new(container)?.arena_len();
        // SAFETY: not null and aligned; writable, as the caller vouches.
        unsafe { size.write(needed) };
        Ok(())
    };
    check().into()
}

/// Checks a container and opens it: `*model` becomes the handle for the other functions, or
/// null where the container or a pointer is refused. There is nothing to close.
///
/// `storage_len` is `sizeof(sf_storage)`. `container` starts at a multiple of 4, better 16;
/// `arena` at a multiple of 16, and has at least the bytes that `sf_arena_size` says. From
/// here on until the last use of the handle the storage and the arena are the library's
/// alone, nothing writes the container, and none of the three moves. To use their memory
/// otherwise, stop using the handle.
///
/// # Safety
///
/// The pointers point to as many bytes as is said, those of storage and arena writable, and
/// are used as above; `model` points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sf_open(
    storage: *mut Storage,
    storage_len: usize,
    container: *const c_void,
    container_len: usize,
    arena: *mut c_void,
    arena_len: usize,
    model: *mut *mut Opened,
) -> Status {
    let open = || {
        let handle = result(model)?;
        // SAFETY: not null and aligned; writable, as the caller vouches.
        unsafe { handle.write(ptr::null_mut()) };
        let places = [
            place(storage.cast_const().cast(), storage_len, align_of::<Storage>())?,
            place(container, container_len, CONTAINER_ALIGN)?,
            place(arena, arena_len, ARENA_ALIGN)?,
        ];
        if storage_len < size_of::<Storage>() {
            return Err(Status::Storage);
        }
        let [s, c, a] = &places;
        if overlap(s, c) || overlap(s, a) || overlap(c, a) {
            return Err(Status::Overlap);
        }
        // SAFETY: readable, and unchanged as long as the handle is used.
        let container = unsafe { bytes(container, container_len, CONTAINER_ALIGN)? };
        // SAFETY: checked above; writable and the library's alone as long as the handle is used.
        let arena = unsafe { slice::from_raw_parts_mut(arena.cast(), arena_len) };
        let opened: *mut Opened = storage.cast();
        // SAFETY: the storage is large and aligned enough, does not move, and is the library's
        // alone; the model is written before it is referred to, and never again.
        unsafe {
            (&raw mut (*opened).model).write(Model::new(container)?);
            (&raw mut (*opened).session).write(Session::new(&(*opened).model, arena)?);
            (&raw mut (*opened).kernels).write(Fastest::default());
            handle.write(opened);
        }
        Ok(())
    };
    open().into()
}
