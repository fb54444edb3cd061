//! What the model's outputs are.

use std::collections::{HashMap, HashSet};

use float::{Function, Graph, Node, TensorId};
use runtime::{Ending, OutputKind};

use super::importer::{Importer, Result, Value, interface};
use super::store::Order;
use super::view::View;
use crate::error::OnnxError;
use crate::model::Model;
use crate::reader::Ignored;

/// Operators that only rescale an answer, and are left out where nothing but outputs is behind them.
pub(super) const ENDINGS: &[EndingOp] = &[
    EndingOp { op: "ArgMax", ignored: &[Ignored::new("keepdims", "the scores are the output")] },
    EndingOp { op: "Log", ignored: &[] },
    EndingOp { op: "LogSoftmax", ignored: &[] },
    EndingOp {
        op: "LpNormalization",
        ignored: &[Ignored::new("epsilon", "what remains is the vector itself")],
    },
    EndingOp { op: "Sigmoid", ignored: &[] },
    EndingOp { op: "Softmax", ignored: &[] },
];

/// An operator that is left out at the end.
pub(super) struct EndingOp {
    pub(super) op: &'static str,
    /// Attributes that what remains does not depend on.
    pub(super) ignored: &'static [Ignored],
}

/// What is left out in front of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftOut {
    ending: Ending,
    /// The axis that it works along.
    axis: usize,
}

/// Nodes that only rescale an answer, with nothing but outputs behind them.
pub(super) fn endings(model: &Model, live: &[bool]) -> HashSet<usize> {
    let makers: HashMap<&str, &str> = model
        .nodes
        .iter()
        .flat_map(|node| node.outputs.iter().map(|output| (output.as_str(), node.op.as_str())))
        .collect();
    // What something other than an ending that may follow reads.
    let mut busy: HashSet<&str> = HashSet::new();
    let mut endings = HashSet::new();
    for (index, node) in model.nodes.iter().enumerate().rev().filter(|&(index, _)| live[index]) {
        let ends = ENDINGS.iter().any(|ending| node.is(ending.op))
            && !node.outputs.iter().any(|name| busy.contains(name.as_str()));
        let maker = node.input(0).and_then(|name| makers.get(name)).copied().unwrap_or_default();
        if ends && (node.op != "Log" || maker == "Softmax") {
            endings.insert(index);
        }
        let follows = match node.op.as_str() {
            "ArgMax" => maker != "ArgMax",
            "Log" => maker == "Softmax",
            _ => false,
        };
        if !(endings.contains(&index) && follows) {
            busy.extend(node.inputs.iter().map(String::as_str));
        }
    }
    endings
}

/// What `inner` and `outer` behind it are together, if that is an ending.
fn both(inner: Ending, outer: Ending) -> Option<Ending> {
    match outer {
        Ending::ArgMax => (inner != Ending::ArgMax).then_some(Ending::ArgMax),
        Ending::Softmax | Ending::LogSoftmax | Ending::Sigmoid | Ending::UnitLength | Ending::UnitSum => None,
    }
}

/// How an output is read that the model gives in these two forms: by the one with shares, else by
/// the one with all values, else by the first.
fn richer(first: Option<Ending>, second: Option<Ending>) -> Option<Ending> {
    let told = |ending: Option<Ending>| match ending {
        Some(Ending::Softmax | Ending::LogSoftmax | Ending::Sigmoid) => 2,
        None | Some(Ending::UnitLength | Ending::UnitSum) => 1,
        Some(Ending::ArgMax) => 0,
    };
    if told(second) > told(first) { second } else { first }
}

impl Importer<'_> {
    /// What is before node `index`, if that is an ending that may be left out.
    pub(super) fn ending(&mut self, index: usize) -> Result<Option<View>> {
        let node = self.node;
        let row = ENDINGS.iter().find(|ending| self.endings.contains(&index) && node.is(ending.op));
        let Some(row) = row else { return Ok(None) };
        let view = self.view(0)?;
        self.check_depends(&view)?;
        let before = node.input(0).and_then(|name| self.left_out.get(name)).copied();
        let Some(left_out) = self.leave_out(&view, before)? else {
            node.forget();
            return match before {
                None => Ok(None),
                Some(before) => Err(node.unsupported(format!(
                    "behind a {} that is left out at the end it is supported along the same axis only",
                    before.ending.name()
                ))),
            };
        };
        if node.op == "ArgMax" && node.int("select_last_index", 0) != 0 {
            let hint = "select_last_index is not supported: of equal scores the first one is the largest";
            return Err(node.unsupported(hint));
        }
        node.check(row.ignored)?;
        self.left_out.insert(node.output().to_owned(), left_out);
        Ok(Some(view))
    }

    /// What is left out where the node is, behind what is already left out in front of it.
    fn leave_out(&self, view: &View, before: Option<LeftOut>) -> Result<Option<LeftOut>> {
        if self.node.op == "Log" {
            let softmax = before.filter(|before| before.ending == Ending::Softmax);
            return Ok(softmax.map(|before| LeftOut { ending: Ending::LogSoftmax, ..before }));
        }
        let Some(axis) = self.ending_axis(view)? else { return Ok(None) };
        let ending = match self.node.op {
            "ArgMax" => Ending::ArgMax,
            "LogSoftmax" => Ending::LogSoftmax,
            "LpNormalization" if self.node.int("p", 2) == 1 => Ending::UnitSum,
            "LpNormalization" => Ending::UnitLength,
            "Sigmoid" => Ending::Sigmoid,
            "Softmax" => Ending::Softmax,
            _ => return Ok(None),
        };
        Ok(match before {
            None => Some(LeftOut { ending, axis }),
            Some(before) if before.axis == axis => {
                both(before.ending, ending).map(|ending| LeftOut { ending, axis })
            }
            Some(_) => None,
        })
    }

    /// Refuses a node that would be left out, and gives the same whatever the image is.
    fn check_depends(&self, view: &View) -> Result<()> {
        let constant = match self.node.op {
            "Softmax" => 1,
            "ArgMax" | "LogSoftmax" => 0,
            _ => return Ok(()),
        };
        if !self.works_along(view)?.is_empty() {
            return Ok(());
        }
        Err(self.node.unsupported(format!(
            "along an axis of one element it is {constant} for any image; make its input the model's output"
        )))
    }

    /// The axes of more than one element that the node, other than a sigmoid, works along.
    fn works_along(&self, view: &View) -> Result<Vec<usize>> {
        let node = self.node;
        let together = self.model.opset < 13 && ["Softmax", "LogSoftmax"].contains(&node.op);
        let default = match node.op {
            "ArgMax" => 0,
            _ if together => 1,
            _ => -1,
        };
        let axis = self.axis(node.int("axis", default), view.rank())?;
        let along = if together { axis..view.rank() } else { axis..axis + 1 };
        Ok(along.filter(|&axis| !view.axes[axis].is_empty()).collect())
    }

    /// The axis along which the node may be left out: of one row, or over the channels of a map.
    fn ending_axis(&self, view: &View) -> Result<Option<usize>> {
        let node = self.node;
        let used: Vec<usize> = (0..view.rank()).filter(|&axis| !view.axes[axis].is_empty()).collect();
        let of_row = match *used.as_slice() {
            [] => Some(0),
            [axis] => Some(axis),
            _ => None,
        };
        if node.op == "Sigmoid" {
            return Ok(of_row);
        }
        let &[axis] = self.works_along(view)?.as_slice() else { return Ok(None) };
        let channels = view.rank() == 4 && view.axes[0].is_empty() && axis == 1;
        let last = node.op == "ArgMax" && axis + 1 == view.rank();
        Ok(Some(axis).filter(|_| of_row.is_some() || channels || last))
    }

    /// Brings the outputs into whole tensors and says what they are.
    pub(super) fn finish(mut self) -> Result<Graph> {
        if self.model.outputs.is_empty() {
            return Err(interface("output", "", "the model has none"));
        }
        let mut rows: Vec<(usize, Option<OutputKind>)> = Vec::new();
        for output in &self.model.outputs {
            let Some(Value::View(view)) = self.values.get(&output.name).cloned() else {
                return Err(self.constant_output(&output.name));
            };
            self.name = format!("output.{}", output.name);
            let view = self.settle(&view)?;
            let left_out = self.left_out.get(&output.name).copied();
            let (packed, dense, shape) = self.deliver(&view, &output.name, left_out.map(|left| left.axis))?;
            let outer = left_out.map(|left| left.ending);
            let (tensor, ending) = self.without_ending(packed.tensor, outer);
            if let Some(other) = self.graph.outputs.iter_mut().find(|other| other.tensor == tensor) {
                other.ending = richer(other.ending, ending);
                continue;
            }
            let kind = if dense { OutputKind::Dense } else { OutputKind::Embedding };
            if !dense {
                rows.push((self.graph.outputs.len(), said(&output.name, ending)));
            }
            self.graph.outputs.push(float::Output { name: output.name.clone(), tensor, kind, shape, ending });
        }
        self.say_kinds(&rows);
        self.drop_unread();
        Ok(self.graph)
    }

    /// The error for output `name`, which is the same for any image.
    fn constant_output(&self, name: &str) -> OnnxError {
        let mut wanted = HashSet::from([name]);
        let cause = self.model.nodes.iter().rev().find(|node| {
            if !wanted.contains(node.output()) {
                return false;
            }
            wanted.extend(node.inputs.iter().map(String::as_str));
            let value = |name: &str| self.values.get(name);
            node.is("Softmax")
                && matches!(node.input(0).and_then(value), Some(Value::View(_)))
                && matches!(value(node.output()), Some(Value::Constant(_)))
        });
        let because =
            cause.map(|node| format!(", since softmax `{}` over one element is always 1", node.name));
        let because = because.unwrap_or_default();
        let reason = format!("it does not depend on the image{because}; leave it out of the model's outputs");
        interface("output", name, reason)
    }

    /// Says of the outputs of one row, each with what its ending or name says, what they are. One
    /// of them holds logits at most; one number of which nothing is said stands for itself.
    fn say_kinds(&mut self, rows: &[(usize, Option<OutputKind>)]) {
        let sure = rows.iter().find(|(_, kind)| *kind == Some(OutputKind::Logits));
        let one = |at: usize| self.graph.outputs[at].shape == [1; 4];
        let guess = rows.iter().find(|&&(at, said)| said.is_none() && !one(at) && self.classifies(at));
        let logits = sure.or(guess).map(|&(at, _)| at);
        let kinds: Vec<OutputKind> = rows
            .iter()
            .map(|&(at, said)| match said {
                Some(OutputKind::Values) => OutputKind::Values,
                None if one(at) => OutputKind::Values,
                _ if Some(at) == logits => OutputKind::Logits,
                _ => OutputKind::Embedding,
            })
            .collect();
        for (&(at, _), kind) in rows.iter().zip(kinds) {
            self.graph.outputs[at].kind = kind;
        }
    }

    /// The tensor in front of a softmax or sigmoid that makes `tensor`, one row, and what is left out
    /// with it; `tensor` where `outer`, which is left out behind it, allows no more.
    fn without_ending(&self, tensor: TensorId, outer: Option<Ending>) -> (TensorId, Option<Ending>) {
        let node = self.producers[tensor].map(|index| &self.graph.nodes[index]);
        let found = match node {
            Some(Node::Softmax { x, width, .. })
                if *width == self.graph.tensors[tensor].len() && *width > 1 =>
            {
                Some((*x, Ending::Softmax))
            }
            Some(Node::Activate { x, function: Function::Sigmoid, .. })
                if self.graph.tensors[tensor].rows == 1 =>
            {
                Some((*x, Ending::Sigmoid))
            }
            _ => None,
        };
        let Some((x, inner)) = found.filter(|_| self.graph.tensors[tensor].rows == 1) else {
            return (tensor, outer);
        };
        match outer {
            None => (x, Some(inner)),
            Some(outer) => both(inner, outer).map_or((tensor, Some(outer)), |ending| (x, Some(ending))),
        }
    }

    /// The view as the tensor that the program hands out, whether it is a map, and its dimensions.
    /// `channels` is the axis of its channels where that is known.
    fn deliver(
        &mut self,
        view: &View,
        name: &str,
        channels: Option<usize>,
    ) -> Result<(View, bool, [usize; 4])> {
        let axes: Vec<usize> = (0..view.rank()).filter(|&axis| !view.axes[axis].is_empty()).collect();
        let len = |axis: usize| view.len(axis);
        Ok(match axes.as_slice() {
            [] | [_] => {
                let packed = self.pack(view, &[], &axes, Order::Logical)?;
                let width = self.graph.tensors[packed.tensor].width;
                (packed, false, [width, 1, 1, 1])
            }
            _ if view.rank() == 4 && view.axes[0].is_empty() && channels != Some(3) => {
                let packed = self.pack(view, &[2, 3], &[1], Order::Logical)?;
                (packed, true, [len(2), len(3), len(1), 1])
            }
            [rows @ .., last] if rows.len() <= 2 => {
                let packed = self.pack(view, rows, &[*last], Order::Logical)?;
                let (height, width) = (len(rows[0]), rows.get(1).map_or(1, |&axis| len(axis)));
                (packed, true, [height, width, len(*last), 1])
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

    /// Whether an output without a telling name or ending comes from a dense layer or a sum of some.
    fn classifies(&self, output: usize) -> bool {
        let node = self.producers[self.graph.outputs[output].tensor].map(|index| &self.graph.nodes[index]);
        matches!(node, Some(Node::Linear { .. } | Node::Add { .. } | Node::Affine { .. } | Node::Conv { .. }))
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

/// What the name or the ending of an output of one row says; none if neither says anything.
fn said(name: &str, ending: Option<Ending>) -> Option<OutputKind> {
    match (kind_by_name(name), ending) {
        (Some(OutputKind::Values), None | Some(Ending::Sigmoid)) => Some(OutputKind::Values),
        (_, Some(Ending::Softmax | Ending::LogSoftmax | Ending::Sigmoid | Ending::ArgMax)) => {
            Some(OutputKind::Logits)
        }
        (_, Some(Ending::UnitLength | Ending::UnitSum)) => Some(OutputKind::Embedding),
        (kind, None) => kind,
    }
}

/// What the name of an output of one row says; none if it says nothing.
fn kind_by_name(name: &str) -> Option<OutputKind> {
    let name = name.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if says(&["embed", "hidden", "feature", "pool", "token"]) {
        Some(OutputKind::Embedding)
    } else if says(&["box", "regress", "coord", "landmark", "keypoint"]) {
        Some(OutputKind::Values)
    } else if says(&["logit", "class", "head", "prob", "score", "pred"]) {
        Some(OutputKind::Logits)
    } else {
        None
    }
}
