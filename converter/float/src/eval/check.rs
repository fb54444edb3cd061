//! Everything that evaluation relies on.

use std::fmt::Debug;

use crate::error::GraphError;
use crate::graph::{Dense, Graph, Node, Part, Tensor};
use crate::layout::{Geometry, Strided, TensorId};

/// Elements of a tensor at most.
const MAX_LEN: usize = 1 << 28;
/// Multiplications of a node at most: minutes of work.
const MAX_PRODUCTS: u128 = 1 << 42;

type Checked = Result<(), GraphError>;

/// Checks the order of the nodes, each node, and the outputs.
pub(super) fn graph(graph: &Graph) -> Checked {
    let tensors = &graph.tensors;
    let image = &graph.image;
    let pixels = usize::from(image.height) * usize::from(image.width);
    let frame = tensors.first().ok_or(no_tensor("the frame", 0, tensors))?;
    expect(&frame.name, "the frame", (frame.rows, frame.width), (pixels, usize::from(image.channels)))?;
    tensors.iter().try_for_each(size)?;
    let mut made = vec![false; tensors.len()];
    made[0] = true;
    for each in &graph.nodes {
        node(tensors, each)?;
        let out = each.output();
        if let Some(&id) = each.inputs().iter().find(|&&id| !made[id]) {
            let (node, tensor) = (tensors[out].name.clone(), tensors[id].name.clone());
            return Err(GraphError::Unmade { node, tensor });
        }
        if std::mem::replace(&mut made[out], true) {
            return Err(GraphError::MadeTwice { tensor: tensors[out].name.clone() });
        }
    }
    for output in &graph.outputs {
        let tensor =
            tensors.get(output.tensor).ok_or_else(|| no_tensor(&output.name, output.tensor, tensors))?;
        if !made[output.tensor] {
            return Err(GraphError::Unmade { node: output.name.clone(), tensor: tensor.name.clone() });
        }
        let elements = output.shape.iter().try_fold(1usize, |all, d| all.checked_mul(*d));
        expect(&output.name, "elements of the output", elements, Some(tensor.len()))?;
    }
    Ok(())
}

/// Checks one node; its tensors have sound sizes afterwards.
pub(super) fn node(tensors: &[Tensor], node: &Node) -> Checked {
    let out = node.output();
    let made = tensors.get(out).ok_or_else(|| no_tensor("a node", out, tensors))?;
    size(made)?;
    for id in node.inputs() {
        size(tensors.get(id).ok_or_else(|| no_tensor(&made.name, id, tensors))?)?;
    }
    let check = Check { tensors, made };
    match node {
        Node::Pixels { x, mean, std, .. } => {
            check.same(*x)?;
            check.lengths("values of mean and std", &[mean, std], made.width)
        }
        Node::Conv { x, geometry, dense, .. } => check.conv(*x, geometry, dense),
        Node::Linear { x, dense, .. } => {
            let x = &tensors[*x];
            check.expect("the input's width", x.width, dense.k)?;
            check.expect("the rows", made.rows, x.rows)?;
            check.dense(dense)
        }
        Node::Affine { x, scale, offset, .. } => {
            check.same(*x)?;
            check.lengths("factors and offsets", &[scale, offset], made.width)
        }
        Node::LayerNorm { x, gamma, beta, .. } => {
            check.same(*x)?;
            check.lengths("values of γ and β", &[gamma, beta], gamma.len())?;
            check.groups("values of γ", gamma.len())
        }
        Node::GroupNorm { x, groups, gamma, beta, .. } => {
            check.same(*x)?;
            check.lengths("values of γ and β", &[gamma, beta], made.width)?;
            let excess = made.width.checked_rem(*groups);
            check.expect("channels beyond whole groups", excess, Some(0))
        }
        Node::Softmax { x, width, .. } => {
            check.same(*x)?;
            check.groups("the softmax's width", *width)
        }
        Node::Select { x, width, ratio, .. } => {
            check.same(*x)?;
            check.groups("the selection's width", *width)?;
            check.ratio(*ratio)
        }
        Node::Activate { x, .. } => check.same(*x),
        Node::Add { x, y, .. } => check.same(*x).and(check.same(*y)),
        Node::Mul { x, y, .. } | Node::Div { x, y, .. } => check.same(*x).and(check.factor(*y)),
        Node::AddConstant { x, values, .. } => {
            check.same(*x)?;
            check.lengths("values of the constant", &[values], made.len())
        }
        Node::MatMul { .. } => check.matmul(node),
        Node::Attention { .. } => check.attention(node),
        Node::BinaryAttention { ratio, .. } => check.attention(node).and(check.ratio(*ratio)),
        Node::Mean { x, .. } | Node::ResponseNorm { x, .. } => check.shape([1, tensors[*x].width]),
        Node::Rows { x, start, .. } => {
            check.shape([made.rows, tensors[*x].width])?;
            let last = start.saturating_add(made.rows);
            check.expect("the last row", last.min(tensors[*x].rows), last)
        }
        Node::Permute { x, offset, shape, strides, .. } => {
            let elements = shape.iter().try_fold(1usize, |all, d| all.checked_mul(*d));
            check.expect("the elements", elements, Some(made.len()))?;
            let steps = shape.iter().zip(strides).map(|(n, s)| (n - 1, *s));
            check.bounds(*x, last(*offset, steps))
        }
        Node::Gather { x, rows, .. } => {
            check.shape([rows.len(), tensors[*x].width])?;
            let largest = rows.iter().max().map_or(0, |row| *row as usize);
            check.expect("the largest row", largest.min(tensors[*x].rows - 1), largest)
        }
        Node::Rotary { x, offset, head_dim, angles, .. } => {
            let odd = head_dim % 2;
            check.expect("the remainder of a head's channels by 2", odd, 0)?;
            check.groups("channels of a head", *head_dim)?;
            check.expect("the remainder of the row by a head", made.width % head_dim, 0)?;
            check.expect("the angles", Some(angles.len()), made.rows.checked_mul(*head_dim))?;
            let steps = [(made.rows - 1, tensors[*x].width), (made.width - 1, 1)];
            check.bounds(*x, last(*offset, steps.into_iter()))
        }
        Node::Concat { parts, .. } => check.concat(parts),
    }
}

struct Check<'a> {
    tensors: &'a [Tensor],
    made: &'a Tensor,
}

impl Check<'_> {
    fn expect<T: PartialEq + Debug>(&self, what: &'static str, found: T, expected: T) -> Checked {
        expect(&self.made.name, what, found, expected)
    }

    fn shape(&self, expected: [usize; 2]) -> Checked {
        self.expect("the shape", [self.made.rows, self.made.width], expected)
    }

    fn same(&self, x: TensorId) -> Checked {
        self.shape([self.tensors[x].rows, self.tensors[x].width])
    }

    /// A tensor of the node's shape, or of that with one row, one element of each row, or both.
    fn factor(&self, y: TensorId) -> Checked {
        let y = &self.tensors[y];
        let fits = |have: usize, made: usize| have == 1 || have == made;
        match fits(y.rows, self.made.rows) && fits(y.width, self.made.width) {
            true => Ok(()),
            false => Err(mismatch(
                &self.made.name,
                "the shape of the second operand",
                &[y.rows, y.width],
                &format!("1 or {} rows of 1 or {}", self.made.rows, self.made.width),
            )),
        }
    }

    fn lengths(&self, what: &'static str, all: &[&Vec<f32>], expected: usize) -> Checked {
        all.iter().try_for_each(|values| self.expect(what, values.len(), expected))
    }

    fn groups(&self, what: &'static str, width: usize) -> Checked {
        match width > 0 && self.made.len().is_multiple_of(width) {
            true => Ok(()),
            false => Err(mismatch(
                &self.made.name,
                what,
                &width,
                &format!("a divisor of its {} elements", self.made.len()),
            )),
        }
    }

    fn dense(&self, dense: &Dense) -> Checked {
        self.expect("the output channels", dense.n, self.made.width)?;
        let weights = dense.n.checked_mul(dense.k).filter(|_| dense.k > 0);
        self.expect("the weights", Some(dense.weights.len()), weights)?;
        self.lengths("the biases", &[&dense.bias], dense.n)?;
        self.products(&[self.made.rows, dense.n, dense.k])
    }

    fn conv(&self, x: TensorId, geometry: &Geometry, dense: &Dense) -> Checked {
        let x = &self.tensors[x];
        let [height, width, channels] = geometry.input.map(u64::from);
        let [rows, columns] = geometry.output.map(u64::from);
        self.expect("the input pixels", x.rows as u64, height * width)?;
        self.expect("the input channels", x.width as u64, channels)?;
        self.expect("the output pixels", self.made.rows as u64, rows * columns)?;
        let groups = u64::from(geometry.groups);
        if groups == 0 || !channels.is_multiple_of(groups) || !(dense.n as u64).is_multiple_of(groups) {
            let both = format!("a divisor of {channels} and {} channels", dense.n);
            return Err(mismatch(&self.made.name, "the number of groups", &groups, &both));
        }
        let [tall, wide] = geometry.kernel.map(u128::from);
        let inputs = tall * wide * u128::from(channels / groups);
        self.expect("the inputs of a channel", dense.k as u128, inputs)?;
        self.dense(dense)
    }

    fn matmul(&self, node: &Node) -> Checked {
        let Node::MatMul { a, b, transpose_b, out, batch, m, n, k, scales } = node else { return Ok(()) };
        let (batch, m, n, k) = (*batch, *m, *n, *k);
        self.lengths("the scales", &[scales], batch)?;
        let elements = batch.checked_mul(m).and_then(|e| e.checked_mul(n));
        self.expect("the elements", elements, Some(self.made.len()))?;
        self.expect("the inner dimension and the output's start", (k > 0, out.offset), (true, 0))?;
        // The output's matrices are one after the other, or side by side in its rows.
        let rows = (m == 1 || out.row == n) && (batch == 1 || out.batch == m * n);
        let side = (m == 1 || out.row == batch * n) && (batch == 1 || out.batch == n);
        if !rows && !side {
            let (found, all) = ((out.batch, out.row), "strides that cover the tensor once");
            return Err(mismatch(&self.made.name, "the output's layout", &found, all));
        }
        self.strided(a, batch, m, k)?;
        match transpose_b {
            true => self.strided(b, batch, n, k)?,
            false => self.strided(b, batch, k, n)?,
        }
        self.products(&[batch, m, n, k])
    }

    fn attention(&self, node: &Node) -> Checked {
        let (Node::Attention { q, k, v, keys, heads, head_dim, scales, .. }
        | Node::BinaryAttention { q, k, v, keys, heads, head_dim, scales, .. }) = node
        else {
            return Ok(());
        };
        let (keys, heads, width) = (*keys, *heads, *head_dim);
        self.expect("heads × channels", heads.checked_mul(width), Some(self.made.width))?;
        self.lengths("the scales", &[scales], heads)?;
        if keys == 0 || keys.saturating_mul(self.made.rows) > MAX_LEN {
            return Err(mismatch(&self.made.name, "the number of keys", &keys, "1 to 2²⁸ scores"));
        }
        self.strided(q, heads, self.made.rows, width)?;
        self.strided(k, heads, keys, width)?;
        self.strided(v, heads, keys, width)?;
        self.products(&[heads, self.made.rows, keys, width])
    }

    fn ratio(&self, ratio: f32) -> Checked {
        match (0.0..=1.0).contains(&ratio) {
            true => Ok(()),
            false => Err(mismatch(&self.made.name, "the share of the largest", &ratio, "0 to 1")),
        }
    }

    fn concat(&self, parts: &[Part]) -> Checked {
        let mut elements = 0usize;
        for part in parts {
            elements = elements.saturating_add(match part {
                Part::Tensor(id) => {
                    self.expect("the width of a part", self.tensors[*id].width, self.made.width)?;
                    self.tensors[*id].len()
                }
                Part::Constant(values) => {
                    let excess = values.len() % self.made.width;
                    self.expect("elements beyond whole rows in a constant part", excess, 0)?;
                    values.len()
                }
            });
        }
        self.expect("the elements of the parts", elements, self.made.len())
    }

    /// `batch` matrices of `rows × columns`.
    fn strided(&self, view: &Strided, batch: usize, rows: usize, columns: usize) -> Checked {
        if rows > 1 && view.row == 0 {
            return Err(mismatch(&self.made.name, "the distance of rows", &0, "a positive number"));
        }
        let steps = [(batch - 1, view.batch), (rows - 1, view.row), (columns - 1, 1)];
        self.bounds(view.tensor, last(view.offset, steps.into_iter()))
    }

    fn bounds(&self, x: TensorId, last: u128) -> Checked {
        let x = &self.tensors[x];
        match last < x.len() as u128 {
            true => Ok(()),
            false => Err(GraphError::OutOfBounds {
                node: self.made.name.clone(),
                tensor: x.name.clone(),
                last: u64::try_from(last).unwrap_or(u64::MAX),
                len: x.len(),
            }),
        }
    }

    fn products(&self, factors: &[usize]) -> Checked {
        let products = factors.iter().map(|&f| f as u128).try_fold(1u128, |all, f| all.checked_mul(f));
        match products.is_some_and(|p| p <= MAX_PRODUCTS) {
            true => Ok(()),
            false => Err(GraphError::Size {
                tensor: self.made.name.clone(),
                what: "more than 2⁴² multiplications are not evaluated".into(),
            }),
        }
    }
}

/// The last element of nested steps of (count − 1, stride) from `offset`.
fn last(offset: usize, steps: impl Iterator<Item = (usize, usize)>) -> u128 {
    steps.fold(offset as u128, |at, (count, stride)| {
        at.saturating_add((count as u128).saturating_mul(stride as u128))
    })
}

fn size(tensor: &Tensor) -> Checked {
    match tensor.rows.checked_mul(tensor.width) {
        Some(1..=MAX_LEN) => Ok(()),
        _ => Err(GraphError::Size {
            tensor: tensor.name.clone(),
            what: format!("{} × {} elements, expected 1 to 2²⁸", tensor.rows, tensor.width),
        }),
    }
}

fn expect<T: PartialEq + Debug>(tensor: &str, what: &'static str, found: T, expected: T) -> Checked {
    match found == expected {
        true => Ok(()),
        false => Err(mismatch(tensor, what, &found, &format!("{expected:?}"))),
    }
}

fn mismatch(tensor: &str, what: &'static str, found: &dyn Debug, expected: &str) -> GraphError {
    GraphError::Mismatch {
        tensor: tensor.to_owned(),
        what,
        found: format!("{found:?}"),
        expected: expected.to_owned(),
    }
}

fn no_tensor(what: &str, index: usize, tensors: &[Tensor]) -> GraphError {
    GraphError::NoTensor { what: what.to_owned(), index, count: tensors.len() }
}
