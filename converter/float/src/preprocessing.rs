//! What a model does with its pixels itself.

/// How a model's file says that pixels are to be normalised before the model is given them.
#[derive(Clone, Debug, PartialEq)]
pub struct StatedPixels {
    /// Where it says so, in words.
    pub source: String,
    /// Mean of each channel of pixels scaled to \[0, 1\], or one for all.
    pub mean: Vec<f32>,
    /// Standard deviation, likewise.
    pub std: Vec<f32>,
}

/// What a model does with its pixels before its first layer, beside the normalisation that is
/// stated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preprocessing {
    /// Nothing: its first layer reads them as they are given, or with the other sign.
    Absent,
    /// It normalises pixels scaled to \[0, 1\].
    Unit,
    /// It takes bytes, 0 to 255.
    Bytes,
}
