//! `Einsum`: products and rearrangements by an equation.

use super::importer::{Importer, Result, Value};
use super::linear::Matrix;
use super::op::{Handler, OnnxOp};
use super::view::{Axis, View, dense, split};

pub(super) const OPS: &[OnnxOp] = &[OnnxOp::new(
    "Einsum",
    Handler::View(|i| i.einsum()),
    "a matrix product of two operands; one operand with axes reordered and summed",
)];

impl Importer<'_> {
    /// `Einsum` of one or two operands.
    pub fn einsum(&mut self) -> Result<View> {
        let equation: String =
            self.node.string("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
        if self.node.count() == 1 {
            return self.rearrange(&equation);
        }
        let equation = self.without_ellipsis(equation)?;
        let terms = equation.split_once("->").and_then(|(inputs, out)| {
            let (a, b) = inputs.split_once(',')?;
            let labels = |term: &str| term.chars().collect::<Vec<char>>();
            Some((labels(a), labels(b), labels(out)))
        });
        let unsupported = format!("the equation `{equation}` is not a matrix product of two operands");
        let Some((mut left, mut right, out)) = terms else { return Err(self.node.unsupported(unsupported)) };
        let plain = [&left, &right, &out].iter().all(|labels| distinct(labels));
        if !plain || out.iter().any(|c| !left.contains(c) && !right.contains(c)) {
            return Err(self.node.unsupported(unsupported));
        }
        let (a, b) = match (self.value(0)?, self.value(1)?) {
            (Value::View(a), b) => (a, b),
            (a, Value::View(b)) => {
                std::mem::swap(&mut left, &mut right);
                (b, a)
            }
            (Value::Constant(_), Value::Constant(_)) => return Err(self.unknown()),
        };
        let rank_b = match &b {
            Value::View(view) => view.rank(),
            Value::Constant(array) => array.rank(),
        };
        if a.rank() != left.len() || rank_b != right.len() {
            return Err(self.node.invalid(format!("the equation `{equation}` does not fit its inputs")));
        }
        let both = |c: &char| left.contains(c) && right.contains(c);
        let batch: Vec<char> = out.iter().copied().filter(both).collect();
        let rows: Vec<char> =
            out.iter().copied().filter(|c| left.contains(c) && !right.contains(c)).collect();
        let columns: Vec<char> =
            out.iter().copied().filter(|c| right.contains(c) && !left.contains(c)).collect();
        let inner: Vec<char> = left.iter().copied().filter(|c| both(c) && !out.contains(c)).collect();
        let used = |labels: &[char]| labels.iter().all(|c| out.contains(c) || inner.contains(c));
        if !used(&left) || !used(&right) {
            return Err(self.node.unsupported(unsupported));
        }
        let shape_b = match &b {
            Value::View(view) => view.shape(),
            Value::Constant(array) => array.shape.clone(),
        };
        let len = |c: &char| match left.iter().position(|label| label == c) {
            Some(at) => a.len(at),
            None => right.iter().position(|label| label == c).map_or(1, |at| shape_b[at]),
        };
        if right.iter().zip(&shape_b).any(|(c, &have)| len(c) != have) {
            return Err(self.node.invalid("lengths of a label differ"));
        }
        let group = |view: &View, labels: &[char], wanted: &[char]| -> Axis {
            wanted
                .iter()
                .filter_map(|c| labels.iter().position(|l| l == c))
                .flat_map(|at| view.axes[at].clone())
                .collect()
        };
        let lens: Vec<Vec<usize>> =
            [&batch, &rows, &columns].iter().map(|labels| labels.iter().map(len).collect()).collect();
        let product = match b {
            Value::View(b) => {
                let x = a.with_axes([&batch, &rows, &inner].map(|l| group(&a, &left, l)).to_vec());
                let y = b.with_axes([&batch, &columns, &inner].map(|l| group(&b, &right, l)).to_vec());
                self.contract(&x, &y)?
            }
            Value::Constant(array) => {
                self.name_after(1);
                let order: Vec<usize> = batch
                    .iter()
                    .chain(&columns)
                    .chain(&inner)
                    .filter_map(|c| right.iter().position(|label| label == c))
                    .collect();
                if array.is_empty() {
                    return Err(self.empty());
                }
                let [blocks, n] = [&lens[0], &lens[2]].map(|lens| lens.iter().product::<usize>());
                self.spend(blocks.saturating_mul(array.len()))?;
                let values = self.to_storage(&dense(&shape_b, &order), array.len(), &array)?;
                let matrix = Matrix::diagonal(blocks, n, array.len() / (blocks * n), values);
                let x = a.with_axes(vec![
                    group(&a, &left, &rows),
                    group(&a, &left, &[&batch[..], &inner].concat()),
                ]);
                let out = self.linear(&x, &matrix)?;
                let parts = split(&out.axes[1], &[blocks, n]).ok_or_else(|| self.unknown())?;
                out.with_axes(vec![parts[0].clone(), out.axes[0].clone(), parts[1].clone()])
            }
        };
        let mut axes = Vec::new();
        for (axis, lens) in product.axes.iter().zip(&lens) {
            axes.extend(split(axis, lens).ok_or_else(|| self.unknown())?);
        }
        let labels: Vec<char> = [batch, rows, columns].concat();
        let perm: Vec<usize> =
            out.iter().filter_map(|c| labels.iter().position(|label| label == c)).collect();
        Ok(product.with_axes(axes).transpose(&perm))
    }

    /// `equation` with a letter for each axis that dots stand for, which both operands align at
    /// the end.
    fn without_ellipsis(&self, equation: String) -> Result<String> {
        if !equation.contains("...") {
            return Ok(equation);
        }
        let mut hidden = Vec::new();
        for (at, term) in equation.split("->").next().unwrap_or_default().split(',').enumerate() {
            let rank = match self.value(at)? {
                Value::View(view) => view.rank(),
                Value::Constant(array) => array.rank(),
            };
            let letters = term.replace("...", "").len();
            let count = if letters == term.len() { Some(0) } else { rank.checked_sub(letters) };
            hidden.push(count.ok_or_else(|| {
                self.node.invalid(format!("the equation `{equation}` does not fit its inputs"))
            })?);
        }
        let most = hidden.iter().copied().max().unwrap_or(0);
        let free: Vec<char> = ('A'..='Z').filter(|letter| !equation.contains(*letter)).take(most).collect();
        if free.len() < most {
            return Err(self.node.unsupported(format!("the equation `{equation}` has too many axes")));
        }
        let letters = |count: usize| free[most - count..].iter().collect::<String>();
        let (inputs, out) = equation.split_once("->").unwrap_or((&equation, ""));
        let terms = inputs.split(',').zip(hidden).map(|(term, count)| term.replace("...", &letters(count)));
        Ok(format!("{}->{}", terms.collect::<Vec<_>>().join(","), out.replace("...", &letters(most))))
    }

    /// An equation of one operand: its axes in another order, those left out summed.
    fn rearrange(&mut self, equation: &str) -> Result<View> {
        let view = self.view(0)?;
        let Some((labels, out)) = equation.split_once("->") else {
            return Err(self.node.unsupported(format!("the equation `{equation}` names no output")));
        };
        let (labels, out): (Vec<char>, Vec<char>) = (labels.chars().collect(), out.chars().collect());
        if !distinct(&labels) || !distinct(&out) || out.iter().any(|c| !labels.contains(c)) {
            return Err(self.node.unsupported(format!(
                "the equation `{equation}` does more than reorder and sum axes; each may be named once"
            )));
        }
        if labels.len() != view.rank() {
            return Err(self.node.invalid(format!("the equation `{equation}` does not fit its input")));
        }
        let summed: Vec<usize> = (0..labels.len()).filter(|&axis| !out.contains(&labels[axis])).collect();
        let view = if summed.is_empty() { view } else { self.sum_kept(&view, &summed)? };
        let perm: Vec<usize> =
            out.iter().filter_map(|c| labels.iter().position(|label| label == c)).collect();
        Ok(view.transpose(&perm))
    }
}

/// Whether `labels` are letters, none of them twice.
fn distinct(labels: &[char]) -> bool {
    labels.iter().enumerate().all(|(at, c)| c.is_ascii_alphabetic() && !labels[..at].contains(c))
}
