//! Attention heads, which the tensors do not show.

use super::Given;
use crate::error::ConvertError;
use crate::import::json::wrong;

/// Widths of which published models have one number of heads.
const PUBLISHED: [(usize, usize); 5] = [(192, 3), (384, 6), (768, 12), (1024, 16), (1280, 16)];
/// Further widths of which timm's own architectures have one number of heads.
const REGISTERED: [(usize, usize); 12] = [
    (64, 2),
    (96, 3),
    (256, 4),
    (320, 5),
    (512, 8),
    (640, 10),
    (832, 13),
    (896, 14),
    (1152, 16),
    (1408, 16),
    (1664, 16),
    (2048, 16),
];
/// The architecture that has other heads than its width says, and how many.
const EXCEPTION: (&str, usize) = ("vit_base_patch16_gap_224", 16);

impl Given {
    /// Heads of published models that are `width` wide.
    pub fn known_heads(&self, width: usize) -> Result<usize, ConvertError> {
        let of = |table: &[(usize, usize)]| table.iter().find(|(w, _)| *w == width).map(|&(_, heads)| heads);
        // A stated width is that of a model of the user's own.
        let known = match &self.architecture {
            _ if self.states_width => None,
            Some(name) if name.starts_with(EXCEPTION.0) => Some(EXCEPTION.1),
            Some(_) => of(&PUBLISHED).or_else(|| of(&REGISTERED)),
            None => of(&PUBLISHED),
        };
        known.ok_or_else(|| {
            wrong(format!(
                "the number of heads of a model {width} wide is not known; give {{\"num_heads\": N}} with \
                 --config FILE.json, or in `model_args` of config.json"
            ))
        })
    }
}
