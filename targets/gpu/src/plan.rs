//! A program as a fixed sequence of dispatches.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use quant::Op;
use quant::mem::{Blob, Element, read_blob};
use runtime::{Model, Written};

use crate::error::PlanError;
use crate::matrices::MatrixShape;
use crate::needed;
use crate::ops::{self, Tiles};
use crate::source::{PARAMS, Params, Source, Text, Variant};

/// One dispatch.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The kind of product that it computes, where that may take several tiles.
    pub product: Option<Arc<str>>,
    /// What runs.
    pub launch: Launch,
    /// What runs instead from a number of frames on, the smallest first.
    pub larger: Vec<(u32, Launch)>,
    /// The parameters' words.
    pub params: [u32; PARAMS],
    /// Where its constants begin, in words, a multiple of [`CONSTANTS_ALIGN`]; how many there are.
    pub constants: (usize, usize),
}

impl Step {
    /// What runs for `frames` frames.
    pub(crate) fn launch(&self, frames: usize) -> Launch {
        let larger = self.larger.iter().rev().find(|(from, _)| frames >= *from as usize);
        larger.map_or(self.launch, |&(_, launch)| launch)
    }
}

/// A kernel on a grid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    /// Index of the kernel's text in [`Plan::kernels`].
    pub kernel: usize,
    /// Workgroups in x and y; z is the number of frames.
    pub grid: [u32; 2],
}

/// An instruction, its dispatches and what it leaves.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    /// Its index in the container.
    pub index: u32,
    /// Which of [`Plan::steps`] compute all of its rows.
    pub steps: Range<usize>,
    /// Which compute those that the outputs depend on.
    pub needed: Range<usize>,
    /// Its results, with the logical index of their first element.
    pub written: [Option<Written>; 2],
}

/// A kernel, as its source says.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// For people.
    pub name: &'static str,
    /// The row of the table of tiles that it is made of.
    pub row: Option<&'static str>,
    /// What it is compiled from.
    pub text: Text,
}

/// The kernels that `model` needs, whose instructions run without tiles: their names, and their
/// text in WGSL. For those who translate or look at shaders; [`Program::load`](crate::Program::load)
/// does all of this itself. `workgroup_bytes` of memory may a workgroup share. Products take no
/// cooperative matrices here: their kernels are not of WGSL.
///
/// # Errors
///
/// [`PlanError::NoShader`].
pub fn shaders(model: &Model<'_>, workgroup_bytes: u32) -> Result<Vec<(&'static str, Arc<str>)>, PlanError> {
    let hardware = Hardware { workgroup_bytes, matrices: None };
    let kernels = Plan::of(model, Means { tiles: Tiles::default(), hardware })?.kernels;
    let wgsl = |kernel: Kernel| match kernel.text {
        Text::Wgsl(text) => Some((kernel.name, text)),
        Text::Spirv(_) => None,
    };
    Ok(kernels.into_iter().filter_map(wgsl).collect())
}

/// What a program becomes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Every kernel once.
    pub kernels: Vec<Kernel>,
    /// For each of them, an op that it works for.
    pub users: Vec<Op>,
    /// All dispatches, those of each instruction together, in order.
    pub steps: Vec<Step>,
    /// Every instruction, control records left out.
    pub instructions: Vec<Instruction>,
    /// Constants of all steps.
    pub constants: Vec<u32>,
    /// Words of a frame's arena, working memory of kernels included.
    pub frame_words: u32,
}

/// Distance between the constants of two steps, in words: what WebGPU lets a binding begin at.
pub(crate) const CONSTANTS_ALIGN: usize = 64;

/// Words of constants that their hash is made of, or fewer than twice as many.
const SAMPLES: usize = 1024;

/// Distance between two frames, in words.
const FRAME_ALIGN: u32 = 64;

impl Plan {
    /// Those of [`steps`](Self::steps) that the outputs depend on, in order.
    pub(crate) fn needed(&self) -> Vec<usize> {
        self.instructions.iter().flat_map(|instruction| instruction.needed.clone()).collect()
    }

    /// The dispatches of `model`, whose instructions run without tiles, with `means`.
    pub(crate) fn of(model: &Model<'_>, means: Means) -> Result<Self, PlanError> {
        let mut planner = Planner::new(model, means);
        let needed = needed::ops(model);
        for step in model.schedule() {
            let step = step.expect("the schedule of a checked model");
            let needed = &needed[step.instruction as usize];
            planner.instruction(step.instruction, (&step.op, needed), step.written())?;
        }
        Ok(planner.finish())
    }
}

/// A dispatch under construction: an op says what it asks for.
pub(crate) struct Dispatch {
    /// Its kernel's name.
    pub name: &'static str,
    /// The kind of product that it computes, where that may take several tiles.
    pub product: Option<String>,
    /// Its kernel.
    pub source: Source,
    /// Its parameters.
    pub params: Params,
    /// Its constants, in words.
    pub constants: Vec<u32>,
    /// Workgroups in x and y.
    pub grid: [u32; 2],
    /// What takes the place of `source` and `grid` for many frames, with the same parameters and
    /// constants: the fewest frames first.
    pub larger: Vec<Larger>,
}

/// A kernel for many frames.
pub(crate) struct Larger {
    /// From how many frames on.
    pub frames: u32,
    /// The kernel.
    pub source: Source,
    /// Workgroups in x and y.
    pub grid: [u32; 2],
}

impl Dispatch {
    /// A dispatch of the kernel `name` with nothing set.
    pub(crate) fn new(name: &'static str, source: Source) -> Self {
        Self {
            name,
            product: None,
            source,
            params: Params::default(),
            constants: Vec::new(),
            grid: [1, 1],
            larger: Vec::new(),
        }
    }

    /// Appends constants, and sets the parameter `name` to the word where they begin, which is a
    /// multiple of 4.
    pub(crate) fn constants(&mut self, name: &'static str, words: impl IntoIterator<Item = u32>) {
        let start = self.constants.len().next_multiple_of(4);
        self.constants.resize(start, 0);
        self.constants.extend(words);
        self.params.set(name, start as u32);
    }

    /// Enough workgroups for `count` of them, spread over two dimensions: kernels take the
    /// workgroup's number `y · (number in x) + x`, and leave those past the last idle.
    pub(crate) fn workgroups(&mut self, count: u32) {
        self.grid = grid(count);
    }
}

/// `count` workgroups or a few more in x and y.
pub(crate) fn grid(count: u32) -> [u32; 2] {
    let x = count.clamp(1, MAX_GRID);
    [x, count.div_ceil(x).max(1)]
}

/// Bytes of memory that WebGPU guarantees a workgroup.
pub(crate) const WORKGROUP_BYTES: u32 = 16 << 10;

/// Workgroups that WebGPU guarantees in one dimension.
const MAX_GRID: u32 = 65535;

/// What kernels of a GPU may take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Means {
    /// Tiles of products.
    pub tiles: Tiles,
    /// What the GPU has.
    pub hardware: Hardware,
}

/// What kernels depend on of a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hardware {
    /// Bytes of memory that a workgroup may share.
    pub workgroup_bytes: u32,
    /// The cooperative matrices that products may take.
    pub matrices: Option<MatrixShape>,
}

/// What ops are given to plan with.
#[derive(Default)]
pub(crate) struct Planner<'m> {
    blobs: &'m [u8],
    pub means: Means,
    plan: Plan,
    kernel_of: HashMap<Text, usize>,
    /// Kernels of modules, which take longer to specialize than to look up.
    variants: HashMap<Variant, usize>,
    /// Where constants with a hash begin.
    constants_of: HashMap<u64, usize>,
    params: Vec<Params>,
    arena_bytes: u32,
    /// Bytes of the working memory of the instruction at hand, and the most of all.
    scratch: u32,
    most_scratch: u32,
    names: Vec<&'m str>,
}

impl<'m> Planner<'m> {
    fn new(model: &Model<'m>, means: Means) -> Self {
        let names = model.instructions().map(|instruction| instruction.name).collect();
        Self { names, ..Self::over(model.blobs(), model.arena_len() as u32, means) }
    }

    /// For ops with constants in `blobs` and slots in an arena of `arena_bytes`.
    pub(crate) fn over(blobs: &'m [u8], arena_bytes: u32, means: Means) -> Self {
        Self { blobs, arena_bytes: arena_bytes.next_multiple_of(16), means, ..Self::default() }
    }

    /// Plans `op` as a whole, and again for its first rows where these are all that is `needed`.
    fn instruction(
        &mut self,
        index: u32,
        (op, needed): (&Op, &Op),
        written: [Option<Written>; 2],
    ) -> Result<(), PlanError> {
        let steps = self.steps(index, op)?;
        let needed = if needed.rows() < op.rows() { self.steps(index, needed)? } else { steps.clone() };
        self.plan.instructions.push(Instruction { index, steps, needed, written });
        Ok(())
    }

    /// Appends the dispatches of `op`: which of the plan's they are.
    pub(crate) fn steps(&mut self, index: u32, op: &Op) -> Result<Range<usize>, PlanError> {
        let first = self.plan.steps.len();
        self.scratch = 0;
        ops::plan(op, self).map_err(|reason| PlanError::NoShader {
            instruction: index,
            name: self.names.get(index as usize).copied().unwrap_or_default().to_owned(),
            op: op.kind(),
            reason,
        })?;
        self.most_scratch = self.most_scratch.max(self.scratch);
        self.plan.users.resize(self.plan.kernels.len(), *op);
        Ok(first..self.plan.steps.len())
    }

    /// The kind of product that `steps` compute, where that may take several tiles.
    pub(crate) fn product(&self, steps: Range<usize>) -> Option<Arc<str>> {
        self.plan.steps[steps].iter().find_map(|step| step.product.clone())
    }

    /// Bytes of memory that a workgroup may share, [`WORKGROUP_BYTES`] or twice as many.
    pub(crate) fn workgroup_bytes(&self) -> u32 {
        self.means.hardware.workgroup_bytes.clamp(WORKGROUP_BYTES, 2 * WORKGROUP_BYTES)
    }

    /// Lets `steps` run what they take for the most frames, whatever the number.
    pub(crate) fn take_larger(&mut self, steps: Range<usize>) {
        for step in &mut self.plan.steps[steps] {
            step.launch = step.launch(usize::MAX);
        }
    }

    /// A constant of the program.
    pub(crate) fn blob<T: Element>(&self, blob: Blob<T>) -> &'m [T] {
        read_blob(self.blobs, blob).expect("a constant of a checked model")
    }

    /// `bytes` of working memory behind the arena, for this instruction alone: its first byte, a
    /// multiple of 16. `None` where it exceeds what can be addressed.
    pub(crate) fn scratch(&mut self, bytes: u64) -> Option<u32> {
        let start = self.arena_bytes.checked_add(self.scratch)?;
        let bytes = u32::try_from(bytes).ok()?.checked_next_multiple_of(16)?;
        self.scratch = self.scratch.checked_add(bytes)?;
        start.checked_add(bytes)?;
        Some(start)
    }

    /// Appends `dispatch`.
    pub(crate) fn push(&mut self, dispatch: Dispatch) {
        let launch = self.launch(&dispatch, &dispatch.source, dispatch.grid);
        let one = |larger: &Larger| (larger.frames, self.launch(&dispatch, &larger.source, larger.grid));
        let larger = dispatch.larger.iter().map(one).collect();
        let constants = self.constants(&dispatch.constants);
        let product = dispatch.product.map(Arc::from);
        self.plan.steps.push(Step { product, launch, larger, params: [0; PARAMS], constants });
        self.params.push(dispatch.params);
    }

    /// Keeps `words` once: where they begin, and how many there are with those that fill the piece.
    fn constants(&mut self, words: &[u32]) -> (usize, usize) {
        let constants = &mut self.plan.constants;
        // A binding has at least 16 bytes.
        let len = words.len().max(4).next_multiple_of(CONSTANTS_ALIGN);
        // Some of them tell most constants apart, and what has the hash of another is compared with it.
        let mut hasher = DefaultHasher::new();
        words.len().hash(&mut hasher);
        words.iter().step_by(1 + words.len() / SAMPLES).for_each(|word| word.hash(&mut hasher));
        let start = *self.constants_of.entry(hasher.finish()).or_insert(constants.len());
        if constants.get(start..start + words.len()) == Some(words) && start + len <= constants.len() {
            return (start, len);
        }
        let start = constants.len();
        constants.extend_from_slice(words);
        constants.resize(start + len, 0);
        (start, len)
    }

    /// `source` with the parameters of `dispatch` on `grid`.
    fn launch(&mut self, dispatch: &Dispatch, source: &Source, grid: [u32; 2]) -> Launch {
        let variant = source.variant();
        let known = variant.as_ref().and_then(|variant| self.variants.get(variant));
        let kernel = known.copied().unwrap_or_else(|| self.kernel(dispatch, source));
        self.variants.extend(variant.map(|variant| (variant, kernel)));
        Launch { kernel, grid }
    }

    /// The kernel that `source` is the text of.
    fn kernel(&mut self, dispatch: &Dispatch, source: &Source) -> usize {
        let text = source.text(&dispatch.params);
        let kernels = &mut self.plan.kernels;
        *self.kernel_of.entry(text).or_insert_with_key(|text| {
            kernels.push(Kernel { name: dispatch.name, row: source.row, text: text.clone() });
            kernels.len() - 1
        })
    }

    pub(crate) fn finish(mut self) -> Plan {
        let bytes = self.arena_bytes.saturating_add(self.most_scratch);
        // Words behind the last, for reads of two words where one would do.
        let words = (bytes / 4).saturating_add(4).checked_next_multiple_of(FRAME_ALIGN);
        self.plan.frame_words = words.unwrap_or(u32::MAX);
        for (step, params) in self.plan.steps.iter_mut().zip(&self.params) {
            step.params = params.words(self.plan.frame_words);
        }
        self.plan
    }
}
