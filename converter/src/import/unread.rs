//! Tensors that no importer reads: without influence on the result, or a reason to refuse the file.

use std::collections::BTreeSet;

/// A tensor that may stay unread.
pub struct Unused {
    /// The end of its name, from the beginning or behind a dot.
    pub end: &'static str,
    /// Only where the tensor of this end, in the same layer, was read.
    pub beside: Option<&'static str>,
    /// Why it has no influence.
    pub reason: &'static str,
}

impl Unused {
    /// Whether this row means the tensor `name`.
    pub fn covers(&self, name: &str, read: &BTreeSet<String>) -> bool {
        let Some(layer) = name.strip_suffix(self.end) else { return false };
        let whole = layer.is_empty() || layer.ends_with('.');
        whole && self.beside.is_none_or(|other| read.contains(&format!("{layer}{other}")))
    }
}

pub const fn anywhere(end: &'static str, reason: &'static str) -> Unused {
    Unused { end, beside: None, reason }
}

const fn beside(end: &'static str, other: &'static str, reason: &'static str) -> Unused {
    Unused { end, beside: Some(other), reason }
}

/// In timm's layout, that of BiViT included.
pub const TIMM: &[Unused] = &[
    anywhere("mask_token", "stands for hidden patches in pre-training"),
    anywhere("num_batches_tracked", "counts the steps of training"),
    anywhere("total_ops", "counts operations, left by a profiler"),
    anywhere("total_params", "counts parameters, left by a profiler"),
];

/// In the layout of I-ViT.
pub const IVIT: &[Unused] = &[
    beside("weight", "weight_integer", "the floats that the integers beside it were made from"),
    beside("bias", "bias_integer", "the floats that the integers beside it were made from"),
    beside("bias_integer", "bias", "the integers of a LayerNorm, made anew from its floats"),
    beside("norm_scaling_factor", "weight", "the scale of a LayerNorm, made anew from its floats"),
    anywhere("int_softmax.act_scaling_factor", "follows from the fraction bits of the exponential"),
    anywhere("matmul_1.act_scaling_factor", "the product of two scales"),
    anywhere("matmul_2.act_scaling_factor", "the product of two scales"),
    anywhere("mlp.act.act_scaling_factor", "follows from the scale in front of GELU"),
    anywhere("qact_softmax.act_scaling_factor", "of a layer that the authors' model does not call"),
    anywhere("act_out.act_scaling_factor", "of a layer that the authors' model does not call"),
];

/// In the layout of the training recipe.
pub const RECIPE: &[Unused] = &[
    anywhere("mlp.fc1.scale", "a scale in front of GELU, where signs are taken instead"),
    anywhere("mlp.act.scale", "a scale behind GELU, where signs are taken instead"),
];

/// What a part of a name says about tensors that are not read.
const MEANINGS: &[(&str, &str)] = &[
    ("pre_logits.", "a layer in front of the classifier"),
    ("attn_pool.", "pooling by attention"),
    ("relative_position", "relative positions"),
    ("rel_pos", "relative positions"),
    ("attn.norm.", "a LayerNorm within attention (scaled norms)"),
    ("mlp.norm.", "a LayerNorm within the MLP (scaled norms)"),
    ("blocks_token_only.", "CaiT's blocks for the class token"),
    ("gamma_1", "LayerScale of CaiT or BEiT"),
    ("gamma_2", "LayerScale of CaiT or BEiT"),
    ("proj_l.", "CaiT's talking heads"),
    ("proj_w.", "CaiT's talking heads"),
    ("q_bias", "biases of queries and values alone"),
    ("v_bias", "biases of queries and values alone"),
    ("patch_embed.norm.", "a norm of the patches"),
    ("patch_embed.backbone.", "a convolutional network in front of the patches"),
    ("register_tokens", "register tokens under another name than `reg_token`"),
    ("decoder", "a decoder of pre-training"),
    ("lora_", "LoRA adapters that were not merged"),
    ("running_mean", "a BatchNorm"),
    ("running_var", "a BatchNorm"),
];

/// What the unread tensors `names` probably are.
pub fn meaning(names: &BTreeSet<&str>) -> String {
    let known = MEANINGS.iter().filter(|(part, _)| names.iter().any(|name| name.contains(part)));
    let mut meanings: Vec<&str> = known.map(|(_, meaning)| *meaning).collect();
    meanings.dedup();
    let all = |name: &&str| MEANINGS.iter().any(|(part, _)| name.contains(part));
    if !names.iter().all(all) {
        meanings.push("parts of a model that this layout does not have");
    }
    meanings.join("; ")
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;
    use safetensors::{Dtype, SafeTensors, serialize};

    use super::*;
    use crate::import::{ImportOptions, import_safetensors};

    const IVIT_FILE: &[u8] = include_bytes!("../../../data/vit_fmnist_ivit_qat.safetensors");
    const BIVIT_FILE: &[u8] = include_bytes!("../../../data/vit_fmnist_bivit.safetensors");
    const RECIPE_FILE: &[u8] = include_bytes!("../../../data/vit_fmnist_bivit_recipe.safetensors");

    /// Imports `file` with `wrapper` in front of its names, and a further tensor.
    fn import(file: &[u8], wrapper: &str, further: Option<&str>) -> Result<(), String> {
        let (_, header) = SafeTensors::read_metadata(file).unwrap();
        let tensors = SafeTensors::deserialize(file).unwrap().tensors();
        let mut views: Vec<_> =
            tensors.into_iter().map(|(name, tensor)| (format!("{wrapper}{name}"), tensor)).collect();
        let data = [0; 4];
        let more =
            |name: &str| (format!("{wrapper}{name}"), TensorView::new(Dtype::F32, vec![1], &data).unwrap());
        views.extend(further.map(more));
        let bytes = serialize(views, header.metadata().clone()).unwrap();
        let imported = import_safetensors(&bytes, "test", &ImportOptions::default());
        imported.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn every_layout_names_what_it_does_not_read() {
        for file in [IVIT_FILE, BIVIT_FILE, RECIPE_FILE] {
            import(file, "", None).unwrap();
            import(file, "module._orig_mod.", None).unwrap();
            for name in ["pre_logits.fc.weight", "blocks.9.attn.qkv.weight", "blocks.0.attn.other.bias"] {
                let error = import(file, "model.", Some(name)).unwrap_err();
                assert!(error.contains(&format!("`model.{name}`")), "{error}");
            }
        }
    }

    #[test]
    fn floats_are_unused_only_beside_integers() {
        assert!(import(IVIT_FILE, "", Some("blocks.0.norm3.norm_scaling_factor")).is_err());
        assert!(import(IVIT_FILE, "", Some("blocks.0.attn.k.weight")).is_err());
        assert!(import(IVIT_FILE, "", Some("blocks.0.attn.k.bias_integer")).is_err());
    }

    #[test]
    fn the_tables_are_documented() {
        let document = include_str!("../../../docs/conversion.md");
        for row in [TIMM, IVIT, RECIPE].into_iter().flatten() {
            let line = format!("| `{}` | {} |", row.end, row.reason);
            assert!(document.contains(&line), "docs/conversion.md lacks the line {line}");
        }
    }
}
