//! Keys of timm's configuration that are compared with the tensors, and those without influence.

/// Keys beside `model_args` that say nothing about the result, and why.
pub(super) const UNUSED_HUB: &[(&str, &str)] = &[
    ("label_descriptions", "longer names of classes, of which `label_names` are kept"),
    ("labels", "older names of classes, of which `label_names` are kept"),
];

/// Keys of `model_args` that say nothing about the result, and why.
pub(super) const UNUSED_ARGS: &[(&str, &str)] = &[
    ("drop_rate", "dropout acts in training alone"),
    ("pos_drop_rate", "dropout acts in training alone"),
    ("patch_drop_rate", "dropout acts in training alone"),
    ("proj_drop_rate", "dropout acts in training alone"),
    ("attn_drop_rate", "dropout acts in training alone"),
    ("drop_path_rate", "dropout acts in training alone"),
    ("weight_init", "the weights are those of the file"),
    ("fix_init", "the weights are those of the file"),
    ("dynamic_img_size", "a program takes images of one size, that of the positions"),
    ("dynamic_img_pad", "a program takes images of one size, that of the positions"),
];

/// Keys of `pretrained_cfg` that say nothing about the result, and why.
pub(super) const UNUSED_PRETRAINED: &[(&str, &str)] = &[
    ("architecture", "the key beside `model_args` says it"),
    ("tag", "where the weights come from"),
    ("source", "where the weights come from"),
    ("url", "where the weights come from"),
    ("file", "where the weights come from"),
    ("hf_hub_id", "where the weights come from"),
    ("hf_hub_filename", "where the weights come from"),
    ("custom_load", "where the weights come from"),
    ("origin_url", "about the model, for people"),
    ("paper_ids", "about the model, for people"),
    ("paper_name", "about the model, for people"),
    ("license", "about the model, for people"),
    ("description", "about the model, for people"),
    ("notes", "about the model, for people"),
    ("fixed_input_size", "a program takes images of one size, that of the positions"),
    ("min_input_size", "a program takes images of one size, that of the positions"),
    ("test_input_size", "a program takes images of one size, that of the positions"),
    ("test_crop_pct", "a recommendation for another size"),
    ("num_classes", "of the weights that training began with; the tensors say how many there are"),
    ("label_offset", "of the weights that training began with"),
    ("label_names", "of the weights that training began with"),
    ("label_descriptions", "of the weights that training began with"),
    ("pool_size", "the size of a feature map, which follows from the positions"),
    ("test_pool_size", "the size of a feature map, which follows from the positions"),
    ("first_conv", "the name of a layer"),
    ("classifier", "the name of a layer"),
];

/// Parts of names of architectures that have the tensors of a `VisionTransformer` and compute
/// something else with them.
pub(super) const OTHERS: [(&str, &str); 5] = [
    ("rope", "positions that rotate queries and keys"),
    ("dinov3", "positions that rotate queries and keys"),
    ("_pe_", "positions that rotate queries and keys"),
    ("eva02", "positions that rotate queries and keys"),
    ("_rpn_", "its norms behind attention and MLP"),
];

/// Numbers that the tensors show, too.
pub(super) const COUNTED: [&str; 7] =
    ["patch_size", "in_chans", "num_classes", "embed_dim", "depth", "mlp_ratio", "reg_tokens"];

/// Parts of the model, and the tensors of which it then has one.
pub(super) const VISIBLE: [(&str, &[&str]); 10] = [
    ("class_token", &["cls_token"]),
    ("pre_norm", &["norm_pre.weight"]),
    ("fc_norm", &["fc_norm.weight"]),
    ("final_norm", &["norm.weight", "fc_norm.weight"]),
    ("init_values", &["blocks.0.ls1.gamma"]),
    ("qkv_bias", &["blocks.0.attn.qkv.bias"]),
    ("proj_bias", &["blocks.0.attn.proj.bias"]),
    ("qk_norm", &["blocks.0.attn.q_norm.weight"]),
    ("scale_attn_norm", &["blocks.0.attn.norm.weight"]),
    ("scale_mlp_norm", &["blocks.0.mlp.norm.weight"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_documented() {
        let document = include_str!("../../../../docs/conversion.md");
        for (key, reason) in [UNUSED_HUB, UNUSED_ARGS, UNUSED_PRETRAINED].into_iter().flatten() {
            let listed = |line: &str| line.contains(&format!("`{key}`")) && line.contains(reason);
            assert!(document.lines().any(listed), "docs/conversion.md lacks `{key}`: {reason}");
        }
    }
}
