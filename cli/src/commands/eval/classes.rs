//! Classes of which one is right.

use serde::Serialize;
use shiftformer::top_k;

/// How often the right class comes first, or early.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Percent.
    top1: f64,
    /// Percent.
    top5: f64,
}

impl Figures {
    /// Of `rows` of logits with the classes `labels`.
    pub fn of(rows: &[Vec<f64>], labels: &[u32]) -> Self {
        let rank = |(row, &label): (&Vec<f64>, &u32)| {
            let label = label as usize;
            // Of equal logits the first is the larger.
            let before = |(class, logit): (usize, &f64)| {
                *logit > row[label] || (*logit == row[label] && class < label)
            };
            row.iter().enumerate().filter(|&entry| before(entry)).count()
        };
        let ranks: Vec<usize> = rows.iter().zip(labels).map(rank).collect();
        let within = |k: usize| percent(ranks.iter().filter(|&&rank| rank < k).count(), rows.len());
        Self { top1: within(1), top5: within(5) }
    }

    pub fn top1(&self) -> f64 {
        self.top1
    }

    pub fn text(&self) -> String {
        format!("top-1 {:.2} %  top-5 {:.2} %", self.top1, self.top5)
    }
}

/// Percent of rows with their label among the `k` largest logits.
pub fn accuracy(rows: &[Vec<i32>], labels: &[u32], k: usize) -> f64 {
    percent(rows.iter().zip(labels).filter(|(row, label)| top_k(row, k).contains(label)).count(), rows.len())
}

/// The class of the largest value, the first of equal ones.
pub fn best(row: &[f64]) -> usize {
    (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0)
}

/// `count` of `all`.
pub fn percent(count: usize, all: usize) -> f64 {
    100.0 * count as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lowest_class() {
        let rows = [vec![1.0, 3.0, 3.0, 0.0, -1.0, -2.0], vec![3.0, 1.0, 1.0, 1.0, 1.0, 1.0]];
        let integers: Vec<Vec<i32>> =
            rows.iter().map(|row| row.iter().map(|&value| value as i32).collect()).collect();
        for (labels, top1, top5) in [([1, 0], 100.0, 100.0), ([2, 5], 0.0, 50.0), ([5, 4], 0.0, 50.0)] {
            let figures = Figures::of(&rows, &labels);
            assert_eq!((figures.top1, figures.top5), (top1, top5), "{labels:?}");
            assert_eq!(accuracy(&integers, &labels, 1), top1);
            assert_eq!(accuracy(&integers, &labels, 5), top5);
        }
        assert_eq!((best(&rows[0]), best(&rows[1])), (1, 0));
    }
}
