//! Computes the nodes whose inputs are all constants.

use crate::error::OnnxError;
use crate::fold::Budget;
use crate::model::{Array, Attribute, Model};

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

/// Replaces nodes by the constants they make.
pub(super) fn propagate(model: &mut Model, budget: &mut Budget) -> Result<(), OnnxError> {
    let nodes = std::mem::take(&mut model.nodes);
    for node in nodes {
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
