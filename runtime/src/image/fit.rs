//! How a frame of another size becomes the model's: which part of it, and by which rule.

use core::num::{NonZeroU16, NonZeroU64};

use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::{FitError, MAX_SIDE, side};

/// How a source frame of any size is brought to the model's height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fit {
    /// Resize both axes independently to exactly the model's size, without antialiasing.
    Stretch,
    /// [`Resize::ShortSide`] without antialiasing.
    CenterCrop {
        /// Length of the resized frame's shorter side, in pixels: at least both
        /// sides of the model frame, at most [`MAX_SIDE`].
        short_side: u16,
    },
    /// [`Resize::Sides`] with antialiasing.
    Antialiased {
        /// Rows before the crop: at least those of the model frame, at most [`MAX_SIDE`].
        height: u16,
        /// Columns, likewise.
        width: u16,
        /// The weights of pixels.
        filter: Filter,
    },
    /// [`Resize::ShortSide`] with antialiasing.
    AntialiasedCrop {
        /// As of [`CenterCrop`](Self::CenterCrop).
        short_side: u16,
        /// The weights of pixels.
        filter: Filter,
    },
}

/// The size that a source frame is resized to before its centre is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Each axis to a length of its own: the model's own size stretches the whole frame.
    Sides {
        /// Rows: at least those of the model frame, at most [`MAX_SIDE`].
        height: u16,
        /// Columns, likewise.
        width: u16,
    },
    /// The shorter side to so many pixels, at least both sides of the model frame and at most
    /// [`MAX_SIDE`], and the longer one to `⌊short side · long / short⌋`.
    ShortSide(u16),
}

/// The weights of source pixels by their distance, which shrinking widens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    /// A triangle: 1 − |t| up to 1.
    Bilinear,
    /// Keys' cubic with a = −1/2, up to 2.
    Bicubic,
}

impl Fit {
    /// The whole frame, stretched to `height` × `width` pixels as Pillow and torchvision do: the
    /// rule of models that state none.
    pub const fn stretched(height: u16, width: u16) -> Self {
        Fit::antialiased(Resize::Sides { height, width }, Filter::Bilinear)
    }

    /// `resize` with antialiasing.
    pub const fn antialiased(resize: Resize, filter: Filter) -> Self {
        match resize {
            Resize::Sides { height, width } => Fit::Antialiased { height, width, filter },
            Resize::ShortSide(short_side) => Fit::AntialiasedCrop { short_side, filter },
        }
    }

    /// The weights of pixels; none without antialiasing.
    pub const fn filter(self) -> Option<Filter> {
        match self {
            Fit::Antialiased { filter, .. } | Fit::AntialiasedCrop { filter, .. } => Some(filter),
            Fit::Stretch | Fit::CenterCrop { .. } => None,
        }
    }

    /// The size before the crop, for a model frame of `height` × `width` pixels.
    pub const fn resize(self, height: u16, width: u16) -> Resize {
        match self {
            Fit::Stretch => Resize::Sides { height, width },
            Fit::Antialiased { height, width, .. } => Resize::Sides { height, width },
            Fit::CenterCrop { short_side } | Fit::AntialiasedCrop { short_side, .. } => {
                Resize::ShortSide(short_side)
            }
        }
    }

    /// Whether this rule can produce frames of `height` × `width` pixels.
    ///
    /// # Errors
    ///
    /// [`FitError::Size`] for a side outside `1..=MAX_SIDE`, and [`FitError::Crop`] for a crop
    /// larger than what it is cut from.
    pub fn check(self, height: u16, width: u16) -> Result<(), FitError> {
        let (height, width) = (side(height)?.get(), side(width)?.get());
        let least = height.max(width);
        let (rows, columns, height, width) = match self.resize(height, width) {
            Resize::Sides { height: rows, width: columns } => (rows, columns, height, width),
            Resize::ShortSide(short_side) => (short_side, short_side, least, least),
        };
        crop(rows, height)?;
        crop(columns, width)
    }

    /// Rows and columns of a source of `tall` × `wide` pixels on the way to `height` × `width`, which
    /// [`check`](Self::check) admits.
    pub(super) fn axes(self, [tall, wide]: [NonZeroU16; 2], height: u16, width: u16) -> [Axis; 2] {
        let [rows, columns] = match self.resize(height, width) {
            Resize::Sides { height, width } => [height.into(), width.into()],
            Resize::ShortSide(short_side) => {
                let short = u64::from(short_side);
                let long = short * u64::from(tall.max(wide).get()) / NonZeroU64::from(tall.min(wide));
                if tall <= wide { [short, long] } else { [long, short] }
            }
        };
        [Axis::new(tall, rows, height), Axis::new(wide, columns, width)]
    }
}

/// Refuses to cut `needed` pixels from `resized`, which are fewer or over [`MAX_SIDE`].
fn crop(resized: u16, needed: u16) -> Result<(), FitError> {
    let enough = (needed..=MAX_SIDE).contains(&resized);
    if enough { Ok(()) } else { Err(FitError::Crop { resized, needed }) }
}
