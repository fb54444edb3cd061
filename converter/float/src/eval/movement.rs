//! Operations that only move values.

use crate::graph::Part;

/// `out[a, b, c, d] = x[offset + a·s₀ + b·s₁ + c·s₂ + d·s₃]`.
pub(super) fn permute(x: &[f32], offset: usize, shape: [usize; 4], strides: [usize; 4], out: &mut Vec<f32>) {
    let [na, nb, nc, nd] = shape;
    let [sa, sb, sc, sd] = strides;
    for a in 0..na {
        for b in 0..nb {
            for c in 0..nc {
                let start = offset + a * sa + b * sb + c * sc;
                match sd {
                    1 => out.extend_from_slice(&x[start..start + nd]),
                    _ => out.extend((0..nd).map(|d| x[start + d * sd])),
                }
            }
        }
    }
}

/// The rows of `width` that `rows` names.
pub(super) fn gather(x: &[f32], rows: &[u32], width: usize, out: &mut Vec<f32>) {
    for &row in rows {
        out.extend_from_slice(&x[row as usize * width..][..width]);
    }
}

/// `parts` one after the other; `tensors` are the values of those that are tensors.
pub(super) fn concat(parts: &[Part], tensors: &[&[f32]], out: &mut Vec<f32>) {
    let mut tensors = tensors.iter();
    for part in parts {
        match part {
            Part::Constant(values) => out.extend_from_slice(values),
            Part::Tensor(_) => out.extend_from_slice(tensors.next().copied().unwrap_or_default()),
        }
    }
}
