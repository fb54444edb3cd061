//! Classes each of which may be right.

use serde::Serialize;

use super::classes::percent;

/// How good the answers to one question are. Figures are percent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Binary {
    /// Of images.
    accuracy: f64,
    /// Of the images that reach the threshold.
    precision: f64,
    /// Of the images that are marked.
    recall: f64,
    f1: f64,
    /// Mean of the precisions at each marked image, the best first; null without marked images.
    average_precision: Option<f64>,
    /// The chance from which on the answer is yes, 0 to 1.
    threshold: f64,
}

impl Binary {
    /// Of `rows` of one logit with one mark each.
    pub fn of(rows: &[Vec<f64>], marks: &[Vec<bool>], threshold: f64) -> Self {
        let counts = Counts::of(rows, marks, threshold);
        let column: Vec<(f64, bool)> =
            rows.iter().zip(marks).map(|(row, marks)| (row[0], marks[0])).collect();
        Self {
            accuracy: percent(counts.right, rows.len()),
            precision: percent(counts.hits, counts.said),
            recall: percent(counts.hits, counts.marked),
            f1: counts.f1(),
            average_precision: average_precision(column),
            threshold,
        }
    }

    pub fn text(&self) -> String {
        let average = self.average_precision.map(|p| format!("  average precision {p:.2} %"));
        format!(
            "correct {:.2} %  F1 {:.2} % (precision {:.2} %, recall {:.2} %) at {}{}",
            self.accuracy,
            self.f1,
            self.precision,
            self.recall,
            self.threshold,
            average.unwrap_or_default()
        )
    }
}

/// How good the answers about several classes are. Figures are percent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Labels {
    /// Mean of the classes' average precisions; null where no image is marked with any.
    mean_average_precision: Option<f64>,
    /// Of all answers together.
    f1: f64,
    /// Images of which every answer is right.
    exact: f64,
    /// The chance from which on a class counts, 0 to 1.
    threshold: f64,
}

impl Labels {
    /// Of `rows` of logits with a mark for each.
    pub fn of(rows: &[Vec<f64>], marks: &[Vec<bool>], threshold: f64) -> Self {
        let counts = Counts::of(rows, marks, threshold);
        let classes = rows.first().map_or(0, Vec::len);
        let column = |class: usize| {
            rows.iter().zip(marks).map(|(row, marks)| (row[class], marks[class])).collect::<Vec<_>>()
        };
        let each: Vec<f64> = (0..classes).filter_map(|class| average_precision(column(class))).collect();
        Self {
            mean_average_precision: (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64),
            f1: counts.f1(),
            exact: percent(counts.exact, rows.len()),
            threshold,
        }
    }

    pub fn text(&self) -> String {
        let mean = self.mean_average_precision.map(|p| format!("mean average precision {p:.2} %  "));
        format!(
            "{}F1 {:.2} %  all right {:.2} % at {}",
            mean.unwrap_or_default(),
            self.f1,
            self.exact,
            self.threshold
        )
    }
}

/// Whether the chance of `logit` reaches `threshold`.
pub fn reaches(logit: f64, threshold: f64) -> bool {
    // As `run` has it, whose chances are singles.
    f64::from((1.0 / (1.0 + (-logit).exp())) as f32) >= threshold
}

/// Answers at a threshold.
#[derive(Default)]
struct Counts {
    right: usize,
    /// Yes, and marked.
    hits: usize,
    /// Yes.
    said: usize,
    marked: usize,
    /// Images of which every answer is right.
    exact: usize,
}

impl Counts {
    fn of(rows: &[Vec<f64>], marks: &[Vec<bool>], threshold: f64) -> Self {
        let mut counts = Self::default();
        for (row, marks) in rows.iter().zip(marks) {
            let mut exact = true;
            for (&logit, &marked) in row.iter().zip(marks) {
                let yes = reaches(logit, threshold);
                counts.right += usize::from(yes == marked);
                counts.hits += usize::from(yes && marked);
                counts.said += usize::from(yes);
                counts.marked += usize::from(marked);
                exact &= yes == marked;
            }
            counts.exact += usize::from(exact);
        }
        counts
    }

    fn f1(&self) -> f64 {
        percent(2 * self.hits, self.said + self.marked)
    }
}

/// The mean of the precisions at each marked entry, in percent, the largest logit first; equal ones
/// count together. None without marked entries.
fn average_precision(mut column: Vec<(f64, bool)>) -> Option<f64> {
    column.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut seen, mut sum) = (0, 0, 0.0);
    for equal in column.chunk_by(|a, b| a.0 == b.0) {
        let marked = equal.iter().filter(|(_, marked)| *marked).count();
        (hits, seen) = (hits + marked, seen + equal.len());
        sum += marked as f64 * percent(hits, seen);
    }
    (hits > 0).then(|| sum / hits as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.5 gives these: `average_precision_score`, `f1_score(average="micro")`.
    #[test]
    fn figures_of_several_classes() {
        let rows = [vec![2.0, -1.0], vec![0.5, 3.0], vec![-2.0, 1.0], vec![1.0, -3.0]];
        let marks = [vec![true, false], vec![false, true], vec![true, true], vec![true, false]];
        let figures = Labels::of(&rows, &marks, 0.5);
        // Class 0: precisions 1, 1, 3/4 of three marked; class 1: 1, 1.
        let class0 = 100.0 * (1.0 + 1.0 + 0.75) / 3.0;
        assert!((figures.mean_average_precision.unwrap() - (class0 + 100.0) / 2.0).abs() < 1e-9);
        // Yes: 2, 0.5, 1 and 3, 1; hits 4 of 5 said and 5 marked.
        assert!((figures.f1 - 80.0).abs() < 1e-9);
        assert_eq!(figures.exact, 50.0);
        let nothing = Labels::of(&rows, &vec![vec![false; 2]; 4], 0.5);
        assert_eq!((nothing.mean_average_precision, nothing.f1), (None, 0.0));
    }

    #[test]
    fn figures_of_one_question() {
        let rows = [vec![2.0], vec![-1.0], vec![1.0], vec![-3.0]];
        let marks = [vec![true], vec![true], vec![false], vec![false]];
        let figures = Binary::of(&rows, &marks, 0.5);
        assert_eq!(
            (figures.accuracy, figures.precision, figures.recall, figures.f1),
            (50.0, 50.0, 50.0, 50.0)
        );
        // Marked are the first and the third in order: precisions 1 and 2/3.
        assert!((figures.average_precision.unwrap() - 100.0 * (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-9);
        // From 20 % on, -1 counts too: σ(-1) is 26.9 %.
        let lower = Binary::of(&rows, &marks, 0.2);
        assert_eq!((lower.accuracy, lower.recall), (75.0, 100.0));
    }

    #[test]
    fn equal_logits_count_together() {
        assert_eq!(average_precision(vec![(1.0, true), (1.0, false)]), Some(50.0));
        assert_eq!(average_precision(vec![(1.0, false), (1.0, true)]), Some(50.0));
        assert_eq!(average_precision(Vec::new()), None);
    }
}
