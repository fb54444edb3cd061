//! Keys of `config.json` without influence, and why.

/// In every model.
pub(super) const UNUSED: &[(&str, &str)] = &[
    ("_name_or_path", "where the weights come from"),
    ("_commit_hash", "where the weights come from"),
    ("transformers_version", "which version wrote the file"),
    ("dtype", "the tensors have types of their own"),
    ("torch_dtype", "the tensors have types of their own"),
    ("label2id", "`id2label` says it"),
    ("chunk_size_feed_forward", "about the memory of training"),
    ("tie_word_embeddings", "about models of text"),
    ("_num_labels", "`id2label` says it"),
    ("max_length", "about models of text"),
    ("padding", "about models of text"),
    ("finetuning_task", "about the model, for people"),
    ("hidden_dropout_prob", "dropout acts in training alone"),
    ("attention_probs_dropout_prob", "dropout acts in training alone"),
    ("drop_path_rate", "dropout acts in training alone"),
    ("initializer_range", "the weights are those of the file"),
    ("layerscale_value", "the weights are those of the file"),
    ("gradient_checkpointing", "about training"),
    ("encoder_stride", "about pre-training"),
    ("use_mask_token", "about pre-training"),
    ("vocab_size", "about pre-training"),
    ("output_attentions", "about calls of the library"),
    ("output_hidden_states", "about calls of the library"),
    ("return_dict", "about calls of the library"),
    ("torchscript", "about calls of the library"),
    ("_attn_implementation", "about calls of the library"),
    ("_attn_implementation_autoset", "about calls of the library"),
    ("stage_names", "about models that are a part of others"),
    ("out_features", "about models that are a part of others"),
    ("out_indices", "about models that are a part of others"),
    ("segmentation_indices", "about models that are a part of others"),
    ("apply_layernorm", "about models that are a part of others"),
    ("reshape_hidden_states", "about models that are a part of others"),
    ("add_fpn", "about models that are a part of others"),
    ("pool_scales", "about segmentation"),
    ("use_auxiliary_head", "about segmentation"),
    ("auxiliary_loss_weight", "about segmentation"),
    ("auxiliary_channels", "about segmentation"),
    ("auxiliary_num_convs", "about segmentation"),
    ("auxiliary_concat_input", "about segmentation"),
    ("out_conv_dim", "about segmentation"),
    ("semantic_loss_ignore_index", "about segmentation"),
    ("pooler_act", "of a layer that classifiers do not read, and that others state"),
    ("pooler_output_size", "the tensors show it"),
    ("path_norm", "a name that no version of the library reads"),
];

#[cfg(test)]
mod tests {
    use super::super::{names, preprocessor};

    #[test]
    fn the_tables_are_documented() {
        let document = include_str!("../../../../docs/conversion.md");
        let tensors = names::UNUSED.iter().chain(names::UNUSED_BY_CLASSIFIERS);
        let tensors = tensors.map(|row| (row.end, row.reason));
        for (key, reason) in super::UNUSED.iter().chain(preprocessor::UNUSED).copied().chain(tensors) {
            let listed = |line: &str| line.contains(&format!("`{key}`")) && line.contains(reason);
            assert!(document.lines().any(listed), "docs/conversion.md lacks `{key}`: {reason}");
        }
    }
}
