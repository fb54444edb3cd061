//! Dimensions that the tensors have, and those that they leave open.

use super::config::Config;
use crate::error::ConvertError;
use crate::import::config::VitConfig;
use crate::import::json::{small, wrong};
use crate::import::tensors::Tensors;

/// Dimensions from the tensors.
pub(super) struct Dims {
    /// Its classes are the elements of the output; of a model without a classifier, those of its
    /// embedding.
    pub vit: VitConfig,
    pub width: usize,
    pub hidden: usize,
    /// Class, distillation and register tokens before the patches.
    pub prefix: usize,
    /// Rows of the position embedding; 0 where there is none.
    pub positions: usize,
    /// Side of the square of patches that have these positions.
    pub placed_grid: usize,
    /// Those tokens have no positions.
    pub no_embed_class: bool,
}

impl Dims {
    pub fn read(tensors: &Tensors<'_>, config: &Config) -> Result<Self, ConvertError> {
        let shape = |name: &str| {
            tensors.shape(name).ok_or_else(|| ConvertError::MissingTensor { name: tensors.outward(name) })
        };
        let first = |name: &str| tensors.shape(name).and_then(|shape| shape.first().copied());
        let patch = shape("patch_embed.proj.weight")?;
        let &[width, in_chans, patch_size, _] = patch.as_slice() else {
            return Err(wrong(format!(
                "`{}` has shape {patch:?}, expected four dimensions",
                tensors.outward("patch_embed.proj.weight")
            )));
        };
        let hidden = match first("blocks.0.mlp.w12.weight") {
            Some(both) => both / 2,
            None => shape("blocks.0.mlp.fc1.weight")?.first().copied().unwrap_or(0),
        };
        let tokens = |name: &str| tensors.shape(name).and_then(|s| s.get(1).copied()).unwrap_or(0);
        let prefixes = ["cls_token", "dist_token", "reg_token"].map(tokens);
        let prefix = prefixes.into_iter().fold(0usize, |all, tokens| all.saturating_add(tokens));
        let positions = match config.placed {
            true => shape("pos_embed")?.get(1).copied().unwrap_or(0),
            false => 0,
        };
        let outputs = match config.classifies {
            true => shape("head.weight")?.first().copied().unwrap_or(0),
            false => config.pooler.and_then(|_| first("pooler.weight")).unwrap_or(width),
        };
        let depth = (0..256).take_while(|b| tensors.contains(&format!("blocks.{b}.norm1.weight"))).count();
        let empty = width == 0 || in_chans == 0 || hidden == 0 || depth == 0;
        if empty || (config.placed && positions == 0) {
            return Err(wrong("a tensor of the checkpoint is empty, or it has no blocks".into()));
        }
        let counts = [
            ("patch_size", patch_size, 1),
            ("in_chans", in_chans, 1),
            ("num_classes", outputs, 1),
            ("embed_dim", width, 1),
            ("depth", depth, 1),
            ("hidden", hidden, 1),
            ("reg_tokens", tokens("reg_token"), 1),
            // The hidden width is rounded down.
            ("mlp_ratio", hidden, width),
        ];
        let found = counts.map(|(name, n, unit)| (name, n as f64 / unit as f64, 0.99 / unit as f64));
        config.stated.agree(&found, tensors)?;
        let no_embed_class = match config.no_embed_class {
            Some(stated) => stated,
            None if !config.placed => true,
            None => without_class(positions, prefix)?,
        };
        let embedded = match (no_embed_class, config.late_registers) {
            (true, _) => 0,
            (false, true) => prefix.saturating_sub(tokens("reg_token")),
            (false, false) => prefix,
        };
        let placed = positions.saturating_sub(embedded);
        let placed_grid = placed.isqrt();
        let vit = VitConfig {
            img_size: small(config.img_size.unwrap_or(placed_grid.saturating_mul(patch_size)))?,
            patch_size: small(patch_size)?,
            in_chans: small(in_chans)?,
            num_classes: small(outputs)?,
            embed_dim: small(width)?,
            depth: small(depth)?,
            num_heads: small(config.heads)?,
            mlp_ratio: hidden as f64 / width as f64,
            qkv_bias: true,
        };
        vit.check()?;
        let grid = vit.grid() as usize;
        let fits = positions == placed.saturating_add(embedded)
            && (placed == grid * grid
                || (config.interpolates && placed == placed_grid * placed_grid && placed > 0));
        if config.placed && !fits {
            return Err(wrong(format!(
                "`{}` has {positions} rows, an image of {1}×{1} gives {2} patches and {embedded} other \
                 tokens; the configuration may need `img_size` or `no_embed_class`",
                tensors.outward("pos_embed"),
                vit.img_size,
                grid * grid
            )));
        }
        let placed_grid = if config.placed { placed_grid } else { grid };
        Ok(Self { width, hidden, prefix, positions, placed_grid, no_embed_class, vit })
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
