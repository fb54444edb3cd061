//! Names of Hugging Face's tensors, and those that may stay unread.

use crate::import::layout::{Family, Layout};
use crate::import::unread::{Unused, anywhere};

/// The names of ViT, DeiT, BEiT, DINOv2 and Swin: `*` is what a model with a classifier writes in
/// front of those of the model within.
pub static LAYOUT: Layout = Layout {
    family: Family::HuggingFace,
    landmark: "*embeddings.patch_embeddings.projection.weight",
    bases: &["vit.", "deit.", "beit.", "dinov2.", "dinov2_with_registers.", "swin."],
    names: &[
        ("patch_embed.proj", "*embeddings.patch_embeddings.projection"),
        ("patch_embed.norm", "*embeddings.norm"),
        ("cls_token", "*embeddings.cls_token"),
        ("dist_token", "*embeddings.distillation_token"),
        ("reg_token", "*embeddings.register_tokens"),
        ("pos_embed", "*embeddings.position_embeddings"),
        ("blocks.{}.norm1", "*encoder.layer.{}.layernorm_before"),
        ("blocks.{}.norm1", "*encoder.layer.{}.norm1"),
        ("blocks.{}.attn.q", "*encoder.layer.{}.attention.attention.query"),
        ("blocks.{}.attn.k", "*encoder.layer.{}.attention.attention.key"),
        ("blocks.{}.attn.v", "*encoder.layer.{}.attention.attention.value"),
        (
            "blocks.{}.attn.bias_table",
            "*encoder.layer.{}.attention.attention.relative_position_bias.relative_position_bias_table",
        ),
        ("bias_table", "*encoder.relative_position_bias.relative_position_bias_table"),
        ("blocks.{}.attn.proj", "*encoder.layer.{}.attention.output.dense"),
        ("blocks.{}.ls1.gamma", "*encoder.layer.{}.lambda_1"),
        ("blocks.{}.ls1.gamma", "*encoder.layer.{}.layer_scale1.lambda1"),
        ("blocks.{}.norm2", "*encoder.layer.{}.layernorm_after"),
        ("blocks.{}.norm2", "*encoder.layer.{}.norm2"),
        ("blocks.{}.mlp.fc1", "*encoder.layer.{}.intermediate.dense"),
        ("blocks.{}.mlp.fc1", "*encoder.layer.{}.mlp.fc1"),
        ("blocks.{}.mlp.fc2", "*encoder.layer.{}.output.dense"),
        ("blocks.{}.mlp.fc2", "*encoder.layer.{}.mlp.fc2"),
        ("blocks.{}.mlp.w12", "*encoder.layer.{}.mlp.weights_in"),
        ("blocks.{}.mlp.w3", "*encoder.layer.{}.mlp.weights_out"),
        ("blocks.{}.ls2.gamma", "*encoder.layer.{}.lambda_2"),
        ("blocks.{}.ls2.gamma", "*encoder.layer.{}.layer_scale2.lambda1"),
        ("layers.{}.blocks.{}.norm1", "*encoder.layers.{}.blocks.{}.layernorm_before"),
        ("layers.{}.blocks.{}.attn.q", "*encoder.layers.{}.blocks.{}.attention.self.query"),
        ("layers.{}.blocks.{}.attn.k", "*encoder.layers.{}.blocks.{}.attention.self.key"),
        ("layers.{}.blocks.{}.attn.v", "*encoder.layers.{}.blocks.{}.attention.self.value"),
        (
            "layers.{}.blocks.{}.attn.bias_table",
            "*encoder.layers.{}.blocks.{}.attention.self.relative_position_bias_table",
        ),
        ("layers.{}.blocks.{}.attn.proj", "*encoder.layers.{}.blocks.{}.attention.output.dense"),
        ("layers.{}.blocks.{}.norm2", "*encoder.layers.{}.blocks.{}.layernorm_after"),
        ("layers.{}.blocks.{}.mlp.fc1", "*encoder.layers.{}.blocks.{}.intermediate.dense"),
        ("layers.{}.blocks.{}.mlp.fc2", "*encoder.layers.{}.blocks.{}.output.dense"),
        ("layers.{}.downsample.norm", "*encoder.layers.{}.downsample.norm"),
        ("layers.{}.downsample.reduction", "*encoder.layers.{}.downsample.reduction"),
        ("norm", "*layernorm"),
        ("fc_norm", "*pooler.layernorm"),
        ("pooler", "*pooler.dense"),
        ("head", "classifier"),
        ("head", "cls_classifier"),
        ("head_dist", "distillation_classifier"),
    ],
};

/// Tensors without influence.
pub const UNUSED: &[Unused] = &[
    anywhere("mask_token", "stands for hidden patches in pre-training"),
    anywhere("relative_position_index", "follows from the size of the window"),
    anywhere("num_batches_tracked", "counts the steps of training"),
];

/// Tensors without influence in a model with a classifier.
pub const UNUSED_BY_CLASSIFIERS: &[Unused] = &[
    anywhere("pooler.dense.weight", "the classifier reads the class token itself"),
    anywhere("pooler.dense.bias", "the classifier reads the class token itself"),
];
