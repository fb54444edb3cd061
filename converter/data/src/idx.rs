//! IDX files, the format of MNIST: unsigned bytes in up to four dimensions,
//! gzip-compressed or not.

use std::ffi::OsString;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::FormatError;
use crate::limits::Limits;
use crate::npy::{Array, DType};

/// First bytes of a gzip stream.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];
/// First bytes of an IDX file of unsigned bytes; the number of dimensions follows.
pub(super) const MAGIC: [u8; 3] = [0, 0, 8];

/// Reads an IDX file from its bytes.
///
/// # Errors
///
/// As [`read`].
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Array, FormatError> {
    read(bytes, limits)
}

/// Reads an IDX file of unsigned bytes in one to four dimensions, to its end.
///
/// # Errors
///
/// Any [`FormatError`] that concerns one array.
pub fn read(mut reader: impl BufRead, limits: &Limits) -> Result<Array, FormatError> {
    if reader.fill_buf()?.starts_with(&GZIP) {
        read_plain(MultiGzDecoder::new(reader), limits)
    } else {
        read_plain(reader, limits)
    }
}

fn read_plain(mut reader: impl Read, limits: &Limits) -> Result<Array, FormatError> {
    let mut magic = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut magic)?;
    let rank = match magic.strip_prefix(&MAGIC) {
        Some(&[rank @ 1..=4]) => u64::from(rank),
        _ => {
            return Err(FormatError::Magic {
                expected: "an IDX file of bytes (0x00000801 to 0x00000804)",
                found: magic,
            });
        }
    };
    let mut sizes = Vec::new();
    reader.by_ref().take(4 * rank).read_to_end(&mut sizes)?;
    if (sizes.len() as u64) < 4 * rank {
        return Err(FormatError::Truncated { expected: 4 + 4 * rank, actual: (4 + sizes.len()) as u64 });
    }
    let (sizes, _) = sizes.as_chunks::<4>();
    let shape = sizes.iter().map(|&size| u32::from_be_bytes(size) as usize);
    Array::read_data(reader, shape.collect(), DType::U8, limits)
}

/// Where the labels of an IDX images file may be, likeliest first.
///
/// `t10k-images-idx3-ubyte.gz` has its labels in `t10k-labels-idx1-ubyte.gz` or in
/// the same without `.gz`. Empty where the name does not say `images`.
pub fn labels_beside(images: &Path) -> Vec<PathBuf> {
    let Some(name) = images.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    if !name.contains("images") {
        return Vec::new();
    }
    let (stem, zipped) = match name.strip_suffix(".gz") {
        Some(stem) => (stem, true),
        None => (name, false),
    };
    let plain = stem.replacen("images", "labels", 1).replacen("idx3", "idx1", 1).replacen("idx4", "idx1", 1);
    let plain = images.with_file_name(plain);
    let mut gz = OsString::from(&plain);
    gz.push(".gz");
    if zipped { vec![gz.into(), plain] } else { vec![plain, gz.into()] }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_gzipped_files_agree() {
        let bytes = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        let plain = parse(&bytes, &Limits::default()).unwrap();
        assert_eq!(plain.shape(), [2, 1, 3]);
        assert_eq!(plain.clone().into_u8().unwrap(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(parse(&gzip(&bytes), &Limits::default()).unwrap(), plain);
    }

    #[test]
    fn damage_is_named() {
        let limits = Limits::default();
        let bytes = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        let (expected, actual) = (6, 5);
        let truncated = FormatError::Truncated { expected, actual };
        assert_eq!(parse(&bytes[..21], &limits), Err(truncated));
        let truncated = FormatError::Truncated { expected: 16, actual: 10 };
        assert_eq!(parse(&bytes[..10], &limits), Err(truncated));
        let longer = [bytes.as_slice(), &[7]].concat();
        let trailing = FormatError::Trailing { expected };
        assert_eq!(parse(&longer, &limits), Err(trailing));
        let zipped = gzip(&bytes);
        let cut = parse(&zipped[..zipped.len() - 9], &limits);
        assert!(matches!(cut, Err(FormatError::Read(_))), "{cut:?}");
        for magic in [&b""[..], &[0, 0, 8], &[0, 0, 9, 1], &[0, 0, 8, 5], b"PK\x03\x04"] {
            let refused = parse(magic, &limits);
            assert!(matches!(refused, Err(FormatError::Magic { .. })), "{refused:?}");
        }
    }

    #[test]
    fn announced_sizes_are_not_trusted() {
        let limits = Limits { max_bytes: 100 };
        let (bytes, limit) = (101, 100);
        let large = parse(&idx(&[101], &[]), &limits);
        assert_eq!(large, Err(FormatError::TooLarge { bytes, limit }));
        let huge = parse(&idx(&[u32::MAX; 4], &[]), &limits);
        let bytes = u64::MAX;
        assert_eq!(huge, Err(FormatError::TooLarge { bytes, limit }));
        let bomb = gzip(&idx(&[100], &vec![0; 1 << 20]));
        let refused = parse(&bomb, &limits);
        assert_eq!(refused, Err(FormatError::Trailing { expected: 100 }));
    }

    #[test]
    fn labels_are_looked_for_beside_the_images() {
        let beside = |name: &str| labels_beside(&Path::new("d").join(name));
        let plain = Path::new("d/t10k-labels-idx1-ubyte");
        let gz = Path::new("d/t10k-labels-idx1-ubyte.gz");
        assert_eq!(beside("t10k-images-idx3-ubyte.gz"), [gz, plain]);
        assert_eq!(beside("t10k-images-idx3-ubyte"), [plain, gz]);
        let dotted = beside("train-images.idx3-ubyte");
        assert_eq!(dotted[0], Path::new("d/train-labels.idx1-ubyte"));
        assert!(beside("pictures.idx").is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>, rank in 0..6_u8, zipped: bool) {
            let bytes = [&[0, 0, 8, rank], bytes.as_slice()].concat();
            let bytes = if zipped { gzip(&bytes) } else { bytes };
            let limits = Limits { max_bytes: 1 << 16 };
            let _ = parse(&bytes, &limits).map(|array| array.into_u8().unwrap().len());
        }
    }
}
