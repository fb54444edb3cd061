//! Encoding of a planned program as a container.

use quant::Op;
use runtime::{BLOB_ALIGN, HEADER_LEN, Header, Input, LoadError, MAX_INSTRUCTIONS, Model, Output, Section};
use sha2::{Digest, Sha256};

use crate::container::Container;
use crate::draft::{InputSpec, Named, OutputSpec};
use crate::error::ProgramError;
use crate::record::{frame, frame_of};
use crate::repack::repack;

/// Encodes `container` after the runtime's own checker has admitted it. The identity is
/// the SHA-256 of the same content with weights in their canonical layouts, neither names nor notes,
/// and zeros for the identity itself.
pub fn write(container: &Container) -> Result<Vec<u8>, ProgramError> {
    write_as(container, [0; 32])?;
    let canonical = repack(container, quant::pack::Packs::CANONICAL);
    let identity = Sha256::digest(encode(&canonical, [0; 32], false)?).into();
    encode(container, identity, true)
}

/// Encodes `container`, admitted as by [`write()`], under an identity that is known: for a
/// program that was rebuilt in memory.
///
/// # Errors
///
/// As [`write()`].
pub fn write_as(container: &Container, identity: [u8; 32]) -> Result<Vec<u8>, ProgramError> {
    let bytes = encode(container, identity, true)?;
    check(&bytes).map_err(|error| {
        let named = error.instruction().and_then(|index| container.instructions.get(index as usize));
        ProgramError::Check { error, instruction: named.map(|n| n.name.clone()) }
    })?;
    Ok(bytes)
}

/// Loads `bytes` as the runtime would.
fn check(bytes: &[u8]) -> Result<(), LoadError> {
    let mut words = vec![0u32; bytes.len().div_ceil(4)];
    let aligned: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut words)[..bytes.len()];
    aligned.copy_from_slice(bytes);
    Model::new(aligned).map(|_| ())
}

fn encode(container: &Container, identity: [u8; 32], named: bool) -> Result<Vec<u8>, ProgramError> {
    if container.instructions.len() > MAX_INSTRUCTIONS as usize {
        return Err(ProgramError::TooLarge { what: "the program" });
    }
    let mut file = vec![0u8; HEADER_LEN];
    let mut header = Header {
        identity,
        arena_len: container.arena_len,
        instructions: container.instructions.len() as u32,
        inputs: container.inputs.len() as u16,
        outputs: container.outputs.len() as u16,
        ..Header::default()
    };
    header.io = section(&mut file, &descriptions(container)?)?;
    header.program = section(&mut file, &program(&container.instructions)?)?;
    header.names = section(&mut file, &if named { names(container) } else { Vec::new() })?;
    header.blobs = section(&mut file, &container.blobs)?;
    let len = file.len() as u32;
    file[..HEADER_LEN].copy_from_slice(&header.encode(len, 0));
    let crc = runtime::crc32(&file[16..]);
    file[..HEADER_LEN].copy_from_slice(&header.encode(len, crc));
    Ok(file)
}

fn section(file: &mut Vec<u8>, bytes: &[u8]) -> Result<Section, ProgramError> {
    file.resize(file.len().next_multiple_of(BLOB_ALIGN as usize), 0);
    let offset = file.len();
    file.extend_from_slice(bytes);
    if u32::try_from(file.len()).is_err() {
        return Err(ProgramError::TooLarge { what: "the container" });
    }
    Ok(Section { offset: offset as u32, len: bytes.len() as u32 })
}

/// What makes a record too large for its frame.
const NAME: &str = "a name";

fn descriptions(container: &Container) -> Result<Vec<u8>, ProgramError> {
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
fn names(container: &Container) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Named { name, .. } in &container.instructions {
        let end = (0..=name.len().min(255)).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        bytes.push(end as u8);
        bytes.extend_from_slice(&name.as_bytes()[..end]);
    }
    bytes.extend_from_slice(container.notes.bytes());
    bytes
}
