//! Reading containers on a host.

use runtime::{LoadError, Model};

/// As [`Model::new`], with a CRC that is computed by the processor's carry-less products where it
/// has them.
///
/// # Errors
///
/// The checker's reason.
pub fn load(bytes: &[u8]) -> Result<Model<'_>, LoadError> {
    Model::with_crc(bytes, crc32fast::hash)
}
