//! The option for the names of classes.

use std::path::{Path, PathBuf};

/// Options for the names of classes.
#[derive(Debug, clap::Args)]
pub struct LabelArgs {
    /// Names of the classes, one a line, in the order of the model's outputs: folders of images are
    /// matched with them by name [default: those that the model has, else every class has a folder,
    /// in the order of the folders' names].
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

impl LabelArgs {
    /// The file, if one is given.
    pub fn file(&self) -> Option<&Path> {
        self.labels.as_deref()
    }
}
