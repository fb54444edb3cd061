//! Numbers that stand for themselves.

use serde::Serialize;
use shiftformer::OutputInfo;
use shiftformer::runtime::Ending;

/// How far the numbers are from the right ones, in their unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Mean absolute error.
    mae: f64,
    /// Root of the mean squared error.
    rmse: f64,
}

impl Figures {
    /// Of `rows` of `output`, before its ending if it has one, a sigmoid, with the right ones
    /// `targets`.
    pub fn of(output: &OutputInfo<'_>, rows: &[Vec<f64>], targets: &[Vec<f64>]) -> Self {
        let sigmoid = output.ending == Some(Ending::Sigmoid);
        let (mut count, mut absolute, mut squared) = (0usize, 0.0, 0.0);
        for (row, targets) in rows.iter().zip(targets) {
            for (&value, target) in row.iter().zip(targets) {
                let error = (if sigmoid { 1.0 / (1.0 + (-value).exp()) } else { value } - target).abs();
                count += 1;
                absolute += error;
                squared += error * error;
            }
        }
        let count = count.max(1) as f64;
        Self { mae: absolute / count, rmse: (squared / count).sqrt() }
    }

    pub fn text(&self) -> String {
        format!("mean absolute error {:.5}  root mean square {:.5}", self.mae, self.rmse)
    }
}

#[cfg(test)]
mod tests {
    use shiftformer::runtime::OutputKind;

    use super::*;

    #[test]
    fn errors_are_in_the_unit_of_the_values() {
        let mut output = OutputInfo {
            index: 0,
            name: "age",
            kind: OutputKind::Values,
            ending: None,
            shape: [2, 1, 1, 1],
            scale: 1.0,
            len: 2,
        };
        let rows = [vec![3.0, 1.0], vec![0.0, 10.0]];
        let figures = Figures::of(&output, &rows, &[vec![3.0, 2.0], vec![2.0, 5.0]]);
        assert_eq!((figures.mae, figures.rmse), (2.0, 7.5f64.sqrt()));
        output.ending = Some(Ending::Sigmoid);
        assert_eq!(Figures::of(&output, &[vec![0.0]], &[vec![0.25]]).mae, 0.25);
    }
}
