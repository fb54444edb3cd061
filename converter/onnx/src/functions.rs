//! Inlining of a model's own functions, which PyTorch's exporter leaves in some models.

use std::collections::{HashMap, HashSet};

use prost::Message;

use super::branches::Guarded;
use super::error::OnnxError;
use super::limits::{MAX_NODES, clean};
use super::proto::{AttributeProto, FunctionProto, NodeProto};

/// Deepest nesting of calls.
const MAX_DEPTH: usize = 32;

/// Most bytes of function bodies that are copied.
const MAX_COPIED: u64 = 1 << 28;

type Key<'a> = (&'a str, &'a str, &'a str);

/// A model's functions by domain, name and overload.
pub(super) struct Functions<'a> {
    functions: HashMap<Key<'a>, &'a FunctionProto>,
    nodes: usize,
    copied: u64,
}

impl<'a> Functions<'a> {
    /// The functions of a model.
    pub(super) fn new(functions: &'a [FunctionProto]) -> Self {
        let key = |f: &'a FunctionProto| (f.domain.as_str(), f.name.as_str(), f.overload.as_str());
        Self { functions: functions.iter().map(|f| (key(f), f)).collect(), nodes: 0, copied: 0 }
    }

    /// `nodes` with every call replaced by the function's nodes, in the same branches.
    pub(super) fn inline(&mut self, nodes: Vec<Guarded>) -> Result<Vec<Guarded>, OnnxError> {
        let mut flat = Vec::new();
        for (node, guards) in nodes {
            let mut expanded = Vec::new();
            self.expand(node, 0, &mut expanded)?;
            flat.extend(expanded.into_iter().map(|node| (node, guards.clone())));
        }
        Ok(flat)
    }

    fn expand(&mut self, node: NodeProto, depth: usize, flat: &mut Vec<NodeProto>) -> Result<(), OnnxError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(OnnxError::Limit {
                what: "nodes of the model".into(),
                found: self.nodes as u64,
                limit: MAX_NODES as u64,
            });
        }
        let key = (node.domain.as_str(), node.op_type.as_str(), node.overload.as_str());
        let Some(&function) = self.functions.get(&key) else {
            flat.push(node);
            return Ok(());
        };
        if depth == MAX_DEPTH {
            let hint = format!("its function calls others more than {MAX_DEPTH} deep, or itself");
            return Err(OnnxError::Unsupported { node: clean(&node.name), op: clean(&node.op_type), hint });
        }
        self.copied += function.node.iter().map(|inner| inner.encoded_len() as u64).sum::<u64>();
        if self.copied > MAX_COPIED {
            let what = "bytes of inlined functions".into();
            return Err(OnnxError::Limit { what, found: self.copied, limit: MAX_COPIED });
        }
        check_call(&node, function)?;
        // Unique: the call makes its first output once.
        let prefix = node.output.iter().find(|name| !name.is_empty()).unwrap_or(&node.name);
        for inner in &function.node {
            let inner = instance(inner, function, &node, prefix);
            self.expand(inner, depth + 1, flat)?;
        }
        Ok(())
    }
}

/// Refuses attributes and inputs of `call` that `function` neither names nor reads.
fn check_call(call: &NodeProto, function: &FunctionProto) -> Result<(), OnnxError> {
    let defaults = function.attribute_proto.iter().map(|attribute| &attribute.name);
    let read =
        function.node.iter().flat_map(|node| &node.attribute).map(|attribute| &attribute.ref_attr_name);
    let named: HashSet<&String> = function.attribute.iter().chain(defaults).chain(read).collect();
    let attribute = call.attribute.iter().find(|attribute| !named.contains(&attribute.name));
    let input = call.input.iter().skip(function.input.len()).find(|name| !name.is_empty());
    let hint = match (attribute, input) {
        (None, None) => return Ok(()),
        (Some(attribute), _) => {
            format!("its attribute `{}` is none of the model's function", clean(&attribute.name))
        }
        (None, Some(input)) => format!("its input `{}` is none of the model's function", clean(input)),
    };
    Err(OnnxError::Unsupported { node: clean(&call.name), op: clean(&call.op_type), hint })
}

/// `inner` of `function` as `call` runs it.
fn instance(inner: &NodeProto, function: &FunctionProto, call: &NodeProto, prefix: &str) -> NodeProto {
    let rename = |name: &String| {
        let at = |names: &[String]| names.iter().position(|inside| inside == name);
        if name.is_empty() {
            String::new()
        } else if let Some(input) = at(&function.input) {
            call.input.get(input).cloned().unwrap_or_default()
        } else if let Some(output) = at(&function.output).and_then(|output| call.output.get(output))
            && !output.is_empty()
        {
            output.clone()
        } else {
            format!("{prefix}/{name}")
        }
    };
    let attribute = |attribute: &AttributeProto| {
        if attribute.ref_attr_name.is_empty() {
            return Some(attribute.clone());
        }
        let named =
            |list: &[AttributeProto]| list.iter().find(|a| a.name == attribute.ref_attr_name).cloned();
        let value = named(&call.attribute).or_else(|| named(&function.attribute_proto))?;
        Some(AttributeProto { name: attribute.name.clone(), ..value })
    };
    NodeProto {
        input: inner.input.iter().map(rename).collect(),
        output: inner.output.iter().map(rename).collect(),
        name: format!("{prefix}/{}", inner.name),
        op_type: inner.op_type.clone(),
        attribute: inner.attribute.iter().filter_map(attribute).collect(),
        domain: inner.domain.clone(),
        overload: inner.overload.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op: &str, input: &[&str], output: &[&str]) -> NodeProto {
        let texts = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect();
        NodeProto { op_type: op.into(), input: texts(input), output: texts(output), ..NodeProto::default() }
    }

    fn function(name: &str, input: &[&str], output: &[&str], nodes: Vec<NodeProto>) -> FunctionProto {
        let texts = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect();
        FunctionProto {
            name: name.into(),
            input: texts(input),
            output: texts(output),
            node: nodes,
            ..Default::default()
        }
    }

    fn inline(functions: &[FunctionProto], nodes: Vec<NodeProto>) -> Result<Vec<NodeProto>, OnnxError> {
        let nodes = nodes.into_iter().map(|node| (node, Vec::new())).collect();
        let flat = Functions::new(functions).inline(nodes)?;
        Ok(flat.into_iter().map(|(node, _)| node).collect())
    }

    #[test]
    fn calls_are_replaced_with_renamed_nodes() {
        let mut scaled = node("Mul", &["t", "b"], &["y"]);
        scaled.attribute.push(AttributeProto {
            name: "k".into(),
            ref_attr_name: "alpha".into(),
            ..Default::default()
        });
        let functions = [function("F", &["a", "b"], &["y"], vec![node("Exp", &["a"], &["t"]), scaled])];
        let mut call = node("F", &["x", "w"], &["out"]);
        call.attribute.push(AttributeProto { name: "alpha".into(), i: 3, ..Default::default() });
        let flat = inline(&functions, vec![call, node("F", &["out", "w"], &["end"])]).unwrap();
        let ops: Vec<_> =
            flat.iter().map(|n| (n.op_type.as_str(), n.input.join(" "), n.output.join(" "))).collect();
        let expected = [
            ("Exp", "x", "out/t"),
            ("Mul", "out/t w", "out"),
            ("Exp", "out", "end/t"),
            ("Mul", "end/t w", "end"),
        ];
        assert_eq!(ops, expected.map(|(op, input, output)| (op, input.to_string(), output.to_string())));
        assert_eq!((flat[1].attribute[0].name.as_str(), flat[1].attribute[0].i), ("k", 3));
        assert!(flat[3].attribute.is_empty());
    }

    #[test]
    fn recursion_and_explosion_are_refused() {
        let functions = [function("F", &["a"], &["y"], vec![node("F", &["a"], &["y"])])];
        let error = inline(&functions, vec![node("F", &["x"], &["z"])]).unwrap_err();
        assert!(matches!(error, OnnxError::Unsupported { .. }), "{error}");
        let names: Vec<String> = (0..31).map(|level| format!("F{level}")).collect();
        let functions: Vec<_> = names
            .windows(2)
            .map(|pair| {
                let call = || node(&pair[1], &["a"], &["y"]);
                function(&pair[0], &["a"], &["y"], vec![call(), call()])
            })
            .collect();
        let error = inline(&functions, vec![node("F0", &["x"], &["z"])]).unwrap_err();
        assert!(matches!(error, OnnxError::Limit { .. }), "{error}");
    }

    #[test]
    fn what_a_function_does_not_name_is_refused() {
        let functions = [function("F", &["a"], &["y"], vec![node("Relu", &["a"], &["y"])])];
        let inline = |call: NodeProto| inline(&functions, vec![call]);
        inline(node("F", &["x"], &["z"])).unwrap();
        let error = inline(node("F", &["x", "", "w"], &["z"])).unwrap_err().to_string();
        assert!(error.contains("input `w`"), "{error}");
        let mut call = node("F", &["x"], &["z"]);
        call.attribute.push(AttributeProto { name: "alpha".into(), ..Default::default() });
        let error = inline(call).unwrap_err().to_string();
        assert!(error.contains("attribute `alpha`"), "{error}");
    }
}
