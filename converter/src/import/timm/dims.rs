//! Dimensions that the tensors have, and those that they leave open.

use super::config::Config;
use super::values::{small, wrong};
use crate::error::ConvertError;
use crate::import::config::VitConfig;
use crate::import::tensors::Tensors;

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

/// Dimensions from the tensors.
pub(super) struct Dims {
    pub vit: VitConfig,
    pub width: usize,
    pub hidden: usize,
    /// Class, distillation and register tokens before the patches.
    pub prefix: usize,
    /// Rows of the position embedding.
    pub positions: usize,
    /// Those tokens have no positions.
    pub no_embed_class: bool,
}

impl Dims {
    pub fn read(tensors: &Tensors<'_>, config: &Config) -> Result<Self, ConvertError> {
        let shape = |name: &str| {
            tensors.shape(name).ok_or_else(|| ConvertError::MissingTensor { name: name.to_owned() })
        };
        let patch = shape("patch_embed.proj.weight")?;
        let &[width, in_chans, patch_size, _] = patch.as_slice() else {
            return Err(wrong(format!(
                "`patch_embed.proj.weight` has shape {patch:?}, expected four dimensions"
            )));
        };
        let hidden = shape("blocks.0.mlp.fc1.weight")?.first().copied().unwrap_or(0);
        let positions = shape("pos_embed")?.get(1).copied().unwrap_or(0);
        let classes = shape("head.weight")?.first().copied().unwrap_or(0);
        let tokens = |name: &str| tensors.shape(name).and_then(|s| s.get(1).copied()).unwrap_or(0);
        let prefix = tokens("cls_token") + tokens("dist_token") + tokens("reg_token");
        let depth = (0..256).take_while(|b| tensors.contains(&format!("blocks.{b}.norm1.weight"))).count();
        if width == 0 || in_chans == 0 || hidden == 0 || depth == 0 || positions == 0 {
            return Err(wrong("a tensor of the checkpoint is empty, or it has no blocks".into()));
        }
        let counts = [
            ("patch_size", patch_size, 1),
            ("in_chans", in_chans, 1),
            ("num_classes", classes, 1),
            ("embed_dim", width, 1),
            ("depth", depth, 1),
            ("reg_tokens", tokens("reg_token"), 1),
            // The hidden width is rounded down.
            ("mlp_ratio", hidden, width),
        ];
        let found = counts.map(|(name, n, unit)| (name, n as f64 / unit as f64, 0.99 / unit as f64));
        config.agree(&found, tensors)?;
        let no_embed_class = match config.no_embed_class {
            Some(stated) => stated,
            None => without_class(positions, prefix)?,
        };
        let embedded = if no_embed_class { 0 } else { prefix };
        let grid = positions.saturating_sub(embedded).isqrt();
        let vit = VitConfig {
            img_size: small(config.img_size.unwrap_or(grid.saturating_mul(patch_size)))?,
            patch_size: small(patch_size)?,
            in_chans: small(in_chans)?,
            num_classes: small(classes)?,
            embed_dim: small(width)?,
            depth: small(depth)?,
            num_heads: small(heads(width, config)?)?,
            mlp_ratio: hidden as f64 / width as f64,
            qkv_bias: true,
        };
        vit.check()?;
        let patches = (vit.grid() * vit.grid()) as usize;
        if patches + embedded != positions {
            return Err(wrong(format!(
                "`pos_embed` has {positions} rows, an image of {0}×{0} gives {patches} patches and {embedded} other \
                 tokens; the configuration may need `img_size` or `no_embed_class`",
                vit.img_size
            )));
        }
        Ok(Self { width, hidden, prefix, positions, no_embed_class, vit })
    }
}

/// Whether `positions` are those of a square of patches alone, without the `prefix` tokens.
fn without_class(positions: usize, prefix: usize) -> Result<bool, ConvertError> {
    let square = |n: usize| n > 0 && n.isqrt().pow(2) == n;
    match (square(positions), positions.checked_sub(prefix).is_some_and(square)) {
        (_, true) if prefix == 0 => Ok(false),
        (true, false) => Ok(true),
        (false, true) => Ok(false),
        (true, true) => Err(wrong(format!(
            "`pos_embed` has {positions} rows, which may or may not be without the {prefix} other tokens; give \
             `no_embed_class` in the configuration"
        ))),
        (false, false) => Err(wrong(format!(
            "`pos_embed` has {positions} rows: neither these nor those without {prefix} other tokens are a square \
             of patches"
        ))),
    }
}

/// Attention heads, as the configuration states them or as published models of this width have them.
fn heads(width: usize, config: &Config) -> Result<usize, ConvertError> {
    if let Some(heads) = config.num_heads {
        return Ok(heads);
    }
    let of = |table: &[(usize, usize)]| table.iter().find(|(w, _)| *w == width).map(|&(_, heads)| heads);
    // A stated width is that of a model of the user's own.
    let known = match &config.architecture {
        _ if config.states_width => None,
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
