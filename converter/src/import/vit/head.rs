//! Final norm, pooling and classifier, or the embedding of a model without one.

use float::{Dense, Node, Output, TensorId};
use runtime::OutputKind;

use super::{Builder, Pool};
use crate::error::ConvertError;
use crate::import::json::wrong;

impl Builder<'_> {
    pub(super) fn head(&mut self, stream: TensorId) -> Result<(), ConvertError> {
        let pool = self.pool()?;
        let x = if self.layers.has("norm.weight") { self.norm("norm", stream)? } else { stream };
        let mut x = self.pooled(pool, x)?;
        if self.layers.has("fc_norm.weight") {
            x = self.norm("fc_norm", x)?;
        }
        let outputs = self.dims.vit.num_classes as usize;
        let (name, kind, tensor) = match (self.config.classifies, self.config.pooler) {
            (true, _) if pool == Pool::Both => ("logits", OutputKind::Logits, self.two_heads(x, outputs)?),
            (true, _) => ("logits", OutputKind::Logits, self.layers.linear("head", x, outputs)?),
            (false, Some(function)) => {
                let made = self.layers.linear("pooler", x, outputs)?;
                ("embedding", OutputKind::Embedding, self.layers.activate("pooler.act", made, function))
            }
            (false, None) => ("embedding", OutputKind::Embedding, x),
        };
        let shape = [self.layers.graph.tensors[tensor].width, 1, 1, 1];
        self.layers.graph.outputs.push(Output { name: name.into(), tensor, kind, shape, ending: None });
        Ok(())
    }

    /// How tokens become one: as stated, or as the norms tell.
    fn pool(&self) -> Result<Pool, ConvertError> {
        let has = |name: &str| self.layers.has(name);
        let token = if has("dist_token") { Pool::Both } else { Pool::Token };
        let shown = match (has("norm.weight"), has("fc_norm.weight")) {
            (true, true) => None,
            (false, true) => Some(Pool::Mean),
            (_, false) if has("cls_token") => Some(token),
            (_, false) => Some(Pool::Mean),
        };
        match self.config.pool.or(shown) {
            Some(Pool::Token | Pool::Both | Pool::TokenAndMean) if !has("cls_token") => {
                Err(wrong("global_pool is `token`, but there is no tensor `cls_token`".into()))
            }
            Some(Pool::Mean) if has("dist_token") => {
                Err(wrong("a model with `dist_token` has global_pool token, not avg".into()))
            }
            Some(pool) => Ok(pool),
            None => Err(wrong(
                "the model has both `norm` and `fc_norm`; give `global_pool`, token or avg, in the configuration"
                    .into(),
            )),
        }
    }

    fn pooled(&mut self, pool: Pool, x: TensorId) -> Result<TensorId, ConvertError> {
        match pool {
            Pool::Token => Ok(self.rows("pool.tokens", x, 0, 1)),
            Pool::Both => Ok(self.rows("pool.tokens", x, 0, 2)),
            Pool::Mean => Ok(self.mean(x)),
            Pool::TokenAndMean => {
                let (token, mean) = (self.rows("pool.tokens", x, 0, 1), self.mean(x));
                let out = self.layers.graph.tensor("pool.both", 2, self.dims.width);
                let parts = vec![float::Part::Tensor(token), float::Part::Tensor(mean)];
                self.layers.graph.nodes.push(Node::Concat { parts, out });
                Ok(self.side_by_side(out))
            }
        }
    }

    fn rows(&mut self, name: &str, x: TensorId, start: usize, count: usize) -> TensorId {
        if count == self.layers.graph.tensors[x].rows {
            return x;
        }
        let out = self.layers.graph.tensor(name, count, self.dims.width);
        self.layers.graph.nodes.push(Node::Rows { x, out, start });
        out
    }

    /// The mean of the patches, or of all tokens.
    fn mean(&mut self, x: TensorId) -> TensorId {
        let start = if self.config.pool_prefix { 0 } else { self.dims.prefix };
        let x = self.rows("pool.patches", x, start, self.layers.graph.tensors[x].rows - start);
        let out = self.layers.graph.tensor("pool", 1, self.dims.width);
        self.layers.graph.nodes.push(Node::Mean { x, out });
        out
    }

    /// Two rows as one.
    fn side_by_side(&mut self, x: TensorId) -> TensorId {
        let width = 2 * self.dims.width;
        let out = self.layers.graph.tensor("pool.pair", 1, width);
        let (shape, strides) = ([1, 1, 1, width], [0, 0, 0, 1]);
        self.layers.graph.nodes.push(Node::Permute { x, out, offset: 0, shape, strides });
        out
    }

    /// The mean of the classifiers of two tokens, as one layer over both side by side.
    fn two_heads(&mut self, x: TensorId, n: usize) -> Result<TensorId, ConvertError> {
        let width = self.dims.width;
        let x = self.side_by_side(x);
        let [first, second] =
            [self.layers.weights("head", n, width)?, self.layers.weights("head_dist", n, width)?];
        let rows = first.weights.chunks_exact(width).zip(second.weights.chunks_exact(width));
        let weights = rows.flat_map(|(a, b)| a.iter().chain(b).map(|w| w / 2.0)).collect();
        let bias = first.bias.iter().zip(&second.bias).map(|(a, b)| (a + b) / 2.0).collect();
        Ok(self.layers.dense("head", x, Dense { n, k: 2 * width, weights, bias }))
    }
}
