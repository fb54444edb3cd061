//! Where values lie: indices, strides and windows, of float graphs and of quantized ones.

/// Index of a tensor in its graph.
pub type TensorId = usize;

/// Matrices inside a tensor; the elements of a row are consecutive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strided {
    /// The tensor.
    pub tensor: TensorId,
    /// First element.
    pub offset: usize,
    /// Elements from one matrix (head) to the next.
    pub batch: usize,
    /// Elements from one row to the next.
    pub row: usize,
}

impl Strided {
    /// Part `index` of rows that hold queries, keys and values side by side, `width` each.
    pub fn packed(tensor: TensorId, index: usize, width: usize, head_dim: usize) -> Self {
        Self { tensor, offset: index * width, batch: head_dim, row: 3 * width }
    }
}

/// Geometry of a convolution over a height × width × channel image.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Input height, width and channels.
    pub input: [u32; 3],
    /// Kernel height and width.
    pub kernel: [u32; 2],
    /// Vertical and horizontal stride.
    pub stride: [u32; 2],
    /// Zero rows above and columns left.
    pub padding: [u32; 2],
    /// Output height and width.
    pub output: [u32; 2],
    /// Channel groups.
    pub groups: u32,
}

impl Geometry {
    /// Whether every window lies inside the image.
    pub fn is_unpadded(&self) -> bool {
        let inside = |axis: usize| {
            let last = (self.output[axis] - 1) * self.stride[axis] + self.kernel[axis];
            self.padding[axis] == 0 && last <= self.input[axis]
        };
        inside(0) && inside(1)
    }

    /// Patches without overlap of a square image, `side` pixels each way.
    pub fn patches(side: u32, patch: u32, channels: u32) -> Self {
        let grid = side / patch;
        Self {
            input: [side, side, channels],
            kernel: [patch, patch],
            stride: [patch, patch],
            padding: [0, 0],
            output: [grid, grid],
            groups: 1,
        }
    }
}
