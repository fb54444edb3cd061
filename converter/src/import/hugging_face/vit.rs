//! ViT, DeiT, BEiT and DINOv2: what their configurations say of one vision transformer.

use float::Function;

use super::{Built, Head, Kind, Source, function, keys};
use crate::error::ConvertError;
use crate::import::json::{count, flag, number, present, side, wrong};
use crate::import::vit::{Config, Pool, build};

/// ViT and DeiT.
pub(super) fn vit(mut source: Source<'_, '_>, kind: &Kind) -> Built {
    let mut config = common(&mut source, kind)?;
    bias(&mut source, &mut config)?;
    if source.head == Head::Bare && source.tensors.contains("pooler.weight") {
        config.pooler = Some(source.keys.take("pooler_act", function)?.unwrap_or(Function::Tanh));
    }
    finish(source, config)
}

/// DINOv2, with registers or without.
pub(super) fn dinov2(mut source: Source<'_, '_>, kind: &Kind) -> Built {
    let mut config = common(&mut source, kind)?;
    bias(&mut source, &mut config)?;
    let keys = &mut source.keys;
    let gated = keys.take("use_swiglu_ffn", flag)?.unwrap_or(false);
    config.stated.visible.push(("use_swiglu_ffn", &["blocks.0.mlp.w12.weight"], gated));
    // That of gated layers is rounded to another multiple.
    let ratio = keys.take("mlp_ratio", number)?.filter(|_| !gated);
    config.stated.counted.extend(ratio.map(|ratio| ("mlp_ratio", "mlp_ratio", ratio)));
    let registers = keys.take("num_register_tokens", number)?;
    config.stated.counted.extend(registers.map(|count| ("num_register_tokens", "reg_tokens", count)));
    config.interpolates = true;
    config.late_registers = true;
    if config.classifies {
        config.pool = Some(Pool::TokenAndMean);
    }
    finish(source, config)
}

/// BEiT.
pub(super) fn beit(mut source: Source<'_, '_>, kind: &Kind) -> Built {
    let mut config = common(&mut source, kind)?;
    let keys = &mut source.keys;
    let pooled = keys.take("use_mean_pooling", flag)?.unwrap_or(true);
    config.placed = keys.take("use_absolute_position_embeddings", flag)?.unwrap_or(false);
    let scaled = keys.take("layer_scale_init_value", present)?.unwrap_or(true);
    let relative = keys.take("use_relative_position_bias", flag)?.unwrap_or(false);
    let shared = keys.take("use_shared_relative_position_bias", flag)?.unwrap_or(false);
    config.stated.visible.extend([
        ("use_mean_pooling", ["fc_norm.weight"].as_slice(), pooled),
        ("use_absolute_position_embeddings", &["pos_embed"], config.placed),
        ("layer_scale_init_value", &["blocks.0.ls1.gamma"], scaled),
        ("use_relative_position_bias", &["blocks.0.attn.bias_table"], relative),
        ("use_shared_relative_position_bias", &["bias_table"], shared),
    ]);
    match (pooled, source.tensors.contains("norm.weight")) {
        (false, _) => source.tensors.need("norm.weight")?,
        (true, false) => {}
        (true, true) => {
            let name = source.tensors.outward("norm.weight");
            return Err(wrong(format!("`use_mean_pooling` is true, but there is a tensor `{name}`")));
        }
    }
    config.pool = Some(if pooled { Pool::Mean } else { Pool::Token });
    config.img_size = config.img_size.or(Some(224));
    finish(source, config)
}

/// What all have.
fn common(source: &mut Source<'_, '_>, kind: &Kind) -> Result<Config, ConvertError> {
    let Source { keys, head, stated, .. } = source;
    let heads = keys.need("num_attention_heads", count)?;
    let act = keys.take("hidden_act", function)?.unwrap_or(Function::Gelu);
    let eps = keys.take("layer_norm_eps", number)?.unwrap_or(kind.eps);
    let mut config = Config::new(heads, act, eps as f32);
    config.stated = std::mem::take(stated);
    config.img_size = keys.take("image_size", side)?;
    config.classifies = *head != Head::Bare;
    config.no_embed_class = Some(false);
    config.pool = Some(if *head == Head::Teacher { Pool::Both } else { Pool::Token });
    let patch = keys.take("patch_size", side)?;
    config.stated.counted.extend(patch.map(|side| ("patch_size", "patch_size", side as f64)));
    for (key, what) in [
        ("hidden_size", "embed_dim"),
        ("num_hidden_layers", "depth"),
        ("num_channels", "in_chans"),
        ("intermediate_size", "hidden"),
    ] {
        let value = keys.take(key, number)?;
        config.stated.counted.extend(value.map(|value| (key, what, value)));
    }
    Ok(config)
}

fn bias(source: &mut Source<'_, '_>, config: &mut Config) -> Result<(), ConvertError> {
    let bias = source.keys.take("qkv_bias", flag)?.unwrap_or(true);
    config.stated.visible.push(("qkv_bias", &["blocks.0.attn.q.bias"], bias));
    Ok(())
}

fn finish(source: Source<'_, '_>, mut config: Config) -> Built {
    source.keys.finish(keys::UNUSED)?;
    let mut notes = Vec::new();
    if let Some(preprocessor) = source.preprocessor {
        notes.extend(preprocessor.apply(&mut config.pictures, &mut config.img_size, config.interpolates)?);
    }
    let (graph, more) = build(source.tensors, config, source.options)?;
    notes.extend(more);
    Ok((graph, notes))
}
