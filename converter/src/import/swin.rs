//! The graph of a Swin Transformer: stages of blocks with attention within windows, which every
//! other block shifts, and patches merged by four between stages.

use float::{Graph, Node, Output, Strided, TensorId};
use runtime::OutputKind;

use super::json::{small, wrong};
use super::layers::{Biased, Layers};
use super::options::ImportOptions;
use super::pictures::Pictures;
use super::relative;
use super::tensors::Tensors;
use super::vit::Stated;
use crate::error::ConvertError;

/// Epsilon of the norms that have none in the configuration: of the patches, and in front of merged
/// ones.
const EPS: f32 = 1e-5;
/// Added to the score of two places that a shifted window holds, but that are no neighbours.
const APART: f32 = -100.0;

/// What is computed with the tensors.
pub struct Config {
    /// Side of the image.
    pub side: usize,
    /// Side of a patch.
    pub patch: usize,
    /// Channels of the image.
    pub channels: usize,
    /// Width of the first stage.
    pub width: usize,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Heads of each stage.
    pub heads: Vec<usize>,
    /// Side of a window.
    pub window: usize,
    /// Hidden width of the MLP over the stage's.
    pub mlp_ratio: f64,
    /// Between the layers of an MLP.
    pub function: float::Function,
    /// Epsilon of LayerNorm.
    pub eps: f32,
    /// There is a position embedding.
    pub placed: bool,
    /// There is a classifier; else the output is an embedding.
    pub classifies: bool,
    /// How pictures become frames.
    pub pictures: Pictures,
    /// What the tensors show, too.
    pub stated: Stated,
}

/// Builds the float graph of a checkpoint; `options` come before what `config` says.
pub fn build(tensors: &Tensors<'_>, config: Config, options: &ImportOptions) -> Result<Graph, ConvertError> {
    config.check(tensors)?;
    let (side, channels) = (small(config.side)?, small(config.channels)?);
    let image = config.pictures.image(side, channels, tensors, options)?;
    let layers = Layers { tensors, graph: Graph::new(image) };
    let mut builder = Builder { config, layers };
    let mut x = builder.embedding()?;
    let stages = builder.config.depths.len();
    for stage in 0..stages {
        for block in 0..builder.config.depths[stage] {
            x = builder.block(stage, block, x)?;
        }
        if stage + 1 < stages {
            x = builder.merge(stage, x)?;
        }
    }
    builder.head(x)?;
    Ok(builder.layers.graph)
}

impl Config {
    /// Patches along a side in a stage.
    fn grid(&self, stage: usize) -> usize {
        (self.side / self.patch) >> stage
    }

    fn stage_width(&self, stage: usize) -> usize {
        self.width << stage
    }

    /// Refuses what no graph is made of: before anything is allocated.
    fn check(&self, tensors: &Tensors<'_>) -> Result<(), ConvertError> {
        let within = |name: &str, value: usize, max: usize| match (1..=max).contains(&value) {
            true => Ok(()),
            false => Err(wrong(format!("{name} is {value}, 1 to {max} are supported"))),
        };
        within("the side of the image", self.side, 4096)?;
        within("patch_size", self.patch, self.side)?;
        within("the number of patches", (self.side / self.patch).pow(2), 1 << 14)?;
        within("num_channels", self.channels, 4)?;
        within("embed_dim", self.width, 8192)?;
        within("the number of depths", self.depths.len(), 8)?;
        within("window_size", self.window, self.side)?;
        if self.heads.len() != self.depths.len() {
            return Err(wrong("depths and num_heads are of different numbers of stages".into()));
        }
        if !(self.mlp_ratio > 0.0 && self.mlp_ratio <= 16.0) {
            return Err(wrong(format!("mlp_ratio {} is not in (0, 16]", self.mlp_ratio)));
        }
        let (grid, merged) = (self.side / self.patch, 1usize << (self.depths.len() - 1));
        if !self.side.is_multiple_of(self.patch) || !grid.is_multiple_of(merged) {
            return Err(wrong(format!(
                "images of {0} × {0} give no patches of {1} × {1} that merge {2} times",
                self.side,
                self.patch,
                self.depths.len() - 1
            )));
        }
        let mut parts = 0;
        for (stage, (&depth, &heads)) in self.depths.iter().zip(&self.heads).enumerate() {
            within("a depth", depth, 256)?;
            within("num_heads", heads, self.stage_width(stage))?;
            let grid = self.grid(stage);
            if !grid.is_multiple_of(self.window) || !self.stage_width(stage).is_multiple_of(heads) {
                return Err(wrong(format!(
                    "stage {stage} has {grid} × {grid} patches and a width of {}: expected multiples of the window's \
                     side, {}, and of {heads} heads",
                    self.stage_width(stage),
                    self.window
                )));
            }
            parts += depth * heads * (grid / self.window).pow(2);
        }
        relative::check(parts, self.window * self.window)?;
        let shown = |name: &str, axis: usize| {
            tensors.shape(name).and_then(|shape| shape.get(axis).copied()).unwrap_or(0) as f64
        };
        let patches = "patch_embed.proj.weight";
        let found = [
            ("embed_dim", shown(patches, 0), 0.0),
            ("in_chans", shown(patches, 1), 0.0),
            ("patch_size", shown(patches, 2), 0.0),
            ("num_classes", shown("head.weight", 0), 0.0),
        ];
        self.stated.agree(&found, tensors)
    }
}

struct Builder<'a> {
    config: Config,
    layers: Layers<'a>,
}

impl Builder<'_> {
    /// Pixels and patches, with positions where the model has them.
    fn embedding(&mut self) -> Result<TensorId, ConvertError> {
        let width = self.config.width;
        let patches = self.layers.patches(small(self.config.patch)?, width)?;
        let x = self.layers.norm("patch_embed.norm", patches, EPS)?;
        if !self.config.placed {
            return Ok(x);
        }
        let values = self.layers.floats("pos_embed", &[1, self.config.grid(0).pow(2), width])?;
        let out = self.layers.tensor_like("pos_embed", x);
        self.layers.graph.nodes.push(Node::AddConstant { x, out, values });
        Ok(out)
    }

    fn block(&mut self, stage: usize, block: usize, x: TensorId) -> Result<TensorId, ConvertError> {
        let name = format!("layers.{stage}.blocks.{block}");
        let of = |part: &str| format!("{name}.{part}");
        let (width, grid, eps) = (self.config.stage_width(stage), self.config.grid(stage), self.config.eps);
        let windows = Windows {
            grid,
            side: self.config.window,
            shift: if block % 2 == 1 && grid > self.config.window { self.config.window / 2 } else { 0 },
        };
        let normed = self.layers.norm(&of("norm1"), x, eps)?;
        let order = windows.order();
        let placed = self.gather(&of("windows"), normed, order.clone());
        let mixed = self.attention(&name, placed, &windows, self.config.heads[stage])?;
        let branch = self.layers.linear(&of("attn.proj"), mixed, width)?;
        let branch = self.gather(&of("unwindows"), branch, inverse(&order));
        let attended = self.layers.add(&of("add1"), x, branch);
        let normed = self.layers.norm(&of("norm2"), attended, eps)?;
        let hidden = (width as f64 * self.config.mlp_ratio) as usize;
        let hidden = self.layers.linear(&of("mlp.fc1"), normed, hidden)?;
        let active = self.layers.activate(&of("mlp.act"), hidden, self.config.function);
        let branch = self.layers.linear(&of("mlp.fc2"), active, width)?;
        Ok(self.layers.add(&of("add2"), attended, branch))
    }

    fn gather(&mut self, name: &str, x: TensorId, rows: Vec<u32>) -> TensorId {
        let out = self.layers.graph.tensor(name, rows.len(), self.layers.graph.tensors[x].width);
        self.layers.graph.nodes.push(Node::Gather { x, out, rows });
        out
    }

    /// Attention within each window; the rows of `x` are window after window.
    fn attention(
        &mut self,
        block: &str,
        x: TensorId,
        windows: &Windows,
        heads: usize,
    ) -> Result<TensorId, ConvertError> {
        let (rows, width) = (self.layers.graph.tensors[x].rows, self.layers.graph.tensors[x].width);
        let (places, head_dim) = (windows.side.pow(2), width / heads);
        let (count, of) = (rows / places, |part: &str| format!("{block}.attn.{part}"));
        // Heads of windows one after the other, and back.
        let apart = ([count, heads, places, head_dim], [places * width, head_dim, width, 1]);
        let joined = ([count, places, heads, head_dim], [places * width, head_dim, places * head_dim, 1]);
        let mut part = |part: &str| -> Result<Strided, ConvertError> {
            let made = self.layers.linear(&of(part), x, width)?;
            let tensor = self.layers.graph.tensor(of(&format!("{part}.heads")), rows * heads, head_dim);
            let (shape, strides) = apart;
            self.layers.graph.nodes.push(Node::Permute { x: made, out: tensor, offset: 0, shape, strides });
            Ok(Strided { tensor, offset: 0, batch: places * head_dim, row: head_dim })
        };
        let (q, k, v) = (part("q")?, part("k")?, part("v")?);
        let table = self.layers.floats(&of("bias_table"), &[relative::distances(windows.side), heads])?;
        let bias = windows.bias(&relative::bias(&table, &relative::square(windows.side), heads), heads);
        let tensor = self.layers.graph.tensor(of("mix.heads"), rows * heads, head_dim);
        let mix = Strided { tensor, ..q };
        let parts = Biased { q, k, v, batch: count * heads, rows: places, head_dim };
        self.layers.biased_attention(block, parts, bias, mix);
        let out = self.layers.graph.tensor(of("mix"), rows, width);
        let (shape, strides) = joined;
        self.layers.graph.nodes.push(Node::Permute { x: tensor, out, offset: 0, shape, strides });
        Ok(out)
    }

    /// Four neighbours side by side, and a layer that halves their width.
    fn merge(&mut self, stage: usize, x: TensorId) -> Result<TensorId, ConvertError> {
        let name = format!("layers.{stage}.downsample");
        let (grid, width) = (self.config.grid(stage), self.config.stage_width(stage));
        let half = grid / 2;
        let corner = |row: usize, column: usize| {
            [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(y, x)| ((2 * row + y) * grid + 2 * column + x) as u32)
        };
        let rows = (0..half).flat_map(|row| (0..half).flat_map(move |column| corner(row, column)));
        let apart = self.gather(&format!("{name}.neighbours"), x, rows.collect());
        let out = self.layers.graph.tensor(format!("{name}.cat"), half * half, 4 * width);
        let (shape, strides) = ([1, 1, half * half, 4 * width], [0, 0, 4 * width, 1]);
        self.layers.graph.nodes.push(Node::Permute { x: apart, out, offset: 0, shape, strides });
        let normed = self.layers.norm(&format!("{name}.norm"), out, EPS)?;
        self.layers.linear(&format!("{name}.reduction"), normed, 2 * width)
    }

    /// Final norm, mean, and the classifier if there is one.
    fn head(&mut self, x: TensorId) -> Result<(), ConvertError> {
        let x = self.layers.norm("norm", x, self.config.eps)?;
        let width = self.layers.graph.tensors[x].width;
        let pooled = self.layers.graph.tensor("pool", 1, width);
        self.layers.graph.nodes.push(Node::Mean { x, out: pooled });
        let (name, kind, tensor) = match self.config.classifies {
            true => {
                let shape = self.layers.tensors.shape("head.weight");
                let classes = shape.and_then(|shape| shape.first().copied()).unwrap_or(1);
                ("logits", OutputKind::Logits, self.layers.linear("head", pooled, classes)?)
            }
            false => ("embedding", OutputKind::Embedding, pooled),
        };
        let shape = [self.layers.graph.tensors[tensor].width, 1, 1, 1];
        self.layers.graph.outputs.push(Output { name: name.into(), tensor, kind, shape, ending: None });
        Ok(())
    }
}

/// Windows of a square of places, moved down and right by a shift, around the edges.
struct Windows {
    /// Side of the square.
    grid: usize,
    /// Side of a window, a divisor of it.
    side: usize,
    /// Places by which windows are moved.
    shift: usize,
}

impl Windows {
    /// The places of each window, counted without the shift: row and column.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (side, count) = (self.side, self.grid / self.side);
        let axis = move |window: usize| (0..side).map(move |place| window * side + place);
        (0..count).flat_map(move |down| {
            (0..count).flat_map(move |right| axis(down).flat_map(move |y| axis(right).map(move |x| (y, x))))
        })
    }

    /// For each place of each window, the row of the square that it shows.
    fn order(&self) -> Vec<u32> {
        let moved = |at: usize| (at + self.shift) % self.grid;
        self.places().map(|(y, x)| (moved(y) * self.grid + moved(x)) as u32).collect()
    }

    /// What is added to the scores of each head of each window: `bias` of the heads, and where the
    /// window goes around an edge, what keeps its parts apart.
    fn bias(&self, bias: &[f32], heads: usize) -> Vec<f32> {
        let region = |at: usize| match at {
            _ if self.shift == 0 => 0,
            at if at < self.grid - self.side => 0,
            at if at < self.grid - self.shift => 1,
            _ => 2,
        };
        let regions: Vec<usize> = self.places().map(|(y, x)| 3 * region(y) + region(x)).collect();
        let mut all = Vec::with_capacity(regions.len() / self.side.pow(2) * bias.len());
        for window in regions.chunks_exact(self.side.pow(2)) {
            for head in bias.chunks_exact(bias.len() / heads) {
                let pairs = window.iter().flat_map(|query| window.iter().map(move |key| query == key));
                all.extend(pairs.zip(head).map(|(near, bias)| if near { *bias } else { bias + APART }));
            }
        }
        all
    }
}

/// The order that undoes `order`.
fn inverse(order: &[u32]) -> Vec<u32> {
    let mut back = vec![0; order.len()];
    for (at, &row) in order.iter().enumerate() {
        back[row as usize] = at as u32;
    }
    back
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: a square of 4 × 4 in windows of 2 × 2, shifted by 1.
    #[test]
    fn windows_of_a_small_square() {
        let windows = Windows { grid: 4, side: 2, shift: 0 };
        assert_eq!(windows.order(), [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
        assert_eq!(windows.bias(&[0.0; 16], 1), [0.0; 64]);
        let windows = Windows { grid: 4, side: 2, shift: 1 };
        let order = windows.order();
        assert_eq!(order, [5, 6, 9, 10, 7, 4, 11, 8, 13, 14, 1, 2, 15, 12, 3, 0]);
        for (at, row) in inverse(&order).into_iter().enumerate() {
            assert_eq!(order[row as usize], at as u32);
        }
        let bias = windows.bias(&[1.0; 16], 1);
        // The first window is whole, the second shows two columns that are no neighbours, the last
        // four corners.
        assert_eq!(bias[..16], [1.0; 16]);
        assert_eq!(bias[16..24], [1.0, -99.0, 1.0, -99.0, -99.0, 1.0, -99.0, 1.0]);
        assert_eq!(bias[48..52], [1.0, -99.0, -99.0, -99.0]);
    }
}
