//! Computes the nodes whose inputs are all constants.

use crate::constants::Budget;
use crate::error::OnnxError;
use crate::model::{Array, Attribute, Guard, Model, Node};

/// What the constants of `model` may cost, by what it stores.
pub(super) fn budget(model: &Model) -> Budget {
    let attributes = model.nodes.iter().flat_map(|node| node.attributes.values());
    let tensor = |attribute: &Attribute| match attribute {
        Attribute::Tensor(array) => array.len() as u64,
        _ => 0,
    };
    let initializers = model.constants.values().map(|array| array.len() as u64);
    Budget::new(initializers.chain(attributes.map(tensor)).sum())
}

/// Replaces nodes by the constants they make, and drops branches that do not count.
pub(super) fn propagate(model: &mut Model, budget: &mut Budget) -> Result<(), OnnxError> {
    let nodes = std::mem::take(&mut model.nodes);
    for mut node in nodes {
        let decided = |guard: &Guard| holds(model, &guard.condition).map(|holds| holds == guard.holds);
        if node.guards.iter().any(|guard| decided(guard) == Some(false)) {
            continue;
        }
        node.guards.retain(|guard| decided(guard).is_none());
        if !node.guards.is_empty() {
            model.nodes.push(node);
            continue;
        }
        if let Some(taken) = node.input(0).filter(|_| node.is("If")).and_then(|name| holds(model, name)) {
            model.nodes.extend(picked(&node, taken));
            continue;
        }
        let constant = |name: &String| name.is_empty() || model.constants.contains_key(name);
        let results = if node.inputs.iter().all(constant) {
            let inputs: Vec<Option<&Array>> =
                node.inputs.iter().map(|name| model.constants.get(name)).collect();
            budget.evaluate(&node, &inputs, model.opset)?
        } else {
            None
        };
        let wanted = node.outputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        match results {
            Some(results) if results.len() >= wanted => {
                let named = node.outputs.into_iter().zip(results).filter(|(name, _)| !name.is_empty());
                model.constants.extend(named);
            }
            _ => model.nodes.push(node),
        }
    }
    Ok(())
}

/// Whether the condition `name` holds; none if it is not known.
fn holds(model: &Model, name: &str) -> Option<bool> {
    model.constant(name).filter(|array| array.len() == 1)?.bools()?.first().copied()
}

/// The values of one branch under the names of those of the `If`.
fn picked(node: &Node, taken: bool) -> Vec<Node> {
    let count = node.outputs.len();
    let values = node.inputs.iter().skip(if taken { 1 } else { 1 + count });
    let named = values.zip(&node.outputs).filter(|(_, output)| !output.is_empty());
    named.map(|(value, output)| Node::new("Identity", vec![value.clone()], output)).collect()
}
