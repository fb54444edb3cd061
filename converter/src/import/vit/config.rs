//! What the tensors of a vision transformer do not say, whoever named them.

use float::Function;

use crate::error::ConvertError;
use crate::import::json::wrong;
use crate::import::pictures::Pictures;
use crate::import::tensors::Tensors;

/// How tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The class token.
    Token,
    /// The class and the distillation token, each with a classifier of its own.
    Both,
    /// The mean of the patches.
    Mean,
    /// The class token and the mean of the patches, side by side.
    TokenAndMean,
}

/// What is computed with the tensors.
#[derive(Debug)]
pub struct Config {
    /// Attention heads.
    pub heads: usize,
    /// Between the layers of an MLP.
    pub function: Function,
    /// Epsilon of LayerNorm.
    pub eps: f32,
    /// Side of the image; that of the positions where it is not stated.
    pub img_size: Option<usize>,
    /// As stated; else the norms tell.
    pub pool: Option<Pool>,
    /// The mean is that of all tokens.
    pub pool_prefix: bool,
    /// Tokens before the patches have no positions; else the number of positions tells.
    pub no_embed_class: Option<bool>,
    /// There is a position embedding.
    pub placed: bool,
    /// There is a classifier; else the output is an embedding.
    pub classifies: bool,
    /// The class token has a position, and the registers behind it have none.
    pub late_registers: bool,
    /// Positions of another grid than that of the image are interpolated.
    pub interpolates: bool,
    /// Behind the layer that makes an embedding of the class token, in a model without classifier.
    pub pooler: Option<Function>,
    /// How pictures become frames.
    pub pictures: Pictures,
    /// What the tensors show, too.
    pub stated: Stated,
}

/// What a configuration says of things that the tensors show.
#[derive(Debug, Default)]
pub struct Stated {
    /// A key, which number it is, and its value.
    pub counted: Vec<(&'static str, &'static str, f64)>,
    /// A key, tensors of which there is one if its value is true, and its value.
    pub visible: Vec<(&'static str, &'static [&'static str], bool)>,
}

impl Config {
    /// Of a model with a classifier and a position embedding.
    pub fn new(heads: usize, function: Function, eps: f32) -> Self {
        Self {
            heads,
            function,
            eps,
            img_size: None,
            pool: None,
            pool_prefix: false,
            no_embed_class: None,
            placed: true,
            classifies: true,
            late_registers: false,
            interpolates: false,
            pooler: None,
            pictures: Pictures::default(),
            stated: Stated::default(),
        }
    }
}

impl Stated {
    /// Refuses a configuration that contradicts the tensors, of which `found` are numbers and how
    /// far each may be off.
    pub fn agree(&self, found: &[(&str, f64, f64)], tensors: &Tensors<'_>) -> Result<(), ConvertError> {
        for (key, parts, stated) in &self.visible {
            if parts.iter().any(|part| tensors.contains(part)) != *stated {
                let (there, part) = (if *stated { "no" } else { "a" }, tensors.outward(parts[0]));
                return Err(wrong(format!("`{key}` is {stated}, but there is {there} tensor `{part}`")));
            }
        }
        for (key, number, stated) in &self.counted {
            let off =
                |&&(other, found, by): &&(&str, f64, f64)| other == *number && (found - stated).abs() > by;
            if let Some((_, found, _)) = found.iter().find(off) {
                return Err(wrong(format!("`{key}` is {stated}, but {found} in the tensors")));
            }
        }
        Ok(())
    }
}
