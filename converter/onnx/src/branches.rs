//! Branches of `If`, laid out flat: the nodes of both, each with the condition under which it
//! counts, and an `If` that picks values of one.
//!
//! Which branch counts is known once the condition is: exporters leave an `If` on what follows
//! from shapes.

use std::collections::HashMap;

use super::model::Guard;
use super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// A node, and the branches that it is in, outermost first.
pub(super) type Guarded = (NodeProto, Vec<Guard>);

/// The nodes of a graph and of its branches.
#[derive(Default)]
pub(super) struct Flat {
    /// In execution order, if the file's is one. An `If` of two branches has as inputs its
    /// condition, what one branch makes, and what the other makes, and no attributes.
    pub(super) nodes: Vec<Guarded>,
    /// Constants of branches.
    pub(super) constants: Vec<TensorProto>,
    /// Branches so far.
    count: usize,
}

/// New names of the values that a branch makes.
type Scope = HashMap<String, String>;

impl Flat {
    /// Adds the nodes of a graph.
    pub(super) fn extend(&mut self, nodes: Vec<NodeProto>) {
        self.add(nodes, &mut Vec::new(), &[]);
    }

    fn add(&mut self, nodes: Vec<NodeProto>, scopes: &mut Vec<Scope>, guards: &[Guard]) {
        for mut node in nodes {
            for name in node.input.iter_mut().chain(&mut node.output) {
                *name = renamed(scopes, name);
            }
            let graph = |attribute: &AttributeProto| attribute.g.is_some();
            let branches = node.attribute.iter().filter(|attribute| graph(attribute)).count();
            let is_if = node.op_type == "If" && matches!(node.domain.as_str(), "" | "ai.onnx");
            let named = ["then_branch", "else_branch"]
                .map(|name| node.attribute.iter().position(|attribute| attribute.name == name));
            match (named, node.input.first().cloned()) {
                ([Some(then), Some(other)], Some(condition)) if is_if && branches == 2 => {
                    for (index, holds) in [(then, true), (other, false)] {
                        let graph = node.attribute[index].g.take().unwrap_or_default();
                        let guard = Guard { condition: condition.clone(), holds };
                        let made = self.branch(*graph, scopes, [guards, &[guard]].concat());
                        node.input.extend(made);
                    }
                    let named = |attribute: &AttributeProto| attribute.name.ends_with("_branch");
                    node.attribute.retain(|attribute| !named(attribute));
                }
                _ => {}
            }
            self.nodes.push((node, guards.to_vec()));
        }
    }

    /// Adds the nodes and constants of a branch; the names of what it makes.
    fn branch(&mut self, graph: GraphProto, scopes: &mut Vec<Scope>, guards: Vec<Guard>) -> Vec<String> {
        self.count += 1;
        let made = graph.node.iter().flat_map(|node| &node.output);
        let stored = graph.initializer.iter().map(|tensor| &tensor.name);
        let own = made.chain(stored).filter(|name| !name.is_empty());
        let scope = own.map(|name| (name.clone(), format!("branch {}/{name}", self.count))).collect();
        scopes.push(scope);
        for mut tensor in graph.initializer {
            tensor.name = renamed(scopes, &tensor.name);
            self.constants.push(tensor);
        }
        self.add(graph.node, scopes, &guards);
        let outputs = graph.output.iter().map(|output| renamed(scopes, &output.name)).collect();
        scopes.pop();
        outputs
    }
}

fn renamed(scopes: &[Scope], name: &str) -> String {
    scopes.iter().rev().find_map(|scope| scope.get(name)).map_or(name, String::as_str).to_owned()
}
