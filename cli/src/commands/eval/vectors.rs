//! Embeddings.

use rayon::prelude::*;
use serde::Serialize;

use super::classes::percent;
use crate::progress::Progress;

/// How often the nearest other image has the same label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Percent of images.
    retrieval: f64,
}

impl Figures {
    /// Of the directions of `rows` with the classes `labels`.
    pub fn of(rows: &[Vec<f64>], labels: &[u32]) -> Self {
        let units: Vec<Vec<f32>> = rows.iter().map(|row| unit(row)).collect();
        let progress = Progress::bar("looking for the nearest", units.len());
        let right = (0..units.len()).into_par_iter().filter(|&index| {
            progress.step();
            nearest(&units, index).is_some_and(|other| labels[other] == labels[index])
        });
        Self { retrieval: percent(right.count(), rows.len()) }
    }

    pub fn text(&self) -> String {
        format!("label of the nearest other image right {:.2} %", self.retrieval)
    }
}

/// `row` scaled to unit length; zeros stay zeros.
fn unit(row: &[f64]) -> Vec<f32> {
    let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    let by = if length > 0.0 { length } else { 1.0 };
    row.iter().map(|x| (x / by) as f32).collect()
}

/// The row other than `index` with the largest cosine, the first of equal ones.
fn nearest(units: &[Vec<f32>], index: usize) -> Option<usize> {
    let cosine = |other: usize| -> f32 { units[other].iter().zip(&units[index]).map(|(x, y)| x * y).sum() };
    let others = (0..units.len()).filter(|&other| other != index).map(|other| (cosine(other), other));
    others.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_by_angle_and_never_itself() {
        // Lengths do not matter: 0 and 1 point one way, 2 and 3 another, 4 nearly as 2.
        let rows = [vec![1.0, 0.1], vec![9.0, 0.0], vec![0.0, 1.0], vec![0.2, 5.0], vec![0.02, 0.1]];
        let units: Vec<Vec<f32>> = rows.iter().map(|row| unit(row)).collect();
        let found: Vec<Option<usize>> = (0..5).map(|index| nearest(&units, index)).collect();
        assert_eq!(found, [Some(1), Some(0), Some(3), Some(2), Some(3)]);
        assert_eq!(Figures::of(&rows, &[7, 7, 8, 8, 8]).retrieval, 100.0);
        assert_eq!(Figures::of(&rows, &[7, 7, 8, 8, 7]).retrieval, 80.0);
        assert_eq!(nearest(&units[..1], 0), None);
    }
}
