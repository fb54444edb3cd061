//! Models.

use std::sync::Arc;

use shiftformer::{Reading, runtime::OutputKind};

use crate::error::ShiftformerError;
use crate::mapped;
use crate::options::SessionOptions;
use crate::session::Session;

/// What an output says to people.
#[uniffi::remote(Enum)]
pub enum Reading {
    /// Classes of which one is right: each has a share, by a softmax.
    Shares,
    /// Classes each of which may be right: each has a chance, by a sigmoid.
    Chances,
    /// The class of the largest logit, and nothing else.
    Class,
    /// Numbers that stand for themselves.
    Values,
    /// A vector, of which the direction counts.
    Vector,
    /// A map of height × width × channels.
    Map,
}

/// The image that a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ImageInfo {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// Bytes of each pixel.
    pub channels: u8,
}

/// An output of a model.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct OutputInfo {
    /// Its name.
    pub name: String,
    /// How it is read.
    pub reading: Reading,
    /// Four dimensions, outermost first, padded with 1: of a map height, width, channels.
    pub shape: Vec<u32>,
    /// Real value of one unit.
    pub scale: f32,
}

/// A checked model, to be shared by threads. Sessions keep what they need of it when it is closed.
#[derive(Debug, uniffi::Object)]
pub struct Model(shiftformer::Model);

/// Names of the classes of the first output of logits; see [`shiftformer::Model::labels`].
pub(crate) fn class_names(model: &shiftformer::Model) -> Vec<&str> {
    let outputs = model.outputs();
    let logits = outputs.iter().find(|output| output.kind == OutputKind::Logits);
    logits.map_or(Vec::new(), |logits| model.labels(logits.len))
}

#[uniffi::export]
impl Model {
    /// Reads the file at `path` and checks it whole.
    ///
    /// # Errors
    ///
    /// [`ShiftformerError::Open`].
    #[uniffi::constructor]
    pub fn open(path: String) -> Result<Arc<Self>, ShiftformerError> {
        Ok(Arc::new(Self(shiftformer::Model::open(path)?)))
    }

    /// A model in memory; `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`ShiftformerError::Open`].
    #[uniffi::constructor]
    pub fn from_bytes(name: String, bytes: Vec<u8>) -> Result<Arc<Self>, ShiftformerError> {
        Ok(Arc::new(Self(shiftformer::Model::from_owner(name, bytes)?)))
    }

    /// A model that is part of an open file: `length` bytes from `offset` on, such as an asset
    /// that is stored in an app's package without compression. It is mapped into memory, and not
    /// copied where it starts at a multiple of 4. The descriptor stays the caller's, who may close
    /// it at once; nobody may alter the file while the model or a session of it is open.
    ///
    /// # Errors
    ///
    /// [`ShiftformerError::Open`].
    #[uniffi::constructor]
    pub fn from_descriptor(descriptor: i32, offset: u64, length: u64) -> Result<Arc<Self>, ShiftformerError> {
        Ok(Arc::new(Self(mapped::open(descriptor, offset, length)?)))
    }

    /// The path, or the name given with the bytes.
    pub fn name(&self) -> String {
        self.0.name().to_owned()
    }

    /// SHA-256 of what the model computes, in hexadecimal: what `shiftformer inspect` prints.
    pub fn identity(&self) -> String {
        self.0.identity().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The image that the model takes; null where it takes other things, or several.
    pub fn image(&self) -> Option<ImageInfo> {
        let image = self.0.image()?;
        Some(ImageInfo { height: image.height, width: image.width, channels: image.channels })
    }

    /// Bytes of all inputs of a frame.
    pub fn frame_len(&self) -> u64 {
        self.0.frame_len() as u64
    }

    /// What the model gives, in the order of its outputs.
    pub fn outputs(&self) -> Vec<OutputInfo> {
        let outputs = self.0.outputs().into_iter();
        outputs
            .map(|output| OutputInfo {
                name: output.name.to_owned(),
                reading: output.reading(),
                shape: output.shape.to_vec(),
                scale: output.scale,
            })
            .collect()
    }

    /// Names of the classes, empty where the model has none for a class; none at all where it has
    /// none for any of them.
    pub fn labels(&self) -> Vec<String> {
        class_names(&self.0).into_iter().map(str::to_owned).collect()
    }

    /// A session on the engine that `options` ask for. The weights are laid out for it here, once.
    ///
    /// # Errors
    ///
    /// [`ShiftformerError::Prepare`].
    #[uniffi::method(default(options))]
    pub fn session(&self, options: SessionOptions) -> Result<Arc<Session>, ShiftformerError> {
        Ok(Arc::new(Session::open(&self.0, &options)?))
    }
}
