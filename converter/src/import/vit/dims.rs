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
    /// The position embedding, if there is one.
    pub positions: Option<Positions>,
}

/// What a position embedding is of.
#[derive(Clone, Copy)]
pub(super) struct Positions {
    /// Its rows.
    pub rows: usize,
    /// Rows that are those of tokens before the patches.
    pub tokens: usize,
    /// Side of the square of patches that has the others.
    pub grid: usize,
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
        let prefixes = ["cls_token", "dist_token", "reg_token"].map(|name| tokens(tensors, name));
        let prefix = prefixes.into_iter().fold(0usize, |all, tokens| all.saturating_add(tokens));
        let outputs = match config.classifies {
            true => shape("head.weight")?.first().copied().unwrap_or(0),
            false => config.pooler.and_then(|_| first("pooler.weight")).unwrap_or(width),
        };
        let depth = (0..256).take_while(|b| tensors.contains(&format!("blocks.{b}.norm1.weight"))).count();
        if width == 0 || in_chans == 0 || hidden == 0 || depth == 0 {
            return Err(wrong("a tensor of the checkpoint is empty, or it has no blocks".into()));
        }
        let counts = [
            ("patch_size", patch_size, 1),
            ("in_chans", in_chans, 1),
            ("num_classes", outputs, 1),
            ("embed_dim", width, 1),
            ("depth", depth, 1),
            ("hidden", hidden, 1),
            ("reg_tokens", tokens(tensors, "reg_token"), 1),
            // The hidden width is rounded down.
            ("mlp_ratio", hidden, width),
        ];
        let found = counts.map(|(name, n, unit)| (name, n as f64 / unit as f64, 0.99 / unit as f64));
        config.stated.agree(&found, tensors)?;
        let positions = match config.placed {
            true => Some(Positions::read(tensors, config, prefix)?),
            false => None,
        };
        let shown = positions.map_or(0, |positions| positions.grid.saturating_mul(patch_size));
        let vit = VitConfig {
            img_size: small(config.img_size.unwrap_or(shown))?,
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
        match positions.is_none_or(|positions| positions.fit(vit.grid() as usize, config.interpolates)) {
            true => Ok(Self { width, hidden, prefix, positions, vit }),
            false => Err(wrong(format!(
                "`{}` has {} rows, an image of {2}×{2} gives {3} patches and {4} other tokens; the configuration \
                 may need `img_size` or `no_embed_class`",
                tensors.outward("pos_embed"),
                positions.map_or(0, |positions| positions.rows),
                vit.img_size,
                vit.grid() * vit.grid(),
                positions.map_or(0, |positions| positions.tokens)
            ))),
        }
    }
}

impl Positions {
    fn read(tensors: &Tensors<'_>, config: &Config, prefix: usize) -> Result<Self, ConvertError> {
        tensors.need("pos_embed")?;
        let rows = tokens(tensors, "pos_embed");
        let without_tokens = match config.no_embed_class {
            Some(stated) => stated,
            None => without_class(rows, prefix)?,
        };
        let tokens = match (without_tokens, config.late_registers) {
            (true, _) => 0,
            (false, true) => prefix.saturating_sub(tokens(tensors, "reg_token")),
            (false, false) => prefix,
        };
        Ok(Self { rows, tokens, grid: rows.saturating_sub(tokens).isqrt() })
    }

    /// Whether they are those of an image of `grid × grid` patches, or can be made so.
    fn fit(&self, grid: usize, interpolates: bool) -> bool {
        let whole = self.grid > 0 && self.rows.checked_sub(self.tokens) == Some(self.grid * self.grid);
        whole && (self.grid == grid || interpolates)
    }
}

/// Rows of a tensor of tokens.
fn tokens(tensors: &Tensors<'_>, name: &str) -> usize {
    tensors.shape(name).and_then(|shape| shape.get(1).copied()).unwrap_or(0)
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
