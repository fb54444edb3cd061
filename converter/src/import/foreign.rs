//! Files of other formats, recognised by their first bytes, and the way from each to one that is
//! read.

use std::io::Read;
use std::path::Path;

use crate::error::ConvertError;

/// A format that is not read.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// What the file is.
    pub name: &'static str,
    /// How to get a model that is read.
    pub way: &'static str,
    /// How its first bytes show, or its name where those do not.
    shows: fn(&File) -> bool,
}

const PYTORCH: &str = "in Python, load it into its model and export that: \
                       `torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), \"model.onnx\")`, or save a timm model's \
                       weights with `safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")`";
const KERAS: &str = "in Python, load it and export it as ONNX: `tf2onnx.convert.from_keras(keras.models.load_model(file), \
                     output_path=\"model.onnx\")`";
const TENSORFLOW: &str = "export it as ONNX with `python -m tf2onnx.convert`";
const AGAIN: &str = "download the file itself, and look at its size";

/// Formats; the first that shows counts.
const FORMATS: &[Format] = &[
    Format {
        name: "the pointer of Git LFS to a file, not the file",
        way: "fetch it with `git lfs pull`",
        shows: |file| file.starts(b"version https://git-lfs"),
    },
    Format { name: "an HTML page", way: AGAIN, shows: |file| file.text(&["<!doctype html", "<html"]) },
    Format {
        name: "a PyTorch file (torch.save or TorchScript)",
        way: PYTORCH,
        shows: |file| file.zip_of(&["/data.pkl", "/.format_version", "/code/", "/byteorder", "/version"]),
    },
    Format {
        name: "a pickle, as torch.save wrote them before PyTorch 1.6",
        way: PYTORCH,
        shows: |file| {
            matches!(file.head, [0x80, 2..=5, ..]) || file.has_extension(&["pt", "pth", "pkl", "ckpt"])
        },
    },
    Format {
        name: "a Keras model",
        way: KERAS,
        shows: |file| file.zip_of(&["metadata.json", "model.weights.h5"]) || file.has_extension(&["keras"]),
    },
    Format {
        name: "a Keras model in HDF5",
        way: KERAS,
        shows: |file| file.starts(b"\x89HDF\r\n\x1a\n") || file.has_extension(&["h5", "hdf5"]),
    },
    Format {
        name: "a model of TensorFlow Lite",
        way: "convert the TensorFlow or PyTorch model that it was made from to ONNX; \
              `python -m tf2onnx.convert --tflite FILE --output model.onnx` works where it holds floats",
        shows: |file| file.head.get(4..8) == Some(b"TFL3") || file.has_extension(&["tflite"]),
    },
    Format {
        name: "a TensorFlow graph",
        way: TENSORFLOW,
        shows: |file| file.has_extension(&["pb"]) || file.holds("saved_model.pb"),
    },
    Format {
        name: "a Core ML model",
        way: "convert the PyTorch or TensorFlow model that it was made from to ONNX",
        shows: |file| file.has_extension(&["mlmodel", "mlpackage", "mlmodelc"]),
    },
    Format {
        name: "a GGUF file, whose weights are quantized in blocks",
        way: "take the original float model, and export it as ONNX",
        shows: |file| file.starts(b"GGUF"),
    },
    Format {
        name: "a model in ONNX Runtime's own format",
        way: "give the .onnx file that it was made from",
        shows: |file| file.head.get(4..8) == Some(b"ORTM") || file.has_extension(&["ort"]),
    },
    Format {
        name: "arrays of NumPy",
        way: "they are taken as images, with --calib and --data; the model is an .onnx or .safetensors file",
        shows: |file| file.starts(b"\x93NUMPY") || file.zip_of(&[".npy"]),
    },
    Format {
        name: "a Shiftformer container",
        way: "it is converted already: `run`, `eval`, `bench` and `inspect` take it",
        shows: |file| file.starts(&runtime::MAGIC),
    },
    Format {
        name: "a zip archive",
        way: "unpack it, and give the model inside",
        shows: |file| file.starts(b"PK\x03\x04"),
    },
    Format {
        name: "compressed",
        way: "unpack it, and give the model inside",
        shows: |file| {
            [&b"\x1f\x8b"[..], b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"]
                .iter()
                .any(|magic| file.starts(magic))
        },
    },
    Format {
        name: "text in JSON, no weights",
        way: "give the model itself; a configuration is given with --config",
        shows: |file| file.text(&["{"]) && !file.has_extension(&["onnx"]),
    },
];

/// What is looked at of a file.
struct File<'a> {
    path: &'a Path,
    head: &'a [u8],
}

/// Bytes that are looked at.
const HEAD: u64 = 4096;

/// Refuses the file or folder at `path` if it is in one of the formats that are known and not
/// read.
///
/// # Errors
///
/// [`ConvertError::Foreign`]. Whatever cannot be read here is for its reader to refuse.
pub(super) fn check(path: &Path) -> Result<(), ConvertError> {
    let mut head = Vec::new();
    if path.is_file()
        && let Ok(file) = std::fs::File::open(path)
    {
        // What is not read does not show.
        let _ = file.take(HEAD).read_to_end(&mut head);
    } else if !path.is_dir() {
        return Ok(());
    }
    match FORMATS.iter().find(|format| (format.shows)(&File { path, head: &head })) {
        Some(&format) => Err(ConvertError::Foreign { path: path.display().to_string(), format }),
        None => Ok(()),
    }
}

impl File<'_> {
    fn starts(&self, magic: &[u8]) -> bool {
        self.head.starts_with(magic)
    }

    /// Whether the first word is one of `words`, in letters of any size.
    fn text(&self, words: &[&str]) -> bool {
        let text = self.head.trim_ascii_start().to_ascii_lowercase();
        words.iter().any(|word| text.starts_with(word.as_bytes()))
    }

    /// Whether it is a zip archive, and the names of its first files contain one of `parts`.
    fn zip_of(&self, parts: &[&str]) -> bool {
        let within = |part: &&str| self.head.windows(part.len()).any(|bytes| bytes == part.as_bytes());
        self.starts(b"PK\x03\x04") && parts.iter().any(within)
    }

    fn has_extension(&self, extensions: &[&str]) -> bool {
        let own = self.path.extension().unwrap_or_default();
        extensions.iter().any(|extension| own.eq_ignore_ascii_case(extension))
    }

    /// Whether it is a folder with a file of that name.
    fn holds(&self, name: &str) -> bool {
        self.path.is_dir() && self.path.join(name).is_file()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, head: &[u8]) -> Option<&'static str> {
        let file = File { path: Path::new(name), head };
        FORMATS.iter().find(|format| (format.shows)(&file)).map(|format| format.name)
    }

    #[test]
    fn what_is_read_is_no_other_format() {
        // A safetensors file begins with a length, an ONNX file with its version.
        assert_eq!(found("m.safetensors", b"\x40\0\0\0\0\0\0\0{\"a\":{}}"), None);
        assert_eq!(found("m.onnx", b"\x08\x08\x12\x07pytorch"), None);
        assert_eq!(found("m.bin", b"\x08\x08"), None);
        assert_eq!(found("m.onnx", b""), None);
    }

    #[test]
    fn bytes_count_before_names() {
        assert_eq!(found("m.onnx", b"GGUF\x03"), Some("a GGUF file, whose weights are quantized in blocks"));
        assert_eq!(found("m.pth", b"\n <HTML>"), Some("an HTML page"));
        let zip = b"PK\x03\x04\0\0\0\0best/data.pkl";
        assert_eq!(found("m.onnx", zip), Some("a PyTorch file (torch.save or TorchScript)"));
        assert_eq!(found("m.onnx", b"PK\x03\x04\0\0\0\0images.npy"), Some("arrays of NumPy"));
        assert_eq!(found("m.onnx", b"PK\x03\x04\0\0\0\0readme"), Some("a zip archive"));
    }
}
