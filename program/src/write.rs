//! Encoding of a planned program as a container.

use quant::Op;
use runtime::{BLOB_ALIGN, HEADER_LEN, Header, Input, LoadError, MAX_INSTRUCTIONS, Model, Output, Section};
use sha2::{Digest, Sha256};

use crate::container::Container;
use crate::draft::{InputSpec, Named, OutputSpec};
use crate::error::ProgramError;
use crate::load::crc;
use crate::record::{frame, frame_of};
use crate::repack::repack;

/// Encodes `container` under its [`identity`], after the runtime's own checker has admitted it.
pub fn write(container: &Container<'_>) -> Result<Vec<u8>, ProgramError> {
    let mut file = admitted(container, [0; 32])?;
    file.header.identity = identity(container)?;
    Ok(file.sealed())
}

/// The SHA-256 of `container`, which the checker has admitted, with its weights in their canonical
/// layouts, neither names nor notes, and zeros for the identity itself.
///
/// # Errors
///
/// [`ProgramError::TooLarge`] where that cannot be encoded.
pub fn identity(container: &Container<'_>) -> Result<[u8; 32], ProgramError> {
    let canonical = repack(container, quant::pack::Packs::CANONICAL);
    Ok(Sha256::digest(encode(&canonical, [0; 32], false)?.sealed()).into())
}

/// Encodes `container`, admitted as by [`write()`], under an identity that is known: for a
/// program that was rebuilt in memory.
///
/// # Errors
///
/// As [`write()`].
pub fn write_as(container: &Container<'_>, identity: [u8; 32]) -> Result<Vec<u8>, ProgramError> {
    Ok(admitted(container, identity)?.sealed())
}

/// Encodes all of `container` but its constants, under an identity that is known: for a program that
/// runs in memory over constants that lie elsewhere. There is no CRC, and nothing is checked:
/// [`Model::in_parts`] does that.
///
/// # Errors
///
/// [`ProgramError::TooLarge`] where the container cannot be addressed.
pub fn front(container: &Container<'_>, identity: [u8; 32]) -> Result<Vec<u8>, ProgramError> {
    Ok(front_of(container, identity, true)?.bytes)
}

/// A file without its CRC, or the front of one.
struct Encoded {
    header: Header,
    bytes: Vec<u8>,
}

impl Encoded {
    /// The whole file with its CRC.
    fn sealed(mut self) -> Vec<u8> {
        let len = self.bytes.len() as u32;
        self.bytes[..HEADER_LEN].copy_from_slice(&self.header.encode(len, 0));
        let crc = crc(&self.bytes[16..]);
        self.bytes[..HEADER_LEN].copy_from_slice(&self.header.encode(len, crc));
        self.bytes
    }

    /// Appends `bytes` as the next section.
    fn section(&mut self, bytes: &[u8]) -> Result<Section, ProgramError> {
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOB_ALIGN as usize), 0);
        let section = section(self.bytes.len(), bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(section)
    }
}

/// The encoded `container`, which the runtime would load but for the CRC.
fn admitted(container: &Container<'_>, identity: [u8; 32]) -> Result<Encoded, ProgramError> {
    let file = encode(container, identity, true)?;
    check(&file.bytes).map_err(|error| {
        let named = error.instruction().and_then(|index| container.instructions.get(index as usize));
        ProgramError::Check { error, instruction: named.map(|n| n.name.clone()) }
    })?;
    Ok(file)
}

/// Loads `bytes`, whose CRC is not yet there, as the runtime would.
fn check(bytes: &[u8]) -> Result<(), LoadError> {
    let load = |bytes: &[u8]| Model::with_crc(bytes, |_| 0).map(|_| ());
    match load(bytes) {
        // No allocator promises more than a byte's alignment.
        Err(LoadError::Misaligned) => {
            let mut words = vec![0u32; bytes.len().div_ceil(4)];
            let aligned = &mut bytemuck::cast_slice_mut(&mut words)[..bytes.len()];
            aligned.copy_from_slice(bytes);
            load(aligned)
        }
        loaded => loaded,
    }
}

fn encode(container: &Container<'_>, identity: [u8; 32], named: bool) -> Result<Encoded, ProgramError> {
    let mut file = front_of(container, identity, named)?;
    file.bytes.extend_from_slice(&container.blobs);
    Ok(file)
}

/// The file up to its constants.
fn front_of(container: &Container<'_>, identity: [u8; 32], named: bool) -> Result<Encoded, ProgramError> {
    if container.instructions.len() > MAX_INSTRUCTIONS as usize {
        return Err(ProgramError::TooLarge { what: "the program" });
    }
    let header = Header {
        identity,
        arena_len: container.arena_len,
        instructions: container.instructions.len() as u32,
        inputs: container.inputs.len() as u16,
        outputs: container.outputs.len() as u16,
        ..Header::default()
    };
    let mut file = Encoded { header, bytes: vec![0; HEADER_LEN] };
    file.header.io = file.section(&descriptions(container)?)?;
    file.header.program = file.section(&program(&container.instructions)?)?;
    file.header.names = file.section(&if named { names(container) } else { Vec::new() })?;
    file.section(&[])?;
    file.header.blobs = section(file.bytes.len(), container.blobs.len())?;
    let len = file.header.blobs.offset + file.header.blobs.len;
    file.bytes[..HEADER_LEN].copy_from_slice(&file.header.encode(len, 0));
    Ok(file)
}

/// The section of `len` bytes at `offset`.
fn section(offset: usize, len: usize) -> Result<Section, ProgramError> {
    let fits = u32::try_from(offset as u64 + len as u64).is_ok();
    let section = Section { offset: offset as u32, len: len as u32 };
    if fits { Ok(section) } else { Err(ProgramError::TooLarge { what: "the container" }) }
}

/// What makes a record too large for its frame.
const NAME: &str = "a name";

fn descriptions(container: &Container<'_>) -> Result<Vec<u8>, ProgramError> {
    let mut bytes = Vec::new();
    for InputSpec { name, slot, kind } in &container.inputs {
        frame(&mut bytes, &Input { name, slot: *slot, kind: *kind }, NAME)?;
    }
    for OutputSpec { name, slot, kind, shape, scale } in &container.outputs {
        let output = Output { name, slot: *slot, kind: *kind, shape: *shape, scale: *scale };
        frame(&mut bytes, &output, NAME)?;
    }
    Ok(bytes)
}

fn program(instructions: &[Named]) -> Result<Vec<u8>, ProgramError> {
    let mut bytes = Vec::new();
    for Named { op, .. } in instructions {
        bytes.extend_from_slice(&(op.kind() as u16).to_le_bytes());
        frame_of(&mut bytes, &payload(op), NAME)?;
    }
    Ok(bytes)
}

fn payload(op: &Op) -> Vec<u8> {
    let mut serializer = postcard::Serializer { output: postcard::ser_flavors::StdVec::new() };
    op.encode(&mut serializer).expect("op records are plain data");
    postcard::ser_flavors::Flavor::finalize(serializer.output).expect("a vector can grow")
}

/// Names of `length u8 | UTF-8`, cut at a character boundary below 256 bytes, and the notes.
fn names(container: &Container<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Named { name, .. } in &container.instructions {
        let end = (0..=name.len().min(255)).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        bytes.push(end as u8);
        bytes.extend_from_slice(&name.as_bytes()[..end]);
    }
    bytes.extend_from_slice(container.notes.bytes());
    bytes
}
