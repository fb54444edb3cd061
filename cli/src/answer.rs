//! What the outputs of a model say of one image.

use serde::Serialize;
use shiftformer::runtime::{Ending, OutputKind};
use shiftformer::{Logits, OutputInfo, Reading};

use crate::output::shape;

/// What one output says.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// The output's name.
    output: String,
    /// `shares`, `chances`, `class`, `values`, `vector` or `map`.
    answer: &'static str,
    /// What the model computes at the end, such as `softmax`; null where it is nothing.
    ending: Option<&'static str>,
    /// Height, width and channels of a map.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shape: Vec<u32>,
    /// The chance from which on a class counts, of chances.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    /// Whether there is one chance alone: the answer is yes or no.
    #[serde(skip)]
    alone: bool,
    /// Classes, the best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top: Vec<Ranked>,
    /// The classes of a map by the share of pixels where they are the largest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    areas: Vec<Area>,
    /// Length of a vector, before it is divided by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    norm: Option<f32>,
    /// Least, mean and largest value of a map without classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<[f32; 3]>,
    /// Numbers, or the elements of a vector, as the model gives them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<f32>,
}

/// A class.
#[derive(Debug, Serialize)]
struct Ranked {
    class: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// Its share, or its chance by itself. For people; the order comes from the logits. Absent
    /// where the model gives only the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f32>,
    logit: i32,
    /// Whether the chance reaches the threshold, of chances.
    #[serde(skip_serializing_if = "Option::is_none")]
    above: Option<bool>,
}

/// A class on a map.
#[derive(Debug, Serialize)]
struct Area {
    class: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// Share of the pixels.
    share: f64,
}

/// How answers are shown.
pub struct Shown<'a> {
    /// Classes for each output.
    pub top: usize,
    /// The chance from which on a class counts.
    pub threshold: f64,
    /// Names of the classes.
    pub labels: &'a [String],
}

/// Values of a line of text.
const LISTED: usize = 8;

impl Answer {
    /// What `values` of `output` say.
    pub fn new(output: &OutputInfo<'_>, values: &[i32], shown: &Shown<'_>) -> Self {
        let reading = output.reading();
        let mut answer = Self {
            output: output.name.to_owned(),
            answer: reading.name(),
            ending: output.ending.map(Ending::name),
            shape: Vec::new(),
            threshold: None,
            alone: reading == Reading::Chances && output.len == 1,
            top: Vec::new(),
            areas: Vec::new(),
            norm: None,
            range: None,
            values: Vec::new(),
        };
        match reading {
            Reading::Shares => answer.top = ranked(output, values, shown.top, shown.labels),
            Reading::Class => {
                answer.top = ranked(output, values, 1, shown.labels);
                answer.top.iter_mut().for_each(|ranked| ranked.probability = None);
            }
            Reading::Chances => {
                answer.top = chances(output, values, shown);
                answer.threshold = Some(shown.threshold);
            }
            Reading::Values => answer.values = output.ended(values),
            Reading::Vector => {
                answer.norm = Some(output.length(values));
                answer.values = output.ended(values);
            }
            Reading::Map => {
                answer.shape = output.shape[..3].to_vec();
                match output.ending {
                    Some(Ending::Softmax | Ending::LogSoftmax | Ending::ArgMax) => {
                        answer.areas = areas(output, values, shown);
                    }
                    Some(Ending::Sigmoid | Ending::UnitLength | Ending::UnitSum) | None => {
                        answer.range = range(&output.ended(values));
                    }
                }
            }
        }
        answer
    }

    /// How the figures came about, for the line above them.
    pub fn origin(&self) -> String {
        let model = |ending: &str| format!("the model's {}", ending.replace('_', " "));
        match (self.answer, self.ending) {
            ("shares", None) => "softmax of the logits, which the model ends in".to_owned(),
            ("shares", Some(_)) => model("softmax"),
            ("chances", _) => {
                let threshold = self.threshold.unwrap_or_default() * 100.0;
                format!("{}, threshold {threshold} %", model("sigmoid"))
            }
            ("class", _) => "the class alone, which is all that the model gives".to_owned(),
            (kind, ending) => {
                let kind = match kind {
                    "vector" => format!("vector of {}", self.values.len()),
                    "map" => format!("map of {}", shape(&self.shape)),
                    _ => kind.to_owned(),
                };
                ending.map_or(kind.clone(), |ending| format!("{kind}, {}", model(ending)))
            }
        }
    }

    /// The figures, a line each.
    pub fn lines(&self) -> Vec<String> {
        let label = |label: &Option<String>| label.as_deref().unwrap_or("").to_owned();
        let mut lines: Vec<String> = Vec::new();
        let none = self.threshold.is_some() && self.top.iter().all(|ranked| ranked.above != Some(true));
        if none && !self.alone {
            lines.push("none reaches the threshold; the best is".to_owned());
        }
        for (rank, ranked) in self.top.iter().enumerate() {
            if ranked.above == Some(false) && !(none && rank == 0) {
                continue;
            }
            let class = match (self.alone, none) {
                (true, true) => format!("no   {}", label(&ranked.label)),
                (true, false) => format!("yes  {}", label(&ranked.label)),
                (false, _) => format!("class {:<4} {}", ranked.class, label(&ranked.label)),
            };
            lines.push(match ranked.probability {
                Some(share) => format!("{:6.2} %  {class}", f64::from(share) * 100.0),
                None => class,
            });
        }
        for area in &self.areas {
            let share = area.share * 100.0;
            lines.push(format!(
                "{share:6.2} % of the pixels  class {:<4} {}",
                area.class,
                label(&area.label)
            ));
        }
        if let Some([least, mean, largest]) = self.range {
            lines.push(format!("from {} to {}, mean {}", digits(least), digits(largest), digits(mean)));
        }
        let length = self.norm.map(|norm| format!("length {}: ", digits(norm)));
        if !self.values.is_empty() {
            lines.push(length.unwrap_or_default() + &listed(&self.values));
        }
        lines.iter().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The output's name.
    pub fn output(&self) -> &str {
        &self.output
    }
}

/// The `k` best classes.
fn ranked(output: &OutputInfo<'_>, values: &[i32], k: usize, labels: &[String]) -> Vec<Ranked> {
    let best = Logits::new(values, output.scale, output.ending).top_k(k, labels);
    best.into_iter()
        .map(|best| Ranked {
            class: best.class,
            label: best.label.map(str::to_owned),
            probability: Some(best.probability),
            logit: best.logit,
            above: None,
        })
        .collect()
}

/// All classes above the threshold, and as many below it as the number of classes shown allows.
fn chances(output: &OutputInfo<'_>, values: &[i32], shown: &Shown<'_>) -> Vec<Ranked> {
    let mut all = ranked(output, values, values.len(), shown.labels);
    for ranked in &mut all {
        ranked.above = ranked.probability.map(|chance| f64::from(chance) >= shown.threshold);
    }
    let above = all.iter().filter(|ranked| ranked.above == Some(true)).count();
    all.truncate(above.max(shown.top));
    all
}

fn areas(output: &OutputInfo<'_>, values: &[i32], shown: &Shown<'_>) -> Vec<Area> {
    let channels = output.channels().max(1);
    let mut counts = vec![0usize; channels];
    let argmax = OutputInfo { ending: Some(Ending::ArgMax), kind: OutputKind::Dense, ..*output };
    let classes = argmax.ended(values);
    for &class in &classes {
        counts[class as usize] += 1;
    }
    let mut areas: Vec<Area> = (0u32..)
        .zip(&counts)
        .filter(|(_, count)| **count > 0)
        .map(|(class, &count)| Area {
            class,
            label: shown.labels.get(class as usize).filter(|label| !label.is_empty()).cloned(),
            share: count as f64 / classes.len() as f64,
        })
        .collect();
    areas.sort_by(|a, b| b.share.total_cmp(&a.share));
    areas.truncate(shown.top);
    areas
}

fn range(values: &[f32]) -> Option<[f32; 3]> {
    let least = values.iter().copied().reduce(f32::min)?;
    let largest = values.iter().copied().reduce(f32::max)?;
    let mean = values.iter().copied().map(f64::from).sum::<f64>() / values.len() as f64;
    Some([least, mean as f32, largest])
}

/// The first of `values`.
fn listed(values: &[f32]) -> String {
    let mut text: Vec<String> = values.iter().take(LISTED).map(|&value| digits(value)).collect();
    if values.len() > LISTED {
        text.push(format!("… {} more", values.len() - LISTED));
    }
    text.join(", ")
}

/// Five significant digits.
fn digits(value: f32) -> String {
    let magnitude = value.abs();
    match magnitude {
        0.0 => "0".to_owned(),
        1e-3..1e5 => {
            let decimals = (4 - magnitude.log10().floor() as i32).max(0) as usize;
            format!("{value:.decimals$}")
        }
        _ => format!("{value:.4e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: OutputKind, ending: Option<Ending>, shape: [u32; 4], values: &[i32]) -> Answer {
        let output = OutputInfo { index: 0, name: "y", kind, ending, shape, scale: 0.5, len: values.len() };
        let labels = ["cat".to_owned(), String::new(), "dog".to_owned()];
        Answer::new(&output, values, &Shown { top: 2, threshold: 0.5, labels: &labels })
    }

    #[test]
    fn each_reading_has_its_words() {
        use OutputKind::{Dense, Embedding, Logits, Values};
        let row = [3, 1, 1, 1];
        for (found, origin, lines) in [
            (
                answer(Logits, Some(Ending::Softmax), row, &[0, 2, 6]),
                "the model's softmax",
                &[" 84.38 %  class 2    dog", " 11.42 %  class 1"][..],
            ),
            (
                answer(Logits, None, row, &[0, 2, 6]),
                "softmax of the logits, which the model ends in",
                &[" 84.38 %  class 2    dog", " 11.42 %  class 1"],
            ),
            (
                answer(Logits, Some(Ending::Sigmoid), row, &[0, -2, 6]),
                "the model's sigmoid, threshold 50 %",
                &[" 95.26 %  class 2    dog", " 50.00 %  class 0    cat"],
            ),
            (
                answer(Logits, Some(Ending::Sigmoid), [1; 4], &[-2]),
                "the model's sigmoid, threshold 50 %",
                &[" 26.89 %  no   cat"],
            ),
            (
                answer(Logits, Some(Ending::Sigmoid), [1; 4], &[2]),
                "the model's sigmoid, threshold 50 %",
                &[" 73.11 %  yes  cat"],
            ),
            (
                answer(Logits, Some(Ending::Sigmoid), row, &[-4, -2, -6]),
                "the model's sigmoid, threshold 50 %",
                &["none reaches the threshold; the best is", " 26.89 %  class 1"],
            ),
            (
                answer(Logits, Some(Ending::ArgMax), row, &[0, 2, 6]),
                "the class alone, which is all that the model gives",
                &["class 2    dog"],
            ),
            (answer(Logits, None, [1; 4], &[63]), "values", &["31.500"]),
            (answer(Values, None, [2, 1, 1, 1], &[3, -1]), "values", &["1.5000, -0.50000"]),
            (
                answer(Embedding, Some(Ending::UnitLength), row, &[6, 0, -8]),
                "vector of 3, the model's unit length",
                &["length 5.0000: 0.60000, 0, -0.80000"],
            ),
            (
                answer(Dense, Some(Ending::ArgMax), [2, 2, 2, 1], &[1, 0, 0, 1, 1, 0, 1, 0]),
                "map of 2×2×2, the model's argmax",
                &[" 75.00 % of the pixels  class 0    cat", " 25.00 % of the pixels  class 1"],
            ),
            (
                answer(Dense, None, [1, 2, 1, 1], &[2, -4]),
                "map of 1×2×1",
                &["from -2.0000 to 1.0000, mean -0.50000"],
            ),
        ] {
            assert_eq!(found.origin(), origin);
            assert_eq!(found.lines(), lines);
        }
    }

    #[test]
    fn all_classes_above_the_threshold_are_there() {
        let found = answer(OutputKind::Logits, Some(Ending::Sigmoid), [4, 1, 1, 1], &[1, 2, -1, 3]);
        let classes: Vec<(u32, Option<bool>)> = found.top.iter().map(|r| (r.class, r.above)).collect();
        assert_eq!(classes, [(3, Some(true)), (1, Some(true)), (0, Some(true))]);
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!((&json["answer"], &json["ending"]), (&"chances".into(), &"sigmoid".into()));
        assert!(json["values"].is_null() && json["norm"].is_null());
    }

    #[test]
    fn numbers_have_five_digits() {
        for (value, text) in
            [(0.0, "0"), (1234.56, "1234.6"), (-0.5, "-0.50000"), (1.5e-7, "1.5000e-7"), (2e9, "2.0000e9")]
        {
            assert_eq!(digits(value), text);
        }
    }
}
