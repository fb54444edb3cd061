//! Swin: what its configuration says.

use float::Function;
use serde_json::Value;

use super::{Built, Head, Kind, Source, function, keys};
use crate::error::ConvertError;
use crate::import::json::{count, flag, number, side, wrong};
use crate::import::pictures::Pictures;
use crate::import::swin::{Config, build};

/// Builds the graph of a Swin Transformer.
pub(super) fn swin(source: Source<'_, '_>, kind: &Kind) -> Built {
    let Source { tensors, mut keys, head, mut stated, preprocessor, options } = source;
    let bias = keys.take("qkv_bias", flag)?.unwrap_or(true);
    let placed = keys.take("use_absolute_embeddings", flag)?.unwrap_or(false);
    stated.visible.extend([
        ("qkv_bias", ["layers.0.blocks.0.attn.q.bias"].as_slice(), bias),
        ("use_absolute_embeddings", &["pos_embed"], placed),
    ]);
    let width = keys.need("embed_dim", count)?;
    let patch = keys.take("patch_size", side)?.unwrap_or(4);
    let channels = keys.take("num_channels", count)?.unwrap_or(3);
    for (key, what, value) in [
        ("embed_dim", "embed_dim", width),
        ("num_channels", "in_chans", channels),
        ("patch_size", "patch_size", patch),
    ] {
        stated.counted.push((key, what, value as f64));
    }
    let mut config = Config {
        side: keys.take("image_size", side)?.unwrap_or(224),
        patch,
        channels,
        width,
        depths: keys.need("depths", counts)?,
        heads: keys.need("num_heads", counts)?,
        window: keys.take("window_size", count)?.unwrap_or(7),
        mlp_ratio: keys.take("mlp_ratio", number)?.unwrap_or(4.0),
        function: keys.take("hidden_act", function)?.unwrap_or(Function::Gelu),
        eps: keys.take("layer_norm_eps", number)?.unwrap_or(kind.eps) as f32,
        placed,
        classifies: head != Head::Bare,
        pictures: Pictures::default(),
        stated,
    };
    let stages = keys.take("num_layers", count)?;
    if stages.is_some_and(|stages| stages != config.depths.len()) {
        return Err(wrong("`num_layers` is not the number of `depths`".into()));
    }
    // The width behind the last stage.
    let last = keys.take("hidden_size", count)?;
    let shift = u32::try_from(config.depths.len().saturating_sub(1)).unwrap_or(u32::MAX);
    if last.is_some_and(|last| Some(last) != width.checked_shl(shift)) {
        return Err(wrong(
            "`hidden_size` is not that of the last stage, twice as wide as the one before".into(),
        ));
    }
    keys.finish(keys::UNUSED)?;
    let mut notes = Vec::new();
    if let Some(preprocessor) = preprocessor {
        let mut side = Some(config.side);
        notes = preprocessor.apply(&mut config.pictures, &mut side, !placed)?;
        config.side = side.unwrap_or(config.side);
    }
    Ok((build(tensors, config, options)?, notes))
}

fn counts(key: &str, value: &Value) -> Result<Vec<usize>, ConvertError> {
    let all =
        value.as_array().ok_or_else(|| wrong(format!("`{key}` is {value}, expected a list of numbers")))?;
    all.iter().map(|value| count(key, value)).collect()
}
