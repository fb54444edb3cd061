//! Which elements of which tensor an element is made of.

use std::collections::HashMap;
use std::rc::Rc;

use crate::graph::{Graph, Node, Part};
use crate::layout::TensorId;

/// Operations that are looked through, one behind the other.
const MAX_DEPTH: usize = 12;
/// Elements of a tensor that is looked through at most.
const MAX_LEN: usize = 1 << 22;

/// An element of the source, and its factor.
pub(super) type Term = (usize, f32);

/// Every element as a sum of at most two elements of one tensor.
pub(super) struct Trace {
    pub source: TensorId,
    pub terms: Vec<(Term, Option<Term>)>,
}

/// Traces the tensors of a graph.
pub(super) struct Tracer<'a> {
    graph: &'a Graph,
    makers: HashMap<TensorId, usize>,
    known: HashMap<TensorId, Option<Rc<Trace>>>,
}

impl<'a> Tracer<'a> {
    pub fn new(graph: &'a Graph) -> Self {
        let makers = graph.nodes.iter().enumerate().map(|(index, node)| (node.output(), index)).collect();
        Self { graph, makers, known: HashMap::new() }
    }

    /// Takes `out` for the sum of `first` and `second`, in that order; none if it cannot be traced.
    pub fn sum(&mut self, first: TensorId, second: TensorId, out: TensorId) -> Option<()> {
        let (a, b) = (self.trace(first)?, self.trace(second)?);
        if a.source != b.source {
            return None;
        }
        let both = a.terms.iter().zip(&b.terms).map(|(a, b)| match (a, b) {
            ((a, None), (b, None)) => Some((*a, Some(*b))),
            _ => None,
        });
        let terms = both.collect::<Option<_>>()?;
        self.known.insert(out, Some(Rc::new(Trace { source: a.source, terms })));
        Some(())
    }

    /// What tensor `id` is made of; none of too much.
    pub fn trace(&mut self, id: TensorId) -> Option<Rc<Trace>> {
        self.within(id, MAX_DEPTH)
    }

    fn within(&mut self, id: TensorId, depth: usize) -> Option<Rc<Trace>> {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let len = self.graph.tensors[id].len();
        let trace = (len <= MAX_LEN).then(|| self.through(id, depth)).flatten().map(Rc::new);
        self.known.insert(id, trace.clone());
        trace
    }

    fn through(&mut self, id: TensorId, depth: usize) -> Option<Trace> {
        let graph = self.graph;
        let made = &graph.tensors[id];
        let node = self.makers.get(&id).map(|&index| &graph.nodes[index]).filter(|_| depth > 0);
        let itself = || Trace { source: id, terms: (0..made.len()).map(|at| ((at, 1.0), None)).collect() };
        let Some(node) = node.filter(|node| passes(graph, node)) else { return Some(itself()) };
        if let Node::Concat { parts, .. } = node {
            return self.joined(parts, depth);
        }
        let x = self.within(*node.inputs().first()?, depth - 1)?;
        let terms = match node {
            Node::Affine { scale, .. } => scaled(&x, |at| scale[at % scale.len()]),
            Node::Mul { y, .. } => {
                let (factors, values) = (&graph.tensors[*y], constant(graph, *y)?);
                scaled(&x, |at| {
                    let row = if factors.rows == 1 { 0 } else { at / made.width };
                    let column = if factors.width == 1 { 0 } else { at % made.width };
                    values[row * factors.width + column]
                })
            }
            Node::Rows { start, .. } => x.terms[start * made.width..][..made.len()].to_vec(),
            Node::Gather { rows, .. } => {
                let row = |&row: &u32| &x.terms[row as usize * made.width..][..made.width];
                rows.iter().flat_map(row).copied().collect()
            }
            Node::Permute { offset, shape, strides, .. } => {
                let mut terms = Vec::with_capacity(made.len());
                for at in 0..made.len() {
                    let (mut rest, mut from) = (at, *offset);
                    for (size, stride) in shape.iter().zip(strides).rev() {
                        from += rest % size * stride;
                        rest /= size;
                    }
                    terms.push(x.terms[from]);
                }
                terms
            }
            _ => return None,
        };
        Some(Trace { source: x.source, terms })
    }

    fn joined(&mut self, parts: &[Part], depth: usize) -> Option<Trace> {
        let mut all: Option<Trace> = None;
        for part in parts {
            let Part::Tensor(id) = part else { return None };
            let part = self.within(*id, depth - 1)?;
            let all = all.get_or_insert_with(|| Trace { source: part.source, terms: Vec::new() });
            if all.source != part.source {
                return None;
            }
            all.terms.extend(&part.terms);
        }
        all
    }
}

fn scaled(x: &Trace, factor: impl Fn(usize) -> f32) -> Vec<(Term, Option<Term>)> {
    let times = |(from, value): Term, by: f32| (from, value * by);
    let scaled = |(at, (first, second)): (usize, &(Term, Option<Term>))| {
        (times(*first, factor(at)), second.map(|second| times(second, factor(at))))
    };
    x.terms.iter().enumerate().map(scaled).collect()
}

/// Whether `node` only moves values of computed tensors.
pub(super) fn moves(node: &Node) -> bool {
    match node {
        Node::Rows { .. } | Node::Gather { .. } | Node::Permute { .. } => true,
        Node::Concat { parts, .. } => parts.iter().all(|part| matches!(part, Part::Tensor(_))),
        _ => false,
    }
}

/// Whether the elements of what `node` makes are elements of what it reads, times constants.
fn passes(graph: &Graph, node: &Node) -> bool {
    match node {
        Node::Affine { offset, .. } => offset.iter().all(|&offset| offset == 0.0),
        Node::Mul { y, .. } => constant(graph, *y).is_some(),
        _ => moves(node),
    }
}

/// The values of tensor `id`, if it is constant.
fn constant(graph: &Graph, id: TensorId) -> Option<Vec<f32>> {
    let node = graph.nodes.iter().find(|node| node.output() == id)?;
    let Node::Concat { parts, .. } = node else { return None };
    let values = parts.iter().map(|part| match part {
        Part::Constant(values) => Some(values.as_slice()),
        Part::Tensor(_) => None,
    });
    Some(values.collect::<Option<Vec<_>>>()?.concat())
}

/// Whether tensor `id` is a product with constants, moved or not.
pub(super) fn weighted(graph: &Graph, mut id: TensorId) -> bool {
    for _ in 0..MAX_DEPTH {
        let Some(node) = graph.nodes.iter().find(|node| node.output() == id) else { return false };
        match node {
            Node::Mul { y, .. } => return constant(graph, *y).is_some(),
            Node::Rows { x, .. } | Node::Gather { x, .. } | Node::Permute { x, .. } => id = *x,
            _ => return false,
        }
    }
    false
}
