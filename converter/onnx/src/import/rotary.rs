//! Rotary position embeddings as one operator.

use float::{Node, Pairs};

use super::importer::{Importer, Result};
use super::op::{Handler, OnnxOp};
use super::store::Order;
use super::view::View;

pub(super) const OPS: &[OnnxOp] = &[OnnxOp::new(
    "RotaryEmbedding",
    Handler::View(|i| i.rotary_embedding()),
    "constant cosines, sines and positions; all channels of a head",
)];

impl Importer<'_> {
    /// `RotaryEmbedding` of image, head, row, channel, or of image, row, heads side by side.
    fn rotary_embedding(&mut self) -> Result<View> {
        let x = self.view(0)?;
        let (cosines, sines) = (self.weights(1, "cosines")?, self.weights(2, "sines")?);
        let half = cosines.shape.last().copied().unwrap_or(0);
        let flat = x.rank() == 3;
        let heads = match self.node.int("num_heads", 0) {
            0 if flat => x.len(2).checked_div(2 * half).unwrap_or(0) as i64,
            heads => heads,
        };
        let apart = self.by_head(&x, heads)?;
        let head_dim = apart.len(3);
        let part = self.node.int("rotary_embedding_dim", 0);
        if (part != 0 && part != head_dim as i64) || 2 * half != head_dim {
            return Err(self.node.unsupported(format!(
                "it turns a part of the {head_dim} channels of a head; slice that part out and turn all of it"
            )));
        }
        if sines.shape != cosines.shape || cosines.is_empty() {
            return Err(self.node.invalid("its cosines and sines differ in shape, or there are none"));
        }
        let positions = self.positions(apart.len(0), apart.len(2), cosines.len() / half)?;
        self.spend(positions.len() * head_dim)?;
        let (cosines, sines) = (cosines.to_f32s(), sines.to_f32s());
        let all = cosines.iter().chain(&sines);
        let gain = all.fold(1.0_f32, |most, value| most.max(value.abs()));
        if !gain.is_finite() || cosines.iter().chain(&sines).any(|value| value.is_nan()) {
            return Err(self.node.invalid("its cosines and sines are not finite"));
        }
        let row = |values: &[f32], at: usize| -> Vec<f32> {
            values[at * half..][..half].iter().map(|v| v / gain).collect()
        };
        let of_position = |&at: &usize| -> [Vec<f32>; 2] { [row(&cosines, at), row(&sines, at)] };
        let angles = positions.iter().flat_map(of_position).flatten().collect();
        let pairs = if self.node.int("interleaved", 0) == 0 { Pairs::Halves } else { Pairs::Neighbours };
        let packed = self.pack(&apart, &[0, 2], &[1, 3], Order::Logical)?;
        let (x, rows, width) = self.size(&packed);
        let tensor =
            self.emit("", rows, width, |out| Node::Rotary { x, out, offset: 0, head_dim, pairs, angles })?;
        let out = View { factor: packed.factor * gain, ..View::laid_out(tensor, packed.axes) };
        if !flat {
            return Ok(out);
        }
        let out = out.transpose(&[0, 2, 1, 3]);
        let shape = [out.len(0), out.len(1), out.len(2) * out.len(3)];
        out.reshape(&shape).ok_or_else(|| self.unknown())
    }

    /// The row of the cosines of each of `rows` rows of each image: that of its position, of which
    /// there are `known`.
    fn positions(&mut self, images: usize, rows: usize, known: usize) -> Result<Vec<usize>> {
        let all = images * rows;
        self.spend(all)?;
        let positions: Vec<i64> = match self.node.input(3) {
            Some(_) => {
                let stated = self.weights(3, "positions")?;
                match (stated.rank(), stated.to_i64s()) {
                    // Of the first row.
                    (1, first) if first.len() == 1 => {
                        (0..all).map(|at| first[0] + (at % rows) as i64).collect()
                    }
                    (_, stated) => stated,
                }
            }
            None if known == rows => (0..all).map(|at| (at % rows) as i64).collect(),
            None => (0..known as i64).collect(),
        };
        let within = positions.into_iter().map(|at| usize::try_from(at).ok().filter(|&at| at < known));
        let positions = within.collect::<Option<Vec<usize>>>().filter(|positions| positions.len() == all);
        positions.ok_or_else(|| {
            self.node.invalid(format!("its positions are not {all} of those of {known} cosines and sines"))
        })
    }
}
