//! Measures which tiles the products of a program take the least time with.
//!
//! An idle GPU has a low clock, and compiling takes long enough to make it idle. So every kernel is
//! compiled and tested first, then the GPU is kept busy for a while, and then one tile is timed right
//! after another, by the GPU's own clock.

mod timing;

use std::collections::BTreeMap;
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use quant::Op;
use runtime::Model;

use self::timing::{Stopwatch, Work};
use crate::adapter::AdapterKind;
use crate::device::Gpu;
use crate::error::{PlanError, RunError};
use crate::memory::{Constants, buffer};
use crate::needed;
use crate::ops::{Choices, FRAMES, Tiles};
use crate::plan::{Kernel, Means, Plan, Planner, Step};
use crate::selftest::{self, Case};

/// A kind of product for a number of frames at once, and the time of it with each tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuned {
    /// What it multiplies, in words.
    pub product: String,
    /// Instructions of the program that are such a product.
    pub instructions: u32,
    /// Frames.
    pub frames: u32,
    /// Nanoseconds with each tile that it may take.
    pub times: Vec<(&'static str, u64)>,
    /// The tile that it takes where nothing was measured.
    pub default: &'static str,
    /// The one that it takes from now on.
    pub tile: &'static str,
}

impl Tuned {
    /// Nanoseconds with `tile`.
    pub fn nanoseconds(&self, tile: &str) -> Option<u64> {
        self.times.iter().find(|(name, _)| *name == tile).map(|(_, nanoseconds)| *nanoseconds)
    }
}

/// Tiles, and nanoseconds with each.
type Times = Vec<(&'static str, u64)>;

/// A kind of product.
struct Product {
    name: Arc<str>,
    /// The first instruction of this kind.
    op: Op,
    instructions: u32,
    /// What it takes of itself for each number of frames.
    defaults: [Option<&'static str>; FRAMES.len()],
}

/// The products that may take a tile.
struct Candidate {
    tile: &'static str,
    plan: Plan,
    /// Of each the number among the products, and its step.
    steps: Vec<(usize, usize)>,
}

impl Gpu {
    /// Measures the products and the attention of `model`, whose instructions run without tiles, with
    /// every tile for 1, 8 and 64 frames, and lets programs that are loaded from now on take the
    /// fastest; so do those of later processes where there is a [`Cache`](crate::Cache). Products that
    /// were measured before are measured `again`, or left as they are. Tiles whose kernels are refused as
    /// invalid, or miscompiled, are left out. `progress` is told how many of how many measurements are
    /// done. Results are those of any other tile.
    ///
    /// # Errors
    ///
    /// [`PlanError`]: as loading it does, and where the GPU does not tell the time.
    pub async fn tune(
        &self,
        model: &Model<'_>,
        again: bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Tuned>, PlanError> {
        self.ready()?;
        let stopwatch = Stopwatch::new(self).ok_or(PlanError::NoClock)?;
        let means = |tiles| Means { tiles, hardware: self.hardware };
        let mut products = products(model, means(self.tiles_that_hold()))?;
        products.retain(|product| again || !self.choices().has(&product.name));
        if products.is_empty() {
            return Ok(Vec::new());
        }
        let tiles = self.tiles_that_hold();
        let names = tiles.names(&self.hardware).into_iter().chain(tiles.attention_names(&self.hardware));
        let candidates = names.map(|tile| candidate(model, &products, means(Tiles::only(tile)), tile));
        let mut candidates = candidates.collect::<Result<Vec<_>, _>>()?;
        self.compile(model, &products, &mut candidates).await?;
        let mut times: Vec<[Times; FRAMES.len()]> = vec![Default::default(); products.len()];
        self.measure(&stopwatch, &candidates, progress, &mut |product, at, (tile, nanoseconds)| {
            let times = &mut times[product][at];
            match times.iter_mut().find(|(name, _)| *name == tile) {
                Some((_, least)) => *least = nanoseconds.min(*least),
                None => times.push((tile, nanoseconds)),
            }
        })?;
        let tuned: Vec<Tuned> =
            products.iter().zip(times).flat_map(|(product, times)| tuned(product, times)).collect();
        self.choose(&products, &tuned);
        Ok(tuned)
    }

    /// Compiles and tests the kernels of `candidates`, and leaves out those that are refused
    /// and those that fail.
    async fn compile(
        &self,
        model: &Model<'_>,
        products: &[Product],
        candidates: &mut [Candidate],
    ) -> Result<(), RunError> {
        let mut kernels: Vec<(&Kernel, &Op)> = Vec::new();
        for candidate in &*candidates {
            for &(product, step) in &candidate.steps {
                let kernel = candidate.kernel(step);
                if !kernels.iter().any(|(other, _)| other.text == kernel.text) {
                    kernels.push((kernel, &products[product].op));
                }
            }
        }
        self.retain_taken(&mut kernels);
        let untested = kernels.iter().filter(|(kernel, _)| self.verdicts().of(kernel).is_none());
        let cases: Vec<Case> =
            untested.map(|(kernel, op)| Case::of(kernel, op, model.blobs(), self.hardware)).collect();
        selftest::run(self, &cases.iter().collect::<Vec<_>>()).await?;
        let kernels: Vec<&Kernel> = kernels.into_iter().map(|(kernel, _)| kernel).collect();
        self.compiled().keep(&kernels, self.kept());
        for candidate in candidates {
            let (plan, steps) = (&candidate.plan, &mut candidate.steps);
            steps.retain(|&(_, step)| self.verdicts().of(kernel(plan, step)) == Some(true));
        }
        Ok(())
    }

    /// Compiles `kernels`, and leaves those that are not refused.
    fn retain_taken<T>(&self, kernels: &mut Vec<(&Kernel, T)>) {
        let takes = |some: &[&Kernel]| self.compiled().all(self.device(), some).is_ok();
        // All at once takes less time; one by one tells which is refused.
        if !takes(&kernels.iter().map(|(kernel, _)| *kernel).collect::<Vec<_>>()) {
            kernels.retain(|(kernel, _)| takes(&[kernel]));
        }
    }

    /// Times every one of `candidates`, and tells `note` the product, the number of frames as a
    /// place in [`FRAMES`], and the time. A card goes through all of them twice: whatever the clock was
    /// during the first ones, one of two times is right.
    fn measure(
        &self,
        stopwatch: &Stopwatch<'_>,
        candidates: &[Candidate],
        progress: &mut dyn FnMut(usize, usize),
        note: &mut dyn FnMut(usize, usize, (&'static str, u64)),
    ) -> Result<(), PlanError> {
        let words = candidates.iter().map(|candidate| candidate.plan.frame_words).max().unwrap_or(0);
        let frame_bytes = u64::from(words.max(1)) * 4;
        let most = self.binding_bytes.min(self.buffer_bytes) / frame_bytes;
        let counts: Vec<u32> = FRAMES.into_iter().filter(|&frames| u64::from(frames) <= most).collect();
        let bytes = frame_bytes * u64::from(counts.last().copied().unwrap_or(0));
        let arena = buffer(self, "the memory of all frames", bytes, wgpu::BufferUsages::STORAGE)?;
        let is_card = self.adapter().kind != AdapterKind::Software;
        let rounds = if is_card { 2 } else { 1 };
        let steps = candidates.iter().map(|candidate| candidate.steps.len()).sum::<usize>();
        let all = steps * counts.len() * rounds;
        let mut done = 0;
        for candidate in iter::repeat_n(candidates, rounds).flatten() {
            let constants = Constants::upload(self, &candidate.plan)?;
            for &(product, step) in &candidate.steps {
                let pipelines = self.compiled().all(self.device(), &[candidate.kernel(step)])?;
                let group = constants.group(self, &arena, step);
                let grid = candidate.plan.steps[step].launch.grid;
                for (at, &frames) in counts.iter().enumerate() {
                    let work = Work { pipeline: &pipelines[0], group: &group, grid, frames };
                    if done == 0 && is_card {
                        stopwatch.warm(&work)?;
                    }
                    note(product, at, (candidate.tile, stopwatch.time(&work)?));
                    done += 1;
                    progress(done, all);
                }
            }
        }
        Ok(())
    }

    /// Lets products take what is the fastest by `tuned`, now and in later processes.
    fn choose(&self, products: &[Product], tuned: &[Tuned]) {
        let mut choices = Choices::default();
        for product in products {
            let tile = |frames| {
                let of = tuned.iter().find(|of| of.frames == frames && *of.product == *product.name);
                of.map(|of| of.tile)
            };
            choices.set(&product.name, FRAMES.map(tile));
        }
        self.add_choices(&choices);
    }
}

impl Candidate {
    fn kernel(&self, step: usize) -> &Kernel {
        kernel(&self.plan, step)
    }
}

fn kernel(plan: &Plan, step: usize) -> &Kernel {
    &plan.kernels[plan.steps[step].launch.kernel]
}

/// The kinds of products of `model`, with what they take of themselves.
fn products(model: &Model<'_>, means: Means) -> Result<Vec<Product>, PlanError> {
    let mut planner = Planner::over(model.blobs(), model.arena_len() as u32, means);
    let mut found: BTreeMap<Arc<str>, (Op, u32, Range<usize>)> = BTreeMap::new();
    for (index, op) in (0..).zip(needed::ops(model)) {
        let steps = planner.steps(index, &op)?;
        if let Some(name) = planner.product(steps.clone()) {
            found.entry(name).or_insert((op, 0, steps)).1 += 1;
        }
    }
    let plan = planner.finish();
    let product = |(name, (op, instructions, steps)): (Arc<str>, (Op, u32, Range<usize>))| {
        let step = plan.steps[steps].iter().find(|step| step.product.is_some());
        let row =
            |frames: u32| step.and_then(|step: &Step| plan.kernels[step.launch(frames as usize).kernel].row);
        Product { name, op, instructions, defaults: FRAMES.map(row) }
    };
    Ok(found.into_iter().map(product).collect())
}

/// Those of `products` that take `tile` by `means`, which have no other.
fn candidate(
    model: &Model<'_>,
    products: &[Product],
    means: Means,
    tile: &'static str,
) -> Result<Candidate, PlanError> {
    let mut planner = Planner::over(model.blobs(), model.arena_len() as u32, means);
    let mut steps = Vec::new();
    for (at, product) in products.iter().enumerate() {
        let own = planner.steps(0, &product.op)?;
        // A name tells other kinds of kernels apart, which a product takes without its own tiles.
        if planner.product(own.clone()).as_ref() == Some(&product.name) {
            steps.push((at, own.start));
        }
    }
    Ok(Candidate { tile, plan: planner.finish(), steps })
}

/// What was measured of `product`, for each number of frames.
fn tuned(product: &Product, times: [Times; FRAMES.len()]) -> Vec<Tuned> {
    let mut all = Vec::new();
    for ((frames, default), times) in FRAMES.into_iter().zip(product.defaults).zip(times) {
        let Some((default, tile)) = default.and_then(|own| Some((own, fastest(&times, own)?))) else {
            continue;
        };
        let (product, instructions) = (product.name.to_string(), product.instructions);
        all.push(Tuned { product, instructions, frames, times, default, tile });
    }
    all
}

/// The fastest of `times`; `default` where no other is faster by more than what two measurements of
/// one thing differ by.
fn fastest(times: &[(&'static str, u64)], default: &'static str) -> Option<&'static str> {
    let (tile, best) = times.iter().min_by_key(|(_, nanoseconds)| nanoseconds)?;
    let own = times.iter().find(|(name, _)| *name == default);
    Some(if own.is_some_and(|(_, own)| own * 97 <= best * 100) { default } else { tile })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::at_once;
    use crate::source::Text;

    #[test]
    fn what_is_refused_is_left_out() {
        let gpu = at_once(Gpu::open(None)).and_then(Result::ok).expect("a GPU, or Mesa's lavapipe");
        let kernel = |name, text: &str| Kernel { name, row: None, text: Text::Wgsl(text.into()) };
        let empty = "@compute @workgroup_size(1) fn main() {}";
        let all = [kernel("first", empty), kernel("refused", "fn main() { none() }"), kernel("last", empty)];
        let mut kernels: Vec<_> = all.iter().map(|kernel| (kernel, ())).collect();
        gpu.retain_taken(&mut kernels);
        assert_eq!(kernels.iter().map(|(kernel, ())| kernel.name).collect::<Vec<_>>(), ["first", "last"]);
    }

    #[test]
    fn only_what_is_clearly_faster_takes_the_place_of_the_default() {
        assert_eq!(fastest(&[("a", 100), ("b", 98)], "a"), Some("a"));
        assert_eq!(fastest(&[("a", 100), ("b", 90)], "a"), Some("b"));
        assert_eq!(fastest(&[("a", 100), ("b", 90)], "c"), Some("b"));
        assert_eq!(fastest(&[], "a"), None);
    }
}
