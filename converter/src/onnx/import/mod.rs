//! The walk over the nodes of a [`Model`] that makes the float graph.
//!
//! A model is taken op by op, not as a known architecture. A value is either a constant
//! or a `View` of a tensor; movement of data is arithmetic on views for as
//! long as strides can express it, and a copy after that. Batches are of one image.
//!
//! # Accepted ops
//!
//! * products: `MatMul`, `Gemm`, `Einsum` of one or two operands, `FusedMatMul`, `Attention`
//!   (opset 23, without past keys); `Conv`, `ConvTranspose`, `AveragePool`,
//!   `GlobalAveragePool`, all with constant weights;
//! * normalisation: `LayerNormalization`, `SkipLayerNormalization`, `BatchNormalization`;
//! * `Softmax`; `Gelu`, `FastGelu`, `BiasGelu`, `QuickGelu`, `Silu`, `Relu`, `LeakyRelu`,
//!   `Elu`, `Clip`, `Sigmoid`, `Tanh`, `HardSwish`, `HardSigmoid`;
//! * `Sign`, a choice of 1 or −1 by `x ≥ 0`, and a choice of 1 or 0 by `p ≥ ratio · max p` of
//!   a softmax, straight-through estimators around them left out;
//! * `Add`, `Sub`, `Mul`, `Div` with a constant, `Neg`; `Add` and `Sub` of two tensors;
//! * movement: `Reshape`, `Flatten`, `Squeeze`, `Unsqueeze`, `Transpose`, `Slice`, `Split`,
//!   `Gather` with constant indices, `Expand`, `Tile`, `Concat`, `Pad` with a constant,
//!   `DepthToSpace`, `SpaceToDepth`, `Identity`, `Cast`, `CastLike`, `Dropout`, `Where` with a constant
//!   condition that picks one side, `Resize`;
//! * `ReduceMean`, `ReduceSum`; `MaxPool`, `ReduceMax`, `ReduceMin`, `Max` and `Min`;
//! * any op that [`fold`](super::fold) evaluates, where its inputs are constant; `Shape` and
//!   `Size` always are.
//!
//! `Softmax`, `LogSoftmax` and `Sigmoid` at the very end of a classifier, and `ArgMax` at
//! the end of any model, are left out: the output is the logits, whose order is the same.
//! So is the normalisation of an embedding to unit length, which no angle depends on.

mod activation;
mod binary;
mod choice;
mod concat;
mod conv;
mod einsum;
mod elementwise;
mod importer;
mod input;
mod linear;
mod matmul;
mod maximum;
mod movement;
mod names;
mod norm;
mod outputs;
mod pad;
mod pick;
mod reduce;
mod resize;
mod store;
#[cfg(test)]
mod tests;
mod transposed;
mod view;
mod window;

use std::collections::HashSet;

use importer::{Importer, MAX_ELEMENTS, Result, Value};
pub use input::Normalisation;

use super::error::OnnxError;
use super::model::{Array, Model};
use crate::float::Graph;

/// Makes the float graph of `model`.
///
/// The frame of the graph is the model's image input in height × width × channel order.
/// Without a normalisation the model gets pixels in 0..=1, or in
/// 0..=255 where it takes bytes, divides by 255 itself, or subtracts means above 2.
///
/// # Errors
///
/// [`OnnxError`] naming the first node, input or output that cannot be imported,
/// with what would be accepted.
pub fn build(model: Model, normalisation: Normalisation) -> std::result::Result<Graph, OnnxError> {
    let (graph, image) = input::frame(&model, normalisation)?;
    let live = live_nodes(&model);
    let endings = outputs::endings(&model, &live);
    let mut importer = Importer::new(&model, &live, endings, graph)?;
    importer.values.insert(model.inputs[0].name.clone(), image.into());
    for (index, node) in model.nodes.iter().enumerate().filter(|&(index, _)| live[index]) {
        importer.node = node;
        importer.name = names::clean(&node.name, &node.op, false);
        importer.step(index)?;
    }
    importer.finish()
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
        let node = self.node;
        let inputs: Vec<Option<Array>> = (0..node.inputs.len()).map(|at| self.constant(at)).collect();
        let known = node.inputs.iter().zip(&inputs).all(|(name, array)| name.is_empty() || array.is_some());
        let values = if known {
            let arrays: Vec<Option<&Array>> = inputs.iter().map(Option::as_ref).collect();
            let folded = self.folding.evaluate(node, &arrays, self.model.opset)?;
            let Some(arrays) = folded else { return Err(self.unknown()) };
            self.note_origin(&inputs);
            arrays.into_iter().map(Value::Constant).collect()
        } else if self.endings.contains(&index) && outputs::droppable(node, &self.view(0)?) {
            vec![self.view(0)?.into()]
        } else {
            self.dispatch()?
        };
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

    fn dispatch(&mut self) -> Result<Vec<Value>> {
        let one = match self.node.op.as_str() {
            "MatMul" | "FusedMatMul" => self.matmul()?.into(),
            "Gemm" => self.gemm()?.into(),
            "Einsum" => self.einsum()?.into(),
            "Attention" if self.node.domain.is_empty() => self.attention()?.into(),
            "Conv" => self.conv()?.into(),
            "ConvTranspose" => self.conv_transpose()?.into(),
            "AveragePool" => self.average_pool()?.into(),
            "GlobalAveragePool" => self.global_average_pool()?.into(),
            "BatchNormalization" => self.batch_norm()?.into(),
            "LayerNormalization" => self.layer_norm()?.into(),
            "SkipLayerNormalization" => return self.skip_layer_norm(),
            "Softmax" => self.softmax()?.into(),
            "ReduceMean" => self.reduce_mean()?.into(),
            "ReduceSum" => self.reduce_sum()?.into(),
            "ReduceMax" | "ReduceMin" => self.reduce_max()?.into(),
            "MaxPool" => self.max_pool()?.into(),
            "Max" | "Min" => self.extreme()?.into(),
            "Add" | "Sub" => self.add()?.into(),
            "Mul" | "Div" => self.multiply()?.into(),
            "Neg" => self.negate()?.into(),
            "Sign" => self.sign()?.into(),
            "AtLeast" if self.node.domain.is_empty() => self.at_least()?.into(),
            "Gelu" | "FastGelu" | "BiasGelu" | "QuickGelu" | "Silu" | "Swish" | "Relu" | "LeakyRelu"
            | "Elu" | "Clip" | "Sigmoid" | "Tanh" | "HardSwish" | "HardSigmoid" => self.activate()?.into(),
            "Where" => self.choose()?,
            "IsNaN" | "IsInf" => self.never()?.into(),
            "Concat" => self.concat()?.into(),
            "Pad" => self.pad()?.into(),
            "Gather" => self.gather()?.into(),
            "Slice" => self.slice()?.into(),
            "Split" => return self.split(),
            "Resize" => self.resize()?.into(),
            "CastLike" => self.cast_like()?,
            "Shape" => self.shape_of()?.into(),
            "Size" => Array::integer(self.view(0)?.shape().iter().product::<usize>() as i64).into(),
            _ => match self.movement()? {
                Some(view) => view.into(),
                None => return Err(self.unknown()),
            },
        };
        Ok(vec![one])
    }
}
