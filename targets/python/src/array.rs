//! Pictures and frames in the memory of NumPy arrays.

use std::borrow::Cow;

use conversion::Failure;
use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use shiftformer::Picture;

/// One picture or several of one size, in an array of `uint8`. While it is read, without a lock, the
/// array must not be changed.
pub struct Pictures<'py> {
    array: PyReadonlyArrayDyn<'py, u8>,
    count: usize,
    height: u16,
    width: u16,
    channels: u8,
}

impl<'py> Pictures<'py> {
    /// `object` as one picture: height × width × channels, or height × width of grey.
    pub fn one(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let array = bytes(object)?;
        match *array.shape() {
            [height, width] => Self::new(array, 1, [height, width, 1]),
            [height, width, channels] => Self::new(array, 1, [height, width, channels]),
            _ => Err(shape("a picture has the shape (height, width, channels) or (height, width)", &array)),
        }
    }

    /// `object` as several: number × height × width × channels, or number × height × width of grey.
    pub fn several(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let array = bytes(object)?;
        match *array.shape() {
            [count, height, width] => Self::new(array, count, [height, width, 1]),
            [count, height, width, channels] => Self::new(array, count, [height, width, channels]),
            _ => Err(shape(
                "pictures have the shape (number, height, width, channels) or (number, height, width)",
                &array,
            )),
        }
    }

    fn new(
        array: PyReadonlyArrayDyn<'py, u8>,
        count: usize,
        [height, width, channels]: [usize; 3],
    ) -> PyResult<Self> {
        match (u16::try_from(height), u16::try_from(width), u8::try_from(channels)) {
            (Ok(height), Ok(width), Ok(channels)) => Ok(Self { array, count, height, width, channels }),
            _ => Err(shape("a picture has sides of at most 16384 and 1 to 4 channels", &array)),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The pixels of all: those of the array itself, and a copy where they do not lie one after
    /// another in the order of rows. A slice of an array is in the order of its memory.
    pub fn pixels(&self) -> Pixels<'_> {
        let bytes = match self.array.as_slice() {
            Ok(slice) if self.array.is_c_contiguous() => Cow::Borrowed(slice),
            Ok(_) | Err(_) => Cow::Owned(self.array.as_array().iter().copied().collect()),
        };
        Pixels { bytes, height: self.height, width: self.width, channels: self.channels }
    }
}

/// Pixels of pictures of one size.
pub struct Pixels<'a> {
    bytes: Cow<'a, [u8]>,
    height: u16,
    width: u16,
    channels: u8,
}

impl Pixels<'_> {
    /// Picture number `index`.
    pub fn picture(&self, index: usize) -> Picture<'_> {
        let Self { bytes, height, width, channels } = self;
        let len = usize::from(*height) * usize::from(*width) * usize::from(*channels);
        let pixels = bytes.get(index * len..(index + 1) * len).unwrap_or_default();
        Picture { pixels, height: *height, width: *width, channels: *channels }
    }
}

/// Picture number `index` as a frame of `model`.
pub fn frame(model: &shiftformer::Model, pixels: &Pixels<'_>, index: usize) -> Result<Vec<u8>, Failure> {
    let source = conversion::FrameSource::of(model)?;
    source.fill(&pixels.picture(index), || format!("picture {index}"))
}

/// `object` as an array of `uint8`, without a copy where it is one.
fn bytes<'py>(object: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArrayDyn<'py, u8>> {
    let array = object.py().import("numpy")?.call_method1("asarray", (object,))?;
    array.extract().map_err(|_| {
        let found = array.getattr("dtype").map_or_else(|_| String::new(), |dtype| dtype.to_string());
        PyTypeError::new_err(format!(
            "pictures are arrays of uint8, pixels from 0 to 255; this is of {found}"
        ))
    })
}

fn shape(expected: &str, array: &PyReadonlyArrayDyn<'_, u8>) -> PyErr {
    PyValueError::new_err(format!("{expected}; this has {:?}", array.shape()))
}

/// The bytes of a frame, in whatever holds bytes one after another.
pub fn flat<'py>(object: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArrayDyn<'py, u8>> {
    let numpy = object.py().import("numpy")?;
    numpy.call_method1("frombuffer", (object, numpy.getattr("uint8")?))?.extract()
}
