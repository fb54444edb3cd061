//! The walk over the nodes of a [`Model`] that makes the float graph.
//!
//! A model is taken op by op, not as a known architecture. A value is either a constant
//! or a `View` of a tensor; movement of data is arithmetic on views for as
//! long as strides can express it, and a copy after that. Batches are of one image.
//!
//! Each family of operators is a file whose `OPS` are its rows: name, handler, and what of the
//! operator is accepted. `ops` joins them. A handler sees its node through a `Reader`: attributes
//! and inputs that it does not read are refused, unless the row says why no result depends on them.
//! Nodes whose inputs are all constant never reach a handler here: they are evaluated
//! ([`constants`](super::constants)).
//!
//! `Softmax`, `LogSoftmax` and `Sigmoid` at the very end of a classifier, and `ArgMax` at
//! the end of any model, are left out: the output is the logits, whose order is the same.
//! So is the normalisation of an embedding to unit length, which no angle depends on.
//! Each output states what is left out ([`float::Output::ending`]).

mod activation;
mod attention;
mod binary;
mod cast;
mod choice;
mod concat;
mod constants;
mod conv;
mod copies;
mod einsum;
mod elementwise;
mod group_norm;
mod importer;
mod input;
mod linear;
mod masks;
mod matmul;
mod maximum;
mod metadata;
mod movement;
mod names;
mod norm;
mod op;
mod ops;
mod outputs;
mod pad;
mod pick;
mod pool;
mod preprocessing;
mod product;
mod reduce;
mod refused;
mod resize;
mod rotary;
mod scatter;
mod store;
#[cfg(test)]
mod tests;
mod transposed;
mod variadic;
mod view;
mod window;

use std::collections::HashSet;

pub(super) use constants::evaluate;
use importer::{Importer, MAX_ELEMENTS, Result, Value};
pub use input::Normalisation;

use float::Graph;

use super::error::OnnxError;
use super::model::{Array, Model, Node};
use super::reader::{Ignored, Reader};

/// Makes the float graph of `model`.
///
/// The frame of the graph is the model's image input in height × width × channel order.
/// Without a normalisation the model gets pixels in 0..=1, or in 0..=255 where its input holds
/// bytes, or its first arithmetic shows that it expects them: [`Graph::preprocessing`] says which.
///
/// # Errors
///
/// [`OnnxError`] naming the first node, input or output that cannot be imported,
/// with what would be accepted.
pub fn build(model: Model, normalisation: Normalisation) -> std::result::Result<Graph, OnnxError> {
    let (graph, image) = input::frame(&model, normalisation)?;
    let live = live_nodes(&model);
    let endings = outputs::endings(&model, &live);
    let nodes: Vec<Reader> = model.nodes.iter().map(Reader::new).collect();
    let mut importer = Importer::new(&model, &live, &nodes, endings, graph)?;
    importer.values.insert(model.inputs[0].name.clone(), image.into());
    for (index, node) in nodes.iter().enumerate().filter(|&(index, _)| live[index]) {
        importer.node = node;
        importer.name = names::clean(node.name, node.op, false);
        if importer.counts(&model.nodes[index].guards)? {
            importer.step(index)?;
        }
    }
    importer.finish()
}

/// Attributes that the result of `node` does not depend on.
pub(super) fn ignored(node: &Node) -> &'static [Ignored] {
    ops::find(node).map_or(&[], |op| op.ignored)
}

/// The nodes that an output depends on.
fn live_nodes(model: &Model) -> Vec<bool> {
    let mut wanted: HashSet<&str> = model.outputs.iter().map(|output| output.name.as_str()).collect();
    let mut live = vec![false; model.nodes.len()];
    for (index, node) in model.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|name| !name.is_empty() && wanted.contains(name.as_str())) {
            live[index] = true;
            wanted.extend(node.inputs.iter().map(String::as_str));
        }
    }
    live
}

impl Importer<'_> {
    fn step(&mut self, index: usize) -> Result<()> {
        let node = &self.model.nodes[index];
        let inputs: Vec<Option<Array>> = node
            .inputs
            .iter()
            .map(|name| Some(name).filter(|name| !name.is_empty()).and_then(|name| self.known(name)))
            .collect();
        // A choice is made of values of any type, and of those of one branch.
        let known = !node.is("If")
            && node.inputs.iter().zip(&inputs).all(|(name, array)| name.is_empty() || array.is_some());
        let values = if known {
            let arrays: Vec<Option<&Array>> = inputs.iter().map(Option::as_ref).collect();
            let folded = self.folding.evaluate(node, &arrays, self.model.opset)?;
            let Some(arrays) = folded else { return Err(ops::refusal(node)) };
            self.note_origin(&inputs);
            arrays.into_iter().map(Value::Constant).collect()
        } else if let Some(ending) = self.ending(index)? {
            vec![ending.into()]
        } else {
            match ops::find(node) {
                Some(op) => op.run(self)?,
                None => return Err(ops::refusal(node)),
            }
        };
        self.note_integers();
        if let Some(name) =
            node.outputs.iter().skip(values.len()).find(|name| self.reads.contains_key(name.as_str()))
        {
            return Err(
                node.unsupported(format!("its output `{name}` is used, but only the first is computed"))
            );
        }
        for (name, value) in node.outputs.iter().zip(values) {
            if let Value::View(view) = &value
                && view
                    .shape()
                    .iter()
                    .try_fold(1_usize, |n, &len| n.checked_mul(len))
                    .is_none_or(|n| n > MAX_ELEMENTS)
            {
                return Err(self.too_large());
            }
            self.values.insert(name.clone(), value);
        }
        Ok(())
    }
}
