//! Names of tensors, made from those of the model.

use std::collections::HashMap;

/// The module that a weight or bias belongs to: `blocks.0.attn.qkv.weight` is of
/// `blocks.0.attn.qkv`; none for generated names.
pub fn stem(initializer: &str) -> Option<&str> {
    if !readable(initializer) {
        return None;
    }
    [".weight", ".bias", "_weight", "_bias"]
        .iter()
        .find_map(|suffix| initializer.strip_suffix(suffix))
        .filter(|stem| !stem.is_empty())
}

/// Whether somebody chose this name of a constant, as far as one can tell.
pub fn readable(initializer: &str) -> bool {
    let generated = ["val_", "_val_", "const", "onnx::", "/"];
    !generated.iter().any(|prefix| initializer.starts_with(prefix))
        && !initializer.contains("::")
        && !initializer.contains("_output_")
        && initializer.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Where `node` is in the model, with its op behind it unless it stands for its module:
/// `/blocks/blocks.0/attn/MatMul_1` is `blocks.0.attn.matmul_1`, or `blocks.0.attn`.
pub fn clean(node: &str, op: &str, module: bool) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in node.split('/').filter(|part| !part.is_empty()) {
        if let Some(last) = parts.last()
            && part.strip_prefix(*last).is_some_and(|rest| rest.starts_with('.'))
        {
            parts.pop();
        }
        parts.push(part);
    }
    let last = parts.pop().unwrap_or_default();
    let is_op = last.strip_prefix(op).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    let path = parts.join(".");
    match (is_op, path.is_empty()) {
        (true, false) if module => path,
        (_, true) => last.strip_prefix("node_").unwrap_or(last).to_lowercase(),
        (true, false) => format!("{path}.{}", last.to_lowercase()),
        (false, false) => format!("{path}.{last}"),
    }
}

/// Names in use.
#[derive(Debug, Default)]
pub struct Names {
    /// The number that was last tried behind each.
    used: HashMap<String, usize>,
}

impl Names {
    /// `wanted`, with a number behind it if it is taken.
    pub fn unique(&mut self, wanted: &str) -> String {
        let wanted = if wanted.is_empty() { "tensor" } else { wanted };
        let mut number = self.used.get(wanted).copied().unwrap_or(0);
        loop {
            number += 1;
            let name = if number == 1 { wanted.to_string() } else { format!("{wanted}_{number}") };
            if !self.used.contains_key(&name) {
                self.used.insert(wanted.to_string(), number);
                self.used.entry(name.clone()).or_insert(1);
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_become_module_paths() {
        assert_eq!(clean("/blocks/blocks.0/attn/qkv/MatMul", "MatMul", true), "blocks.0.attn.qkv");
        assert_eq!(clean("/blocks/blocks.0/attn/MatMul_1", "MatMul", false), "blocks.0.attn.matmul_1");
        assert_eq!(clean("/Add", "Add", false), "add");
        assert_eq!(clean("node_MatMul_12", "MatMul", true), "matmul_12");
        assert_eq!(clean("/mlp/act/gelu", "Gelu", false), "mlp.act.gelu");
        assert_eq!(clean("", "Add", true), "");
    }

    #[test]
    fn stems_come_from_chosen_names_only() {
        assert_eq!(stem("blocks.0.attn.qkv.weight"), Some("blocks.0.attn.qkv"));
        assert_eq!(stem("attn.in_proj_bias"), Some("attn.in_proj"));
        assert_eq!(stem("onnx::MatMul_205"), None);
        assert_eq!(stem("val_12"), None);
        assert_eq!(stem("pos_embed"), None);
    }

    #[test]
    fn names_are_unique() {
        let mut names = Names::default();
        assert_eq!(names.unique("a"), "a");
        assert_eq!(names.unique("a"), "a_2");
        assert_eq!(names.unique("a_2"), "a_2_2");
        assert_eq!(names.unique(""), "tensor");
    }
}
