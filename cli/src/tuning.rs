//! The tiles of a GPU, measured and printed.

use serde::Serialize;
use shiftformer::Tuned;

use crate::commands::tune::Args;
use crate::failure::Failure;
use crate::output::emit;
use crate::progress::Progress;

#[derive(Debug, Serialize)]
struct Tuning {
    model: String,
    gpu: String,
    driver: String,
    /// Of everything that was measured, for each number of frames.
    totals: Vec<Total>,
    products: Vec<Product>,
}

#[derive(Debug, Serialize)]
struct Total {
    frames: u32,
    ms: f64,
    default_ms: f64,
}

/// A kind of product or of attention for a number of frames.
#[derive(Debug, Serialize)]
struct Product {
    product: String,
    instructions: u32,
    frames: u32,
    tile: &'static str,
    default: &'static str,
    /// Of one instruction with each tile.
    times: Vec<Time>,
}

#[derive(Debug, Serialize)]
struct Time {
    tile: &'static str,
    ms: f64,
}

fn ms(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// Measures a model, and prints what was chosen.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let model = args.subject.open()?;
    let gpu = args.gpu.open()?;
    let mut bar = None;
    let tuned = gpu.tune(&model, &mut |_, of| {
        bar.get_or_insert_with(|| Progress::bar(format!("measuring {}", model.name()), of)).step();
    })?;
    drop(bar);
    for remark in gpu.remarks() {
        eprintln!("note: {remark}");
    }
    let about = gpu.adapter();
    let tuning = Tuning {
        model: model.name().to_owned(),
        gpu: about.name.clone(),
        driver: about.driver.clone(),
        totals: totals(&tuned),
        products: tuned.into_iter().map(Product::of).collect(),
    };
    emit(json, &tuning, text)
}

/// What all instructions take together, with tiles as chosen and without, by number of frames.
fn totals(tuned: &[Tuned]) -> Vec<Total> {
    let mut totals: Vec<Total> = Vec::new();
    for one in tuned {
        let of =
            |tile| one.nanoseconds(tile).map(|nanoseconds| ms(nanoseconds) * f64::from(one.instructions));
        let (Some(tuned_ms), Some(default_ms)) = (of(one.tile), of(one.default)) else { continue };
        let at = totals.iter().position(|total| total.frames == one.frames).unwrap_or_else(|| {
            totals.push(Total { frames: one.frames, ms: 0.0, default_ms: 0.0 });
            totals.len() - 1
        });
        totals[at].ms += tuned_ms;
        totals[at].default_ms += default_ms;
    }
    totals
}

impl Product {
    fn of(tuned: Tuned) -> Self {
        let Tuned { product, instructions, frames, times, default, tile } = tuned;
        let times = times.into_iter().map(|(tile, nanoseconds)| Time { tile, ms: ms(nanoseconds) }).collect();
        Self { product, instructions, frames, tile, default, times }
    }
}

fn text(tuning: &Tuning) -> String {
    let mut lines = vec![format!("{} on {} ({})", tuning.model, tuning.gpu, tuning.driver)];
    if tuning.products.is_empty() {
        lines.push("nothing of it has a choice of tiles".into());
    }
    let mut last = "";
    for product in &tuning.products {
        if product.product != last {
            last = &product.product;
            lines.push(format!("{} × {last}", product.instructions));
        }
        lines.push(line(product));
    }
    for Total { frames, ms, default_ms } in &tuning.totals {
        let saved = 100.0 * (1.0 - ms / default_ms);
        lines.push(format!(
            "all of these for {frames:>2} images: {ms:.3} ms, {default_ms:.3} ms by default, {saved:.1} % saved"
        ));
    }
    lines.join("\n")
}

fn line(product: &Product) -> String {
    let Product { frames, tile, default, times, .. } = product;
    let chosen = if tile == default { (*tile).to_owned() } else { format!("{tile} instead of {default}") };
    let times: Vec<String> = times.iter().map(|time| format!("{} {:.4} ms", time.tile, time.ms)).collect();
    format!("{frames:>4} images: {chosen} ({})", times.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuned(frames: u32, instructions: u32, tile: &'static str) -> Tuned {
        let times = vec![("a", 2_000_000), ("b", 1_000_000)];
        Tuned { product: "linear 1x2".into(), instructions, frames, times, default: "a", tile }
    }

    #[test]
    fn totals_count_every_instruction() {
        let totals = totals(&[tuned(1, 3, "b"), tuned(8, 1, "a"), tuned(1, 2, "a")]);
        let totals: Vec<_> = totals.iter().map(|total| (total.frames, total.ms, total.default_ms)).collect();
        assert_eq!(totals, [(1, 7.0, 10.0), (8, 2.0, 2.0)]);
    }

    #[test]
    fn people_read_what_was_chosen_and_why() {
        let all = [tuned(1, 3, "b"), tuned(8, 3, "a")];
        let totals = totals(&all);
        let products = all.map(Product::of).into();
        let tuning = Tuning { model: "m".into(), gpu: "g".into(), driver: "d".into(), totals, products };
        let lines = [
            "m on g (d)",
            "3 × linear 1x2",
            "   1 images: b instead of a (a 2.0000 ms, b 1.0000 ms)",
            "   8 images: a (a 2.0000 ms, b 1.0000 ms)",
            "all of these for  1 images: 3.000 ms, 6.000 ms by default, 50.0 % saved",
            "all of these for  8 images: 6.000 ms, 6.000 ms by default, 0.0 % saved",
        ];
        assert_eq!(text(&tuning), lines.join("\n"));
        let none = Tuning { totals: Vec::new(), products: Vec::new(), ..tuning };
        assert_eq!(text(&none), "m on g (d)\nnothing of it has a choice of tiles");
    }
}
