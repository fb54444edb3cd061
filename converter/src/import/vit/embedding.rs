//! Pixels, patches, tokens and positions.

use float::{Node, Part, TensorId};

use super::dims::Positions;
use super::{Builder, positions};
use crate::error::ConvertError;

impl Builder<'_> {
    pub(super) fn embedding(&mut self) -> Result<TensorId, ConvertError> {
        let patches = self.layers.patches(self.dims.vit.patch_size, self.dims.width)?;
        if self.config.late_registers {
            return self.around_registers(patches);
        }
        if self.dims.positions.is_some_and(|positions| positions.tokens == 0) {
            let placed = self.place(patches, 0)?;
            return self.tokens(placed);
        }
        let tokens = self.tokens(patches)?;
        self.place(tokens, 0)
    }

    /// The tokens that every image has, before the patches.
    fn tokens(&mut self, patches: TensorId) -> Result<TensorId, ConvertError> {
        let mut parts = Vec::new();
        for name in ["cls_token", "dist_token"] {
            if self.layers.has(name) {
                parts.push(Part::Constant(self.layers.floats(name, &[1, 1, self.dims.width])?));
            }
        }
        parts.extend(self.registers()?);
        self.join(parts, patches)
    }

    fn registers(&self) -> Result<Option<Part>, ConvertError> {
        let count = self.layers.tensors.shape("reg_token").and_then(|shape| shape.get(1).copied());
        let values = count.map(|count| self.layers.floats("reg_token", &[1, count, self.dims.width]));
        Ok(values.transpose()?.map(Part::Constant))
    }

    /// The class token and the patches with their positions, and between them registers that have
    /// none.
    fn around_registers(&mut self, patches: TensorId) -> Result<TensorId, ConvertError> {
        let mut class = self.layers.floats("cls_token", &[1, 1, self.dims.width])?;
        for (value, position) in class.iter_mut().zip(self.position_values()?) {
            *value += position;
        }
        let placed = self.place(patches, 1)?;
        let mut parts = vec![Part::Constant(class)];
        parts.extend(self.registers()?);
        self.join(parts, placed)
    }

    fn join(&mut self, mut parts: Vec<Part>, patches: TensorId) -> Result<TensorId, ConvertError> {
        if parts.is_empty() {
            return Ok(patches);
        }
        parts.push(Part::Tensor(patches));
        let rows = self.layers.graph.tensors[patches].rows + self.dims.prefix;
        let out = self.layers.graph.tensor("tokens", rows, self.dims.width);
        self.layers.graph.nodes.push(Node::Concat { parts, out });
        Ok(out)
    }

    /// Adds the positions from row `first` on, if the model has positions.
    fn place(&mut self, x: TensorId, first: usize) -> Result<TensorId, ConvertError> {
        if self.dims.positions.is_none() {
            return Ok(x);
        }
        let values = self.position_values()?.split_off(first * self.dims.width);
        let out = self.layers.tensor_like("pos_embed", x);
        self.layers.graph.nodes.push(Node::AddConstant { x, out, values });
        Ok(out)
    }

    /// The position embedding, for the grid of the image; empty where there is none.
    fn position_values(&mut self) -> Result<Vec<f32>, ConvertError> {
        let Some(Positions { rows, tokens, grid: from }) = self.dims.positions else { return Ok(Vec::new()) };
        let (width, to) = (self.dims.width, self.dims.vit.grid() as usize);
        let mut values = self.layers.floats("pos_embed", &[1, rows, width])?;
        if from != to {
            let patches = values.split_off(tokens * width);
            values.extend(positions::interpolate(&patches, width, from, to));
            let note = format!(
                "the positions of {from} × {from} patches are interpolated to {to} × {to}, as the model's authors do"
            );
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        Ok(values)
    }
}
