//! The signal-to-noise ratio of every instruction.

use std::collections::HashMap;

use facts::Fidelity;
use float::{Evaluator, Progress, least_score, math};
use quant::mem::DType;
use quant::operand::Tiling;
use quant::ops::Tensor;
use quant::{Fault, Op};
use rayon::prelude::*;
use runtime::{Model, Progress as Step};

use super::error::MeasureError;
use super::memory::Aligned;
use super::run::{check_frames, load, start};
use crate::graph::{Graph, Width};
use crate::lower::needed_rows;

/// The ratio reported for outputs without any error.
pub const MAX_SNR_DB: f64 = 200.0;

/// The ratio reported where there is no signal, or no number.
pub const MIN_SNR_DB: f64 = -100.0;

/// Bytes that the names in a container are cut to.
const NAME_BYTES: usize = 255;

/// Runs `container` on `frames` instruction by instruction and compares what each wrote
/// with the values of the same name in `float`: `10·log₁₀(Σx² / Σ(x − x̂)²)` over all
/// frames, limited to [`MIN_SNR_DB`]..=[`MAX_SNR_DB`].
///
/// `quantized` is the graph that `container` was lowered from; it gives scale, zero point
/// and shape of every tensor. `float` is the model as it was calibrated, with every
/// equivalent rewrite (folding, equalization) in it. Instructions whose output is no
/// tensor of both graphs are left out: copies, loads of constants, values that exist only
/// inside a fused instruction. Where only one row of a tensor is computed, that row is
/// compared. Scores that are too low to take part in their softmax are not, and of what only ReLUs
/// read the positive part is.
///
/// Holds, for each thread, the integers of all compared instructions of one frame.
///
/// # Errors
///
/// [`MeasureError`] for a container that is refused, no frames, or frames of another
/// size; what the evaluator refuses.
pub fn fidelity(
    float: &float::Graph,
    quantized: &Graph,
    container: &[u8],
    frames: &[Vec<u8>],
    progress: &dyn Progress,
) -> Result<Vec<Fidelity>, MeasureError> {
    let container = Aligned::copy_of(container);
    let model = load(&container)?;
    check_frames(&model, float, frames)?;
    let watched = watch(&model, quantized, float);
    let evaluator = Evaluator::new(float)?;
    progress.begin("measuring instructions", frames.len());
    let measured: Result<Vec<Vec<Sums>>, MeasureError> = frames
        .par_iter()
        .map(|frame| {
            let sums = measure(&model, &watched, &evaluator, frame)?;
            progress.step();
            Ok(sums)
        })
        .collect();
    let mut total = vec![Sums::default(); watched.len()];
    for frame in measured? {
        total.iter_mut().zip(frame).for_each(|(sum, more)| sum.add(more));
    }
    let facts = watched.into_iter().zip(total).map(|(watched, sums)| Fidelity {
        instruction: watched.instruction as usize,
        name: watched.name,
        op: watched.op.to_owned(),
        snr_db: sums.decibels(),
    });
    Ok(facts.collect())
}

/// Energy of the float values, and of their difference from the integer ones.
#[derive(Clone, Copy, Default)]
struct Sums {
    signal: f64,
    noise: f64,
}

impl Sums {
    fn add(&mut self, more: Sums) {
        self.signal += more.signal;
        self.noise += more.noise;
    }

    fn decibels(self) -> f64 {
        if self.noise == 0.0 {
            return MAX_SNR_DB;
        }
        let ratio = 10.0 * math::log10(self.signal / self.noise);
        if ratio.is_nan() { MIN_SNR_DB } else { ratio.clamp(MIN_SNR_DB, MAX_SNR_DB) }
    }
}

/// An instruction whose output is compared.
struct Watched {
    instruction: u32,
    name: String,
    op: &'static str,
    dtype: DType,
    /// The float tensor.
    tensor: usize,
    /// The elements of that tensor that the instruction writes.
    first: usize,
    len: usize,
    scale: f64,
    zero: i32,
    /// The scores that softmaxes normalise together, if nothing else reads the tensor.
    score_width: Option<usize>,
    /// Only ReLUs read it.
    rectified: bool,
}

/// The instructions of `model` that write a tensor which both graphs know.
fn watch(model: &Model<'_>, quantized: &Graph, float: &float::Graph) -> Vec<Watched> {
    let (needed, score_widths, rectified) = (needed_rows(quantized), float.scores(), float.rectified());
    let known: HashMap<&str, usize> =
        quantized.tensors.iter().enumerate().map(|(id, t)| (cut(&t.name), id)).collect();
    let floats: HashMap<&str, usize> =
        float.tensors.iter().enumerate().map(|(id, t)| (t.name.as_str(), id)).collect();
    let find = |instruction: runtime::Instruction<'_>| {
        if matches!(instruction.op, Op::Tile(_) | Op::Load(_)) {
            return None;
        }
        let id = *known.get(instruction.name)?;
        let tensor = &quantized.tensors[id];
        let float_id = *floats.get(tensor.name.as_str())?;
        let (rows, width) = (tensor.rows as usize, tensor.width as usize);
        if float.tensors[float_id].rows != rows || float.tensors[float_id].width != width {
            return None;
        }
        let (dtype, len) = written(&instruction.op)?;
        let same_type = dtype == dtype_of(tensor.bits);
        let first = match needed[id] {
            _ if len == rows * width => 0,
            Some(row) if len == width => row as usize * width,
            _ => return None,
        };
        same_type.then(|| Watched {
            instruction: instruction.index,
            name: tensor.name.clone(),
            op: instruction.op.kind().name(),
            dtype,
            tensor: float_id,
            first,
            len,
            scale: tensor.scale,
            zero: tensor.zero,
            score_width: score_widths[float_id],
            rectified: rectified[float_id],
        })
    };
    model.instructions().filter_map(find).collect()
}

/// `name` as a container holds it.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES)]
}

fn dtype_of(bits: Width) -> DType {
    match bits {
        Width::I8 => DType::I8,
        Width::I16 => DType::I16,
        Width::I32 => DType::I32,
        Width::Sign | Width::Ternary => DType::U32,
    }
}

/// Type and logical elements of what `op` writes.
fn written(op: &Op) -> Option<(DType, usize)> {
    let rows = op.rows() as usize;
    let mut found = None;
    op.operands(&mut |operand| {
        let Some((slot, dtype)) = operand.slot().and_then(|slot| Some((slot, slot.written()?))) else {
            return;
        };
        let len = match slot.tiling {
            Tiling::Rows { width, .. } => rows * width as usize,
            Tiling::Whole | Tiling::All { .. } => slot.len as usize,
        };
        found = Some((dtype, len));
    });
    found
}

/// Integers at the width they were written in.
#[derive(Debug, PartialEq)]
enum Values {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
}

impl Values {
    fn zeroed(dtype: DType, len: usize) -> Self {
        match dtype {
            DType::I16 => Values::I16(vec![0; len]),
            DType::I32 => Values::I32(vec![0; len]),
            DType::I8 | DType::U8 | DType::U32 => Values::I8(vec![0; len]),
        }
    }

    /// Puts what a step wrote at element `first`; `None` where it does not belong.
    fn store(&mut self, first: usize, written: Tensor<'_>) -> Option<()> {
        fn put<T: Copy>(places: &mut [T], first: usize, values: &[T]) -> Option<()> {
            places.get_mut(first..)?.get_mut(..values.len())?.copy_from_slice(values);
            Some(())
        }
        match (self, written) {
            (Values::I8(places), Tensor::I8(x)) => put(places, first, x),
            (Values::I16(places), Tensor::I16(x)) => put(places, first, x),
            (Values::I32(places), Tensor::I32(x)) => put(places, first, x),
            _ => None,
        }
    }

    /// Compares with `float` after `(q − zero) · scale`.
    fn sums(&self, float: &[f32], of: &Watched) -> Sums {
        fn add<T: Copy + Into<i32>>(values: &[T], float: &[f32], of: &Watched) -> Sums {
            let mut sums = Sums::default();
            let width = of.score_width.unwrap_or(of.len).max(1);
            for (values, float) in values.chunks(width).zip(float.chunks(width)) {
                let least = match of.score_width {
                    Some(_) => least_score(float).unwrap_or(f32::INFINITY),
                    None => f32::NEG_INFINITY,
                };
                for (&q, &x) in values.iter().zip(float) {
                    if x < least {
                        continue;
                    }
                    let floor = if of.rectified { 0.0 } else { f64::NEG_INFINITY };
                    let x = f64::from(x).max(floor);
                    let error = x - ((f64::from(q.into()) - f64::from(of.zero)) * of.scale).max(floor);
                    sums.add(Sums { signal: x * x, noise: error * error });
                }
            }
            sums
        }
        match self {
            Values::I8(q) => add(q, float, of),
            Values::I16(q) => add(q, float, of),
            Values::I32(q) => add(q, float, of),
        }
    }
}

/// The sums of one frame, in the order of `watched`.
fn measure(
    model: &Model<'_>,
    watched: &[Watched],
    evaluator: &Evaluator<'_>,
    frame: &[u8],
) -> Result<Vec<Sums>, MeasureError> {
    let values = integers(model, watched, frame)?;
    let mut by_tensor: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, watched) in watched.iter().enumerate() {
        by_tensor.entry(watched.tensor).or_default().push(at);
    }
    let mut sums = vec![Sums::default(); watched.len()];
    evaluator.trace(frame, &mut |tensor, float| {
        for &at in by_tensor.get(&tensor).into_iter().flatten() {
            let w = &watched[at];
            if let Some(part) = float.get(w.first..w.first + w.len) {
                sums[at] = values[at].sums(part, w);
            }
        }
    });
    Ok(sums)
}

/// What the watched instructions write on `frame`.
fn integers(model: &Model<'_>, watched: &[Watched], frame: &[u8]) -> Result<Vec<Values>, MeasureError> {
    let mut values: Vec<Values> = watched.iter().map(|w| Values::zeroed(w.dtype, w.len)).collect();
    let places: HashMap<u32, usize> = watched.iter().enumerate().map(|(at, w)| (w.instruction, at)).collect();
    let mut arena = Aligned::zeroed(model.arena_len());
    let mut session = start(model, &mut arena, frame)?;
    while let Step::Ran(step) = session.step(&mut quant::Reference).map_err(MeasureError::Fault)? {
        let Some(&at) = places.get(&step.instruction) else { continue };
        session
            .written(&step)
            .next()
            .and_then(|(first, tensor)| values[at].store(first as usize, tensor))
            .ok_or(MeasureError::Fault(Fault::Bounds))?;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::import::{ImportOptions, import};
    use crate::{BuildOptions, build};

    /// A float graph with the tensors of `quantized` and no nodes.
    fn names_of(quantized: &Graph) -> float::Graph {
        let mut graph = float::Graph::new(quantized.image);
        for t in &quantized.tensors[1..] {
            graph.tensor(t.name.clone(), t.rows as usize, t.width as usize);
        }
        graph
    }

    fn recorded(quantized: &Graph, fuse: bool, frame: &[u8]) -> (Vec<Watched>, Vec<Values>) {
        let container = build(quantized, BuildOptions { fuse, arena: None }).expect("a container");
        let container = Aligned::copy_of(&container);
        let model = load(&container).expect("a checked container");
        let watched = watch(&model, quantized, &names_of(quantized));
        let values = integers(&model, &watched, frame).expect("no fault");
        (watched, values)
    }

    impl Values {
        fn part(&self, first: usize, len: usize) -> Values {
            match self {
                Values::I8(x) => Values::I8(x[first..first + len].to_vec()),
                Values::I16(x) => Values::I16(x[first..first + len].to_vec()),
                Values::I32(x) => Values::I32(x[first..first + len].to_vec()),
            }
        }
    }

    #[test]
    fn tiles_and_single_rows_are_put_where_they_belong() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/vit_fmnist_ivit_qat.safetensors");
        let quantized = import(&path, &ImportOptions::default())
            .expect("the bundled checkpoint")
            .quantized()
            .expect("integers");
        let frame: Vec<u8> = (0..784u32).map(|i| (i * i % 251) as u8).collect();
        let (fused, tiled) = recorded(&quantized, true, &frame);
        let (plain, whole) = recorded(&quantized, false, &frame);
        let (mut rows, mut tensors) = (0, 0);
        for (watched, values) in fused.iter().zip(&tiled) {
            let same = plain.iter().position(|other| other.name == watched.name).expect("the same tensor");
            assert_eq!(*values, whole[same].part(watched.first, watched.len), "{}", watched.name);
            rows += usize::from(watched.len < plain[same].len);
            tensors += 1;
        }
        // Behind the last attention one row is computed of six tensors or so.
        assert!(tensors > 40 && (4..10).contains(&rows), "{rows} of {tensors}");
    }
}
