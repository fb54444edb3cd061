//! Evaluates a float graph: the truth that calibration and reports compare with.
//!
//! A graph is checked once; after that evaluation cannot fail. Products are single precision, sums
//! over a row and element-wise functions double precision. The values are the same on every
//! machine.

mod check;
mod conv;
mod dense;
mod function;
mod movement;
mod node;
mod product;
mod rows;

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::GraphError;
use crate::graph::{Graph, Node, Tensor};
use crate::layout::TensorId;
use crate::progress::Progress;

pub use dense::linear;

/// Evaluates one graph on any number of frames, from any number of threads.
pub struct Evaluator<'g> {
    graph: &'g Graph,
    /// For each node the tensors that nothing reads after it.
    dies: Vec<Vec<TensorId>>,
    /// Workspaces not in use: as many as have ever been in use at once.
    idle: Mutex<Vec<Workspace>>,
}

/// Buffers of one evaluation.
#[derive(Default)]
struct Workspace {
    /// The live tensors.
    values: Vec<Option<Vec<f32>>>,
    /// Buffers of tensors that died.
    spare: Vec<Vec<f32>>,
    /// Temporary values inside a node.
    scratch: Vec<f32>,
}

impl<'g> Evaluator<'g> {
    /// Checks every shape, index and stride of `graph`.
    pub fn new(graph: &'g Graph) -> Result<Self, GraphError> {
        check::graph(graph)?;
        Ok(Self { graph, dies: deaths(graph), idle: Mutex::default() })
    }

    /// The graph.
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// The outputs of one frame, in the order of the graph's outputs.
    ///
    /// # Panics
    /// If `frame` has not `height × width × channels` bytes.
    pub fn run(&self, frame: &[u8]) -> Vec<Vec<f32>> {
        self.trace(frame, &mut |_, _| {})
    }

    /// Like [`Self::run`], and shows every tensor as it is made: the frame first, then the
    /// output of each node in execution order. Memory holds no more than the tensors that
    /// are still to be read.
    ///
    /// # Panics
    /// If `frame` has not `height × width × channels` bytes.
    pub fn trace(&self, frame: &[u8], visit: &mut dyn FnMut(TensorId, &[f32])) -> Vec<Vec<f32>> {
        assert_eq!(frame.len(), self.graph.tensors[0].len(), "bytes of the frame");
        let mut space = self.idle().pop().unwrap_or_default();
        space.values.resize_with(self.graph.tensors.len(), || None);
        let mut pixels = space.spare.pop().unwrap_or_default();
        pixels.clear();
        pixels.extend(frame.iter().map(|&p| f32::from(p)));
        visit(0, &pixels);
        space.values[0] = Some(pixels);
        for (node, dies) in self.graph.nodes.iter().zip(&self.dies) {
            self.step(node, &mut space, visit);
            for &id in dies {
                space.spare.extend(space.values[id].take());
            }
        }
        let outputs = self.graph.outputs.iter();
        let outputs = outputs.map(|o| space.values[o.tensor].clone().unwrap_or_default()).collect();
        space.spare.extend(space.values.iter_mut().filter_map(Option::take));
        self.idle().push(space);
        outputs
    }

    /// The outputs of every frame, computed on all threads of the pool this is called in.
    ///
    /// # Panics
    /// If a frame has not `height × width × channels` bytes.
    pub fn run_all<F: AsRef<[u8]> + Sync>(
        &self,
        frames: &[F],
        progress: &dyn Progress,
    ) -> Vec<Vec<Vec<f32>>> {
        progress.begin("running the float model", frames.len());
        let run = |frame: &F| {
            let outputs = self.run(frame.as_ref());
            progress.step();
            outputs
        };
        frames.par_iter().map(run).collect()
    }

    fn step(&self, node: &Node, space: &mut Workspace, visit: &mut dyn FnMut(TensorId, &[f32])) {
        let made = node.output();
        let mut out = space.spare.pop().unwrap_or_default();
        out.clear();
        let inputs: Vec<&[f32]> =
            node.inputs().into_iter().map(|id| space.values[id].as_deref().unwrap_or_default()).collect();
        node::evaluate(&self.graph.tensors, node, &inputs, &mut out, &mut space.scratch);
        visit(made, &out);
        space.values[made] = Some(out);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Workspace>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For each node the tensors that can be freed after it.
fn deaths(graph: &Graph) -> Vec<Vec<TensorId>> {
    let mut last = vec![None; graph.tensors.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        for id in node.inputs().into_iter().chain([node.output()]) {
            last[id] = Some(index);
        }
    }
    for output in &graph.outputs {
        last[output.tensor] = None;
    }
    let mut dies = vec![Vec::new(); graph.nodes.len()];
    for (id, node) in last.into_iter().enumerate() {
        if let Some(node) = node {
            dies[node].push(id);
        }
    }
    dies
}

/// The output of one node of a graph with `tensors`, given the values of
/// [`Node::inputs`] in their order.
///
/// # Panics
/// If `inputs` are not as many, or not as long, as the node's tensors.
pub fn evaluate_node(tensors: &[Tensor], node: &Node, inputs: &[&[f32]]) -> Result<Vec<f32>, GraphError> {
    check::node(tensors, node)?;
    let ids = node.inputs();
    assert_eq!(ids.len(), inputs.len(), "inputs of the node");
    for (id, input) in ids.into_iter().zip(inputs) {
        assert_eq!(tensors[id].len(), input.len(), "elements of `{}`", tensors[id].name);
    }
    let mut out = Vec::new();
    node::evaluate(tensors, node, inputs, &mut out, &mut Vec::new());
    Ok(out)
}
