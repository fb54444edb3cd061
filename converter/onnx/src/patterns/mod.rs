//! Rewrites of the node list before the walk: constants are computed, no-ops and straight-through
//! estimators removed, fused nodes of ONNX Runtime taken apart, and decomposed operations joined.
//!
//! Besides ONNX's own ops, the result may hold, in the default domain, `QuickGelu`
//! (`x · σ(1.702 x)`), `Silu` (`x · σ(x)`) and `LogSigmoid` (`log σ(x)`) without attributes, `AtLeast`
//! (`1[x ≥ ratio · max x]`) with `ratio` and `axis`, `ResponseNormalization` (`L / (mean(L) + ε)`
//! of lengths `L`) with the `axes` of the lengths, the `axis` of the mean and `epsilon`, and `Sign`
//! with `zero`, its value at 0.
//! A `LayerNormalization` it makes may lack its scale (ones) and its bias (zeros), both of
//! which are constants of as many dimensions as are normalised.

mod attention;
mod binary;
mod constants;
mod contrib;
mod functions;
mod fusion;
mod gates;
mod length;
mod matcher;
mod noops;
mod norm;
mod parts;
mod response;
mod straight;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub(super) use contrib::OPS as FUSED;

use super::error::OnnxError;
use super::model::{Model, Node};
use super::reader::Reader;
use fusion::Fusion;
use matcher::Matcher;

/// Rewrites `model` as the module describes; what it computes stays the same.
///
/// Values that are read elsewhere, or are outputs, survive under their names.
///
/// # Errors
///
/// As [`Budget::evaluate`](super::constants::Budget::evaluate) for nodes whose inputs are
/// constants; [`OnnxError::Unsupported`] for an attribute or input of a joined node that is not
/// read.
pub fn fuse(model: &mut Model) -> Result<(), OnnxError> {
    straight::remove(model);
    noops::prune(model);
    check_signs(model)?;
    let mut budget = constants::budget(model);
    constants::propagate(model, &mut budget)?;
    noops::remove(model);
    contrib::expand(model)?;
    constants::propagate(model, &mut budget)?;
    join(model)?;
    noops::prune(model);
    Ok(())
}

/// Refuses attributes of a file's signs: `zero` is known of those alone that are made here.
fn check_signs(model: &Model) -> Result<(), OnnxError> {
    let mut signs = model.nodes.iter().filter(|node| node.is("Sign"));
    signs.try_for_each(|node| {
        let reader = Reader::new(node);
        reader.ignore_input(0);
        reader.check(&[])
    })
}

/// What finds a decomposed operation that ends at a node.
const PATTERNS: &[fn(&Matcher, usize) -> Option<Fusion>] = &[
    norm::layer_norm,
    gates::gate,
    length::unit,
    response::response,
    functions::log_sigmoid,
    functions::softmax,
    binary::sign,
    binary::at_least,
];

/// Joins decomposed operations.
fn join(model: &mut Model) -> Result<(), OnnxError> {
    let fusions = {
        let matcher = Matcher::new(model);
        let mut taken = vec![false; model.nodes.len()];
        let mut fusions: HashMap<usize, Fusion> = HashMap::new();
        for index in 0..model.nodes.len() {
            let found = PATTERNS.iter().find_map(|&pattern| matcher.find(pattern, index));
            let Some(fusion) = found else { continue };
            if taken[fusion.root] || fusion.interior.iter().any(|&node| taken[node]) {
                continue;
            }
            matcher.check(&fusion)?;
            taken[fusion.root] = true;
            fusion.interior.iter().for_each(|&node| taken[node] = true);
            fusions.insert(fusion.root, fusion);
        }
        (fusions, taken)
    };
    let (mut fusions, taken) = fusions;
    let nodes = std::mem::take(&mut model.nodes);
    for (index, node) in nodes.into_iter().enumerate() {
        if let Some(fusion) = fusions.remove(&index) {
            model.constants.extend(fusion.constants);
            model.nodes.push(Node { guards: node.guards, ..fusion.node });
        } else if !taken[index] {
            model.nodes.push(node);
        }
    }
    Ok(())
}
