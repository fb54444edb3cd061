//! ONNX's own `Attention`.

use float::Function;

use super::importer::{Importer, Result};
use super::matmul::swap;
use super::op::{Handler, OnnxOp};
use super::view::{Dim, View};
use crate::reader::Ignored;

pub(super) const OPS: &[OnnxOp] = &[OnnxOp::new(
    "Attention",
    Handler::View(|i| i.attention()),
    "a constant mask, of numbers that are added or of truth values; causal; a soft cap without a mask; grouped \
     queries; no past keys",
)
.ignoring(&[
    Ignored::new("qk_matmul_output_mode", "it is about an output that is not computed"),
    Ignored::new("softmax_precision", "all floats are computed in 32 bits"),
])];

impl Importer<'_> {
    /// ONNX's own `Attention`.
    fn attention(&mut self) -> Result<View> {
        let node = self.node;
        if (4..6).any(|at| node.peek(at).is_some()) {
            return Err(node.unsupported("past keys and values are not supported: an image has none"));
        }
        let (q, k, v) = (self.view(0)?, self.view(1)?, self.view(2)?);
        let flat = q.rank() == 3;
        let heads = [node.int("q_num_heads", 0), node.int("kv_num_heads", 0)];
        let q = self.by_head(&q, heads[0])?;
        let (k, v) = (self.by_head(&k, heads[1])?, self.by_head(&v, heads[1])?);
        let (k, v) = (self.shared(&k, q.len(1))?, self.shared(&v, q.len(1))?);
        let mut scores = self.batched(&q, &k)?;
        scores.factor *= node.float("scale", 1.0 / (q.len(3) as f32).sqrt());
        let scores = self.capped(scores)?;
        let scores = self.masked(scores)?;
        let last = scores.rank() - 1;
        let weights = self.softmax_of(&scores, &[last])?;
        let out = self.batched(&weights, &swap(&v))?;
        if !flat {
            return Ok(out);
        }
        let out = out.transpose(&[0, 2, 1, 3]);
        let shape = [out.len(0), out.len(1), out.len(2) * out.len(3)];
        out.reshape(&shape).ok_or_else(|| self.unknown())
    }

    /// An operand as image, head, row, channel.
    pub(super) fn by_head(&self, view: &View, heads: i64) -> Result<View> {
        let heads = usize::try_from(heads).unwrap_or(0);
        let apart = match *view.shape().as_slice() {
            [_, _, _, _] => Some(view.clone()),
            [b, l, width] if heads > 0 && width.is_multiple_of(heads) => {
                view.reshape(&[b, l, heads, width / heads]).map(|view| view.transpose(&[0, 2, 1, 3]))
            }
            _ => None,
        };
        apart.ok_or_else(|| self.node.invalid("its inputs are not heads of queries, keys and values"))
    }

    /// Keys or values of `heads` heads: consecutive ones share what there is.
    fn shared(&self, view: &View, heads: usize) -> Result<View> {
        let have = view.len(1);
        if have == 0 || !heads.is_multiple_of(have) {
            return Err(self.node.invalid(format!("{heads} heads of queries for {have} of keys and values")));
        }
        let mut axes = view.axes.clone();
        if heads > have {
            axes[1].push(Dim { len: heads / have, stride: 0 });
        }
        Ok(view.with_axes(axes))
    }

    /// `cap · tanh(scores / cap)`, if the node has a cap.
    fn capped(&mut self, mut scores: View) -> Result<View> {
        let cap = self.node.float("softcap", 0.0);
        if cap == 0.0 {
            return self.settle(&scores);
        }
        // Versions of the operator differ in which is first.
        if self.node.input(3).is_some() {
            return Err(self.node.unsupported("a soft cap together with a mask is not supported"));
        }
        scores.factor /= cap;
        let mut scores = self.apply(&scores, Function::Tanh)?;
        scores.factor *= cap;
        self.settle(&scores)
    }

    /// `scores` with the node's masks added.
    fn masked(&mut self, mut scores: View) -> Result<View> {
        if self.node.input(3).is_some() {
            let mask = self.weights(3, "mask")?;
            scores = match mask.bools() {
                None => self.affine(&scores, None, Some(&mask), 3)?,
                Some(keeps) => {
                    let hidden = keeps.iter().map(|keep| !keep);
                    self.exclude(&scores, mask.shape.clone(), hidden, f32::MIN)?
                }
            };
        }
        if self.node.int("is_causal", 0) == 0 {
            return Ok(scores);
        }
        let (rows, keys) = (scores.len(2), scores.len(3));
        if rows != keys {
            return Err(self
                .node
                .unsupported(format!("{rows} queries of {keys} keys are not masked as causal")));
        }
        self.spend(rows * keys)?;
        let hidden = (0..rows * keys).map(|at| at % keys > at / keys);
        self.exclude(&scores, vec![rows, keys], hidden, f32::MIN)
    }
}
