//! Reading containers on a host.

use runtime::{LoadError, Model};

/// As [`Model::new`], with a CRC that is computed by the processor's carry-less products where it
/// has them and the feature `crc` is on.
///
/// # Errors
///
/// The checker's reason.
pub fn load(bytes: &[u8]) -> Result<Model<'_>, LoadError> {
    Model::with_crc(bytes, crc)
}

/// CRC-32 of `bytes`.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    #[cfg(feature = "crc")]
    return crc32fast::hash(bytes);
    #[cfg(not(feature = "crc"))]
    return runtime::crc32(bytes);
}
