//! `eval`: how good a container is on images with labels, and how it compares with its float model.

mod chances;
mod classes;
mod compared;
mod float;
mod maps;
mod numbers;
mod truth;
mod vectors;
mod written;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use conversion::labels::number_output;
use conversion::stream::stream;
use conversion::{Files, FrameSource};
use data::Dataset;
use serde::Serialize;
use shiftformer::runtime::OutputKind;
use shiftformer::{Model, OutputInfo, Reading, Session};

pub use classes::accuracy;
use compared::Against;
use float::FloatModel;
use truth::{Needed, Truth};

use crate::commands::run::ThresholdArgs;
use crate::failure::Failure;
use crate::labels::LabelArgs;
use crate::output::emit;
use crate::place::{EngineArgs, session};
use crate::progress::Progress;
use crate::threads::ThreadArgs;

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The container.
    model: PathBuf,
    /// A folder of class folders, an .npz with `images` and `labels`, or an IDX images
    /// file with its labels beside it.
    #[arg(long)]
    data: PathBuf,
    /// Use only the first N images.
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
    /// Write the integer logits, one row for each image, as a NumPy array of i32.
    #[arg(long, value_name = "OUT.npy")]
    logits: Option<PathBuf>,
    /// Write what every output gives, as NumPy arrays under the outputs' names: real values as
    /// f32, and under NAME.int the integers that they are, in units of the scale.
    #[arg(long, value_name = "OUT.npz")]
    outputs: Option<PathBuf>,
    /// The float model that the container was converted from: compare with it.
    #[arg(long, value_name = "MODEL")]
    against: Option<PathBuf>,
    /// The dimensions of that model as JSON [default: as in the conversion].
    #[arg(long, value_name = "FILE", requires = "against")]
    config: Option<PathBuf>,
    #[command(flatten)]
    labels: LabelArgs,
    #[command(flatten)]
    threshold: ThresholdArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    threads: ThreadArgs,
}

const EXAMPLES: &str = r"Examples, in a clone (the first of `convert --help` makes model.shf):
  shiftformer eval model.shf --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer eval model.shf --against data/vit_fmnist_fp32.onnx \
      --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer eval model.shf --limit 100 --json \
      --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer eval model.shf --backend reference --logits logits.npy \
      --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer eval model.shf --outputs outputs.npz \
      --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer eval model.shf --backend serial:COM3,serial:COM4 \
      --data data/fmnist-test-1000-images-idx3-ubyte.gz

What is measured follows from what the model gives, and from the array `labels`
of an .npz: classes take N integers (top-1, top-5); chances N or N×C marks of 0
and 1 (F1 at --threshold, average precision); embeddings N integers (retrieval
of the label by the nearest other image); maps N×H×W integers (mean IoU; 255
and negative ones are left out); numbers as many floats for an image as the
output has (MAE, RMSE). With --against or --outputs no labels are needed.";

/// Values that are kept in memory at most: those of all outputs of all images.
const MAX_VALUES: usize = 1 << 27;

#[derive(Debug, Serialize)]
struct Evaluation {
    /// The output that is evaluated: the first of logits, or the first.
    output: String,
    /// How it is read.
    answer: &'static str,
    #[serde(flatten)]
    figures: Figures,
    n: usize,
    seconds: f64,
    images_per_s: f64,
    backend: String,
    kernels: String,
    threads: usize,
    #[serde(flatten)]
    against: Option<Against>,
}

/// How good the answers are. Percent, where nothing else is said.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Figures {
    Classes(classes::Figures),
    Binary(chances::Binary),
    Labels(chances::Labels),
    Retrieval(vectors::Figures),
    Map(maps::Figures),
    Numbers(numbers::Figures),
    /// There are no labels.
    Nothing {},
}

impl Figures {
    /// What `rows`, real values of `output` before its ending, are worth by `truth`.
    fn of(
        truth: &Truth<'_>,
        output: &OutputInfo<'_>,
        rows: &[Vec<f64>],
        threshold: f64,
    ) -> Result<Self, Failure> {
        Ok(match truth {
            Truth::Classes(labels) if output.reading() == Reading::Vector => {
                Figures::Retrieval(vectors::Figures::of(rows, labels))
            }
            Truth::Classes(labels) => Figures::Classes(classes::Figures::of(rows, labels)),
            Truth::Marks(marks) if output.len == 1 => {
                Figures::Binary(chances::Binary::of(rows, marks, threshold))
            }
            Truth::Marks(marks) => Figures::Labels(chances::Labels::of(rows, marks, threshold)),
            Truth::Map(targets) => Figures::Map(maps::Figures::of(rows, targets, output.channels())?),
            Truth::Numbers(targets) => Figures::Numbers(numbers::Figures::of(output, rows, targets)),
            Truth::Nothing => Figures::Nothing {},
        })
    }

    /// In one line; empty where there are none.
    fn text(&self) -> String {
        match self {
            Figures::Classes(figures) => figures.text(),
            Figures::Binary(figures) => figures.text(),
            Figures::Labels(figures) => figures.text(),
            Figures::Retrieval(figures) => figures.text(),
            Figures::Map(figures) => figures.text(),
            Figures::Numbers(figures) => figures.text(),
            Figures::Nothing {} => String::new(),
        }
    }
}

/// Evaluates the container.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    check_files(args)?;
    let backend = args.engine.backend(args.threads.count())?;
    let model = Model::open(&args.model)?;
    let outputs = model.outputs();
    let main = outputs.iter().find(|output| output.kind == OutputKind::Logits).or(outputs.first());
    let main = main.ok_or_else(|| Failure::new(format!("{} gives nothing", model.name())))?;
    check_logits(args, main, model.name())?;
    let source = FrameSource::of(&model)?;
    let mut data = data::open(&args.data)?;
    let note = |words: &str| eprintln!("note: {words}");
    let numbered = number_output(&mut data, args.labels.file(), &model, main, &note);
    let n = args.limit.map_or(data.len(), |limit| data.len().min(limit.get()));
    let truth = truth_of(args, numbered, &data, n, main)?;
    let kept: Vec<&OutputInfo<'_>> =
        outputs.iter().filter(|output| args.all() || output.index == main.index).collect();
    check_room(&kept, n)?;

    let mut session = session(&model, backend.as_ref())?;
    let threads = backend.limits().parallel;
    let images = Images { source: &source, data: &data };
    let start = Instant::now();
    let rows = computed(&mut session, (n, threads), &images, &kept, outputs.len())?;
    let seconds = start.elapsed().as_secs_f64();

    write_files(args, &outputs, main, &rows)?;
    let threshold = args.threshold.threshold;
    let figures = Figures::of(&truth, main, &real(main, &rows[main.index]), threshold)?;
    let against = match &args.against {
        Some(path) => {
            let float = FloatModel::open(path, &args.model, args.config.as_deref(), &model)?;
            Some(Against::of(&float, &images, &outputs, main, &rows, &truth, threshold)?)
        }
        None => None,
    };
    let evaluation = Evaluation {
        output: main.name.to_owned(),
        answer: main.reading().name(),
        figures,
        n,
        seconds,
        images_per_s: n as f64 / seconds,
        backend: session.backend().to_owned(),
        kernels: session.kernels().to_owned(),
        threads,
        against,
    };
    emit(json, &evaluation, text)
}

impl Args {
    /// Whether all outputs are asked for, and not only the one that is evaluated.
    fn all(&self) -> bool {
        self.against.is_some() || self.outputs.is_some()
    }
}

/// What the first `n` images of `data` are labelled with, or that nothing is, where other figures
/// are asked for; `numbered` says whether their labels are classes of `main`.
fn truth_of<'d>(
    args: &Args,
    numbered: Result<(), Failure>,
    data: &'d Dataset,
    n: usize,
    main: &OutputInfo<'_>,
) -> Result<Truth<'d>, Failure> {
    let all = args.all();
    let needed = Needed { labels: !all, fitting: !all && args.logits.is_none() };
    match numbered {
        Ok(()) => Truth::of(data, n, main, needed),
        Err(unknown) if all && args.labels.file().is_none() => {
            eprintln!("note: {unknown} Labels are left out; --labels FILE would tell");
            Ok(Truth::Nothing)
        }
        Err(unknown) => Err(unknown),
    }
}

/// The integers that `kept` of so many `outputs` are for the first `n` images, `threads` of which
/// are in the works at once: by output and image.
fn computed(
    session: &mut Session,
    (n, threads): (usize, usize),
    images: &Images<'_>,
    kept: &[&OutputInfo<'_>],
    outputs: usize,
) -> Result<Vec<Vec<Vec<i32>>>, Failure> {
    let progress = Progress::bar("evaluating", n);
    let mut rows = vec![Vec::new(); outputs];
    stream(
        session,
        (n, threads),
        |index| images.frame(index),
        |given| {
            for output in kept {
                rows[output.index].extend(given.values(output.index).map(<[i32]>::to_vec));
            }
            progress.step();
        },
    )?;
    Ok(rows)
}

/// Writes the files that are asked for.
fn write_files(
    args: &Args,
    outputs: &[OutputInfo<'_>],
    main: &OutputInfo<'_>,
    rows: &[Vec<Vec<i32>>],
) -> Result<(), Failure> {
    if let Some(path) = &args.logits {
        written::logits(path, &rows[main.index], main.len)?;
    }
    if let Some(path) = &args.outputs {
        written::outputs(path, outputs, rows)?;
    }
    Ok(())
}

fn text(e: &Evaluation) -> String {
    let images = format!("of {} images", e.n);
    let mut lines = vec![match e.figures.text() {
        figures if figures.is_empty() => format!("{} ({}) {images}", e.output, e.answer),
        figures => format!("{figures}  {images}"),
    }];
    lines.extend(e.against.iter().flat_map(Against::lines));
    let engine = format!("{} ({} kernels, {} threads)", e.backend, e.kernels, e.threads);
    lines.push(format!("{:.2} s, {:.1} images/s on {engine}", e.seconds, e.images_per_s));
    lines.join("\n")
}

/// The images that are evaluated, as the model takes them.
struct Images<'a> {
    source: &'a FrameSource,
    data: &'a Dataset,
}

impl Images<'_> {
    fn frame(&self, index: usize) -> Result<Vec<u8>, Failure> {
        self.source.load(self.data, index)
    }
}

/// The real values of `rows` of `output`, in the order of the integers.
fn real(output: &OutputInfo<'_>, rows: &[Vec<i32>]) -> Vec<Vec<f64>> {
    let scale = f64::from(output.scale);
    rows.iter().map(|row| row.iter().map(|&value| f64::from(value) * scale).collect()).collect()
}

/// What is written must replace nothing that is read.
fn check_files(args: &Args) -> Result<(), Failure> {
    let written = [("--logits", &args.logits), ("--outputs", &args.outputs)];
    let mut files = Files::default().input("the container", &args.model).data(&args.data);
    files = files.input("the facts", &report::sidecar_path(&args.model));
    files = args.config.iter().fold(files, |files, config| files.input("the configuration", config));
    files = args.labels.file().into_iter().fold(files, |files, names| files.input("the names", names));
    files = args.against.iter().fold(files, |files, model| files.model(model));
    for (option, path) in written {
        files = path.iter().fold(files, |files, path| files.output(option, path));
    }
    files.check()
}

/// `--logits` is for outputs of one row.
fn check_logits(args: &Args, main: &OutputInfo<'_>, name: &str) -> Result<(), Failure> {
    match main.reading() {
        Reading::Vector | Reading::Map if args.logits.is_some() => {
            Err(Failure::new(format!("{name} has no output of logits"))
                .help("--outputs OUT.npz writes what every output gives"))
        }
        Reading::Shares
        | Reading::Chances
        | Reading::Class
        | Reading::Values
        | Reading::Vector
        | Reading::Map => Ok(()),
    }
}

/// All values of `n` images must fit in memory.
fn check_room(kept: &[&OutputInfo<'_>], n: usize) -> Result<(), Failure> {
    let each = kept.iter().map(|output| output.len).sum::<usize>().max(1);
    if n.checked_mul(each).is_some_and(|values| values <= MAX_VALUES) {
        return Ok(());
    }
    let most = MAX_VALUES / each;
    Err(Failure::new(format!("{n} images give more values than are kept in memory, {MAX_VALUES}"))
        .help(format!("evaluate at most {most} images at once with --limit {most}")))
}
