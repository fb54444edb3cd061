//! Nodes on constants: the float graph of the node alone, evaluated.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use float::{Evaluator, Graph, Node as FloatNode, Output, Part};
use runtime::image::Fit;
use runtime::{ChannelOrder, FloatBits, Image, OutputKind};

use super::importer::{Importer, MAX_WORK, Result, Value};
use super::ops;
use super::store::Order;
use super::view::{View, dense};
use crate::constants::Budget;
use crate::model::{self, Array, Data, Model, Node};
use crate::reader::Reader;

/// The outputs of `node` for constant `inputs`; none if its operator is not imported.
pub(crate) fn evaluate(
    node: &Node,
    inputs: &[Option<&Array>],
    opset: i64,
    budget: &mut Budget,
) -> Result<Option<Vec<Array>>> {
    let Some(op) = ops::find(node) else { return Ok(None) };
    let named = node.inputs.iter().zip(inputs);
    let constants = named.filter_map(|(name, &array)| Some((name.clone(), array?.clone()))).collect();
    let outputs = node.outputs.iter().filter(|name| !name.is_empty());
    let outputs = outputs.map(|name| model::Output { name: name.clone(), shape: Vec::new() }).collect();
    let (nodes, inputs, metadata) = (vec![node.clone()], Vec::new(), HashMap::new());
    let model = Model { nodes, constants, inputs, outputs, opset, metadata };
    let readers = [Reader::new(node)];
    let mut importer = Importer::new(&model, &[true], &readers, HashSet::new(), Graph::new(NO_IMAGE))?;
    let work = usize::try_from(budget.work()).unwrap_or(usize::MAX).min(MAX_WORK);
    importer.work = Cell::new(work);
    importer.folding = budget.clone();
    importer.lift_all()?;
    let values = op.run(&mut importer)?;
    let spent = work - importer.work.get();
    budget.clone_from(&importer.folding);
    let values = values.into_iter().map(|value| importer.answer(value)).collect::<Result<Vec<Answer>>>()?;
    let graph = importer.graph;
    let elements: u64 = graph.tensors.iter().map(|tensor| tensor.len() as u64).sum();
    budget.spend(node, graph.macs().saturating_add(elements).saturating_add(spent as u64), 0)?;
    let evaluator = Evaluator::new(&graph).map_err(|error| node.unsupported(error.to_string()))?;
    let mut computed = evaluator.run(&[0]).into_iter();
    let array = |answer| match answer {
        Answer::Known(array) => Ok(array),
        Answer::Computed(shape) => {
            let values = computed.next().unwrap_or_default();
            Array::new(shape, values).ok_or_else(|| node.invalid("its output has no consistent shape"))
        }
    };
    values.into_iter().map(array).collect::<Result<_>>().map(Some)
}

/// The frame of a graph that reads no image.
const NO_IMAGE: Image = Image {
    height: 1,
    width: 1,
    channels: 1,
    order: ChannelOrder::Gray,
    fit: Fit::Stretch,
    mean: [FloatBits(0); 4],
    std: [FloatBits(0); 4],
};

/// An output of the node.
enum Answer {
    /// The handler knows it.
    Known(Array),
    /// The graph's next output, in this shape.
    Computed(Vec<usize>),
}

impl Importer<'_> {
    /// Makes tensors of the inputs. The first is one for whatever the handler does: that is what
    /// operators compute of an image. The others are where the handler takes no constant.
    fn lift_all(&mut self) -> Result<()> {
        for at in 0..self.node.count() {
            let Some((name, array)) = self.node.peek(at).and_then(|name| Some((name, self.known(name)?)))
            else {
                continue;
            };
            match (self.lift(&array)?, at) {
                (Some(view), 0) => drop(self.values.insert(name.to_string(), view.into())),
                (Some(view), _) => drop(self.lifted.insert(name.to_string(), view)),
                (None, 0) => {
                    let hint = "of integers, truth values or no elements at all it is not computed";
                    return Err(self.node.unsupported(hint));
                }
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// A tensor that holds `array`, if that has elements and they are floats.
    pub(super) fn lift(&mut self, array: &Array) -> Result<Option<View>> {
        let Data::F32(values) = &array.data else { return Ok(None) };
        if values.is_empty() {
            return Ok(None);
        }
        self.spend(values.len())?;
        let parts = vec![Part::Constant(values.to_vec())];
        let width = array.shape.last().copied().unwrap_or(1);
        let rows = values.len() / width;
        let tensor = self.emit("constant", rows, width, |out| FloatNode::Concat { parts, out })?;
        let order: Vec<usize> = (0..array.rank()).collect();
        Ok(Some(View::laid_out(tensor, dense(&array.shape, &order))))
    }

    fn answer(&mut self, value: Value) -> Result<Answer> {
        let view = match value {
            Value::Constant(array) => return Ok(Answer::Known(array)),
            Value::View(view) => self.settle(&view)?,
        };
        let axes: Vec<usize> = (0..view.rank()).collect();
        let packed = self.pack(&view, &[], &axes, Order::Logical)?;
        let len = self.graph.tensors[packed.tensor].len();
        self.graph.outputs.push(Output {
            name: self.name.clone(),
            tensor: packed.tensor,
            kind: OutputKind::Embedding,
            shape: [len, 1, 1, 1],
            ending: None,
        });
        Ok(Answer::Computed(view.shape()))
    }
}
