//! The state dict of torchvision's `VisionTransformer`.

use super::layout::{Family, Layout};

/// torchvision's names. Its configuration is that of timm's `VisionTransformer`, of which it is one.
pub static LAYOUT: Layout = Layout {
    family: Family::Torchvision,
    landmark: "conv_proj.weight",
    bases: &[],
    names: &[
        ("patch_embed.proj", "conv_proj"),
        ("cls_token", "class_token"),
        ("pos_embed", "encoder.pos_embedding"),
        ("blocks.{}.norm1", "encoder.layers.encoder_layer_{}.ln_1"),
        ("blocks.{}.attn.qkv.weight", "encoder.layers.encoder_layer_{}.self_attention.in_proj_weight"),
        ("blocks.{}.attn.qkv.bias", "encoder.layers.encoder_layer_{}.self_attention.in_proj_bias"),
        ("blocks.{}.attn.proj", "encoder.layers.encoder_layer_{}.self_attention.out_proj"),
        ("blocks.{}.norm2", "encoder.layers.encoder_layer_{}.ln_2"),
        ("blocks.{}.mlp.fc1", "encoder.layers.encoder_layer_{}.mlp.0"),
        ("blocks.{}.mlp.fc2", "encoder.layers.encoder_layer_{}.mlp.3"),
        // Before torchvision 0.13.
        ("blocks.{}.mlp.fc1", "encoder.layers.encoder_layer_{}.mlp.linear_1"),
        ("blocks.{}.mlp.fc2", "encoder.layers.encoder_layer_{}.mlp.linear_2"),
        ("norm", "encoder.ln"),
        ("head", "heads.head"),
    ],
};
