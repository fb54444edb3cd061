//! What a user may say about a model file.

/// What a user may override about a model file.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The configuration as JSON, instead of the file's metadata.
    pub config: Option<String>,
    /// Mean of each channel of pixels scaled to \[0, 1\].
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}
