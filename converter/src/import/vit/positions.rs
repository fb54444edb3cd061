//! Positions of one grid of patches, interpolated to another.

/// Parameter of the cubic convolution, as PyTorch has it.
const A: f64 = -0.75;

/// Weights of the four neighbours of a place `t` behind the second of them, 0 to 1.
fn cubic(t: f64) -> [f64; 4] {
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

/// The four neighbours of place `at` of `to` among `from`, and their weights.
fn neighbours(at: usize, from: usize, to: usize) -> [(usize, f64); 4] {
    let place = (at as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let first = place.floor();
    let weights = cubic(place - first);
    [0, 1, 2, 3].map(|i| {
        let index = (first + i as f64 - 1.0).clamp(0.0, from as f64 - 1.0);
        (index as usize, weights[i])
    })
}

/// `values` of a grid of `from × from`, `width` each, on a grid of `to × to`: cubic, edges repeated,
/// corners not aligned, nothing smoothed where the grid shrinks.
pub fn interpolate(values: &[f32], width: usize, from: usize, to: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(to * to * width);
    for row in 0..to {
        let rows = neighbours(row, from, to);
        for column in 0..to {
            let columns = neighbours(column, from, to);
            for channel in 0..width {
                let along = |y: usize| -> f64 {
                    let value = |x: usize| f64::from(values[(y * from + x) * width + channel]);
                    columns.iter().map(|&(x, weight)| weight * value(x)).sum()
                };
                out.push(rows.iter().map(|&(y, weight)| weight * along(y)).sum::<f64>() as f32);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLER: [f32; 4] = [1.4308, 6.5224, 32.3974, 53.1808];
    const LARGER: [f32; 16] = [
        -0.6869, -0.5641, 0.9118, 2.6771, 2.4906, 4.7846, 9.6548, 13.5914, 19.0133, 24.7017, 34.8784,
        42.2093, 36.974, 44.8336, 58.4047, 67.9069,
    ];

    /// `torch.nn.functional.interpolate(x, size, mode="bicubic", align_corners=False)` of
    /// `x = torch.arange(9.0).reshape(1, 1, 3, 3) ** 2`.
    #[test]
    fn values_are_those_of_torch() {
        let values: Vec<f32> = (0..9u8).map(|i| f32::from(i * i)).collect();
        let smaller = interpolate(&values, 1, 3, 2);
        let larger = interpolate(&values, 1, 3, 4);
        for (found, expected) in [(smaller, SMALLER.to_vec()), (larger, LARGER.to_vec())] {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-4, "{found} {expected}");
            }
        }
        assert_eq!(interpolate(&values, 1, 3, 3), values);
    }
}
