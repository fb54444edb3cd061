//! Records of the container, encoded in postcard.

use serde::Serialize;

use crate::error::ProgramError;

/// Appends `record` behind its length; `what` is for the error where it has no room.
pub fn frame(bytes: &mut Vec<u8>, record: &impl Serialize, what: &'static str) -> Result<(), ProgramError> {
    let record = postcard::to_stdvec(record).expect("records are plain data");
    frame_of(bytes, &record, what)
}

/// Appends an encoded record behind its length.
pub fn frame_of(bytes: &mut Vec<u8>, record: &[u8], what: &'static str) -> Result<(), ProgramError> {
    let len = u16::try_from(record.len()).map_err(|_| ProgramError::TooLarge { what })?;
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(record);
    Ok(())
}
