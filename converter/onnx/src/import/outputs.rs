//! What the model's outputs are.

use std::collections::HashSet;

use float::Graph;
use runtime::OutputKind;

use super::importer::{Importer, Result, Value, interface};
use super::store::Order;
use super::view::View;
use crate::model::Model;
use crate::reader::{Ignored, Reader};

/// Operators that only rescale an answer, and are left out where nothing but outputs is behind them.
pub(super) const ENDINGS: &[Ending] = &[
    Ending { op: "ArgMax", ignored: &[Ignored::new("keepdims", "the scores are the output")] },
    Ending { op: "LogSoftmax", ignored: &[] },
    Ending {
        op: "LpNormalization",
        ignored: &[Ignored::new("p", "a vector has the same direction whatever its length is measured by")],
    },
    Ending { op: "Sigmoid", ignored: &[] },
    Ending { op: "Softmax", ignored: &[] },
];

/// An operator that is left out at the end.
pub(super) struct Ending {
    pub(super) op: &'static str,
    /// Attributes that what remains does not depend on.
    pub(super) ignored: &'static [Ignored],
}

/// Nodes that only rescale an answer, with nothing but outputs behind them.
pub(super) fn endings(model: &Model, live: &[bool]) -> HashSet<usize> {
    // What something other than an ending reads.
    let mut busy: HashSet<&str> = HashSet::new();
    let mut endings = HashSet::new();
    for (index, node) in model.nodes.iter().enumerate().rev().filter(|&(index, _)| live[index]) {
        if ENDINGS.iter().any(|ending| node.is(ending.op))
            && !node.outputs.iter().any(|name| busy.contains(name.as_str()))
        {
            endings.insert(index);
        } else {
            busy.extend(node.inputs.iter().map(String::as_str));
        }
    }
    endings
}

/// Whether the ending `node` may be left out: of one row, or over the channels of a map.
fn droppable(node: &Reader, view: &View) -> bool {
    let row = view.axes.iter().filter(|axis| !axis.is_empty()).count() <= 1;
    let rank = view.rank() as i64;
    if node.op == "Sigmoid" {
        return row;
    }
    let axis = node.int("axis", if node.op == "ArgMax" { 0 } else { -1 });
    let channels = view.rank() == 4 && (axis == 1 || axis + rank == 1);
    let last = axis == -1 || axis + 1 == rank;
    row || channels || (node.op == "ArgMax" && last)
}

impl Importer<'_> {
    /// What is before node `index`, if that is an ending that may be left out.
    pub(super) fn ending(&self, index: usize) -> Result<Option<View>> {
        let node = self.node;
        let ending = ENDINGS.iter().find(|ending| self.endings.contains(&index) && node.is(ending.op));
        let Some(ending) = ending else { return Ok(None) };
        let view = self.view(0)?;
        if !droppable(node, &view) {
            node.forget();
            return Ok(None);
        }
        if node.op == "ArgMax" && node.int("select_last_index", 0) != 0 {
            let hint = "select_last_index is not supported: of equal scores the first one is the largest";
            return Err(node.unsupported(hint));
        }
        node.check(ending.ignored)?;
        Ok(Some(view))
    }

    /// Brings the outputs into whole tensors and says what they are.
    pub(super) fn finish(mut self) -> Result<Graph> {
        if self.model.outputs.is_empty() {
            return Err(interface("output", "", "the model has none"));
        }
        let mut rows: Vec<(usize, Option<OutputKind>)> = Vec::new();
        for output in &self.model.outputs {
            let Some(Value::View(view)) = self.values.get(&output.name).cloned() else {
                return Err(interface("output", &output.name, "it does not depend on the image"));
            };
            self.name = format!("output.{}", output.name);
            let view = self.settle(&view)?;
            let (packed, kind, shape) = self.deliver(&view, &output.name)?;
            if self.graph.outputs.iter().any(|other| other.tensor == packed.tensor) {
                continue;
            }
            if kind != Some(OutputKind::Dense) {
                rows.push((self.graph.outputs.len(), kind));
            }
            let (name, tensor, kind) =
                (output.name.clone(), packed.tensor, kind.unwrap_or(OutputKind::Embedding));
            self.graph.outputs.push(float::Output { name, tensor, kind, shape, ending: None });
        }
        let sure = rows.iter().find(|(_, kind)| *kind == Some(OutputKind::Logits));
        let guess = rows.iter().find(|&&(at, kind)| kind.is_none() && self.classifies(at));
        if let Some(&(at, _)) = sure.or(guess) {
            self.graph.outputs[at].kind = OutputKind::Logits;
        }
        for &(at, _) in rows.iter().filter(|&&(at, _)| Some(at) != sure.or(guess).map(|row| row.0)) {
            self.graph.outputs[at].kind = OutputKind::Embedding;
        }
        self.drop_unread();
        Ok(self.graph)
    }

    /// The view as the tensor that the program hands out, what its name says it is, and its
    /// dimensions.
    fn deliver(&mut self, view: &View, name: &str) -> Result<(View, Option<OutputKind>, [usize; 4])> {
        let axes: Vec<usize> = (0..view.rank()).filter(|&axis| !view.axes[axis].is_empty()).collect();
        let len = |axis: usize| view.len(axis);
        Ok(match axes.as_slice() {
            [] | [_] => {
                let packed = self.pack(view, &[], &axes, Order::Logical)?;
                let width = self.graph.tensors[packed.tensor].width;
                (packed, kind_by_name(name), [width, 1, 1, 1])
            }
            _ if view.rank() == 4 && view.axes[0].is_empty() => {
                let packed = self.pack(view, &[2, 3], &[1], Order::Logical)?;
                (packed, Some(OutputKind::Dense), [len(2), len(3), len(1), 1])
            }
            [rows @ .., last] if rows.len() <= 2 => {
                let packed = self.pack(view, rows, &[*last], Order::Logical)?;
                let (height, width) = (len(rows[0]), rows.get(1).map_or(1, |&axis| len(axis)));
                (packed, Some(OutputKind::Dense), [height, width, len(*last), 1])
            }
            _ => {
                let reason = format!(
                    "an output of shape {:?}; maps of up to three dimensions are supported",
                    view.shape()
                );
                return Err(interface("output", name, reason));
            }
        })
    }

    /// Whether an output without a telling name comes from a dense layer or a sum of some.
    fn classifies(&self, output: usize) -> bool {
        let node = self.producers[self.graph.outputs[output].tensor].map(|index| &self.graph.nodes[index]);
        matches!(
            node,
            Some(
                float::Node::Linear { .. }
                    | float::Node::Add { .. }
                    | float::Node::Affine { .. }
                    | float::Node::Conv { .. }
            )
        )
    }

    /// Nodes that nothing reads: normalisations of the image that another replaced, and
    /// copies of what was folded.
    fn drop_unread(&mut self) {
        let mut wanted: HashSet<usize> = self.graph.outputs.iter().map(|output| output.tensor).collect();
        let mut keep = vec![false; self.graph.nodes.len()];
        for (index, node) in self.graph.nodes.iter().enumerate().rev() {
            if wanted.contains(&node.output()) {
                keep[index] = true;
                wanted.extend(node.inputs());
            }
        }
        let mut kept = keep.iter();
        self.graph.nodes.retain(|_| kept.next() == Some(&true));
    }
}

/// What the name of an output of one row says; none if it says nothing.
fn kind_by_name(name: &str) -> Option<OutputKind> {
    let name = name.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if says(&["embed", "hidden", "feature", "pool", "token"]) {
        Some(OutputKind::Embedding)
    } else if says(&["logit", "class", "head", "prob", "score", "pred"]) {
        Some(OutputKind::Logits)
    } else {
        None
    }
}
