//! Shiftformer's speed beside that of other runtimes for processors.

use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Outcome;
use crate::process::{self, cargo, command, root, stdout, target_dir};
use crate::python::Environment;
use crate::tables;

/// The scripts.
const SCRIPTS: &str = "xtask/bench-peers";
/// The document with the tables that `--json` writes.
const DOCUMENT: &str = "docs/benchmarks.md";
const TABLES: [&str; 3] = ["machine", "times", "left-out"];

/// Programs as quantization-aware training gives them: the models that have one, and what makes it.
const ROW_MAXIMUM: [(&str, RowMaximum); 4] = [
    ("deit-tiny", RowMaximum::Random),
    ("deit-small", RowMaximum::Random),
    ("deit-base", RowMaximum::Random),
    ("vit_fmnist", RowMaximum::Checkpoint("data/vit_fmnist.shf")),
];

/// Where such a program comes from.
enum RowMaximum {
    /// The architecture of this name, with random weights.
    Random,
    /// A container of the repository.
    Checkpoint(&'static str),
}

/// What to compare, and where.
#[derive(clap::Args)]
pub struct Args {
    /// The folder for packages, programs and models; it can be carried to another machine [default:
    /// target/bench-peers].
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Only fill the folder.
    #[arg(long)]
    prepare: bool,
    /// Measure with this Python and what the folder has: nothing is installed or built.
    #[arg(long, value_name = "PATH", conflicts_with = "prepare")]
    python: Option<PathBuf>,
    /// Version of the Python that will measure, such as 3.12, where the folder is carried to another
    /// machine [default: that of python3].
    #[arg(long, value_name = "VERSION", requires = "prepare")]
    python_version: Option<String>,
    /// Models, with commas [default: all]: deit-tiny, deit-small, deit-base, swin-tiny, mobilevit-s,
    /// vit_fmnist.
    #[arg(long, value_name = "MODEL,MODEL")]
    models: Option<String>,
    /// Numbers of threads, with commas [default: 1,2].
    #[arg(long, value_name = "N,N")]
    threads: Option<String>,
    /// Frames of a batch, with commas [default: 1,8].
    #[arg(long, value_name = "N,N")]
    batch: Option<String>,
    /// Kernel sets of ours, with commas, to which OpenVINO is limited too, or `all` [default: all].
    #[arg(long, value_name = "SET,SET")]
    isa: Option<String>,
    /// Turns of each contestant [default: 30].
    #[arg(long, value_name = "N")]
    rounds: Option<String>,
    /// Write all results to a file, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the tables in docs/benchmarks.md instead, from what --json wrote here or elsewhere.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// Fills the folder with what it lacks, and measures.
pub fn bench(args: &Args) -> Outcome {
    if let Some(results) = &args.markdown {
        return write_tables(results);
    }
    let scratch = args.scratch.clone().unwrap_or_else(|| target_dir().join("bench-peers"));
    let scratch = std::path::absolute(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let python = match &args.python {
        Some(python) => python.clone(),
        None => prepare(&scratch, args)?,
    };
    if args.prepare {
        println!("{}: `python measure.py` there measures", scratch.display());
        return Ok(());
    }
    let mut measure = command(&python.display().to_string(), &[]);
    measure.arg(scratch.join("measure.py"));
    let chosen = [
        ("--models", &args.models),
        ("--threads", &args.threads),
        ("--batch", &args.batch),
        ("--isa", &args.isa),
        ("--rounds", &args.rounds),
    ];
    for (name, value) in chosen {
        measure.args(value.iter().flat_map(|value| [name, value]));
    }
    if let Some(json) = &args.json {
        measure.arg("--json").arg(std::path::absolute(json).map_err(|error| error.to_string())?);
    }
    process::run(&mut measure)
}

/// Installs, builds and converts what `scratch` lacks; returns its Python.
fn prepare(scratch: &Path, args: &Args) -> Result<PathBuf, String> {
    let environment = Environment::at(scratch.join("venv"))?;
    install(&environment, &["measure.txt", "prepare.txt"], &[])?;
    let release = ["--release", "--no-default-features"];
    let wheel = environment.wheel(&scratch.join("wheels"), &release)?.display().to_string();
    environment.install(&["--force-reinstall", "--no-deps", &wheel])?;
    let packages = scratch.join("packages").display().to_string();
    let mut into = vec!["--upgrade", "--target", &packages];
    environment.install(&[&into[..], &["--no-deps", &wheel]].concat())?;
    if let Some(version) = &args.python_version {
        into.extend(["--only-binary", ":all:", "--python-version", version]);
    }
    install(&environment, &["measure.txt"], &into)?;
    if let Err(why) = build("shiftformer-oracle", ["--bin", "tract_time"], &scratch.join("tract")) {
        eprintln!("tract is left out: {why}");
    }
    for (model, made) in ROW_MAXIMUM {
        let folder = scratch.join("models").join(model);
        fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        row_maximum(model, &made, scratch, &folder.join("row-maximum.shf"))?;
    }
    let mut prepare = environment.python(&[&format!("{SCRIPTS}/prepare.py")]);
    prepare.arg(scratch).args(["--tract", &tract_version()?]);
    prepare.args(args.models.iter().flat_map(|models| ["--models", models]));
    process::run(&mut prepare)?;
    Ok(environment.interpreter())
}

/// Installs the packages that `lists` name, each by itself: one that cannot be installed is named, and
/// what needs it is left out.
fn install(environment: &Environment, lists: &[&str], how: &[&str]) -> Outcome {
    for list in lists {
        let path = root().join(SCRIPTS).join(list);
        let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {list}: {error}"))?;
        for package in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Err(why) = environment.install(&[how, &[package]].concat()) {
                eprintln!("{package} is left out: {why}");
            }
        }
    }
    Ok(())
}

/// Writes the program of `model` to `path`.
fn row_maximum(model: &str, made: &RowMaximum, scratch: &Path, path: &Path) -> Outcome {
    match made {
        RowMaximum::Checkpoint(file) => copy(&root().join(file), path),
        RowMaximum::Random => {
            let program = scratch.join("random");
            build("shiftformer-converter", ["--example", "random"], &program)?;
            process::run(command(&program.display().to_string(), &[model]).arg(path))
        }
    }
}

/// Builds a program of `package` for speed, and puts it at `path`.
fn build(package: &str, which: [&str; 2], path: &Path) -> Outcome {
    process::run(&mut cargo(&[&["build", "--release", "--package", package], &which[..]].concat()))?;
    let folder = if which[0] == "--example" { "release/examples" } else { "release" };
    copy(&target_dir().join(folder).join(which[1]), path)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to).map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
    Ok(())
}

/// The version of tract that is built.
fn tract_version() -> Result<String, String> {
    let found = stdout(&mut cargo(&["pkgid", "tract-onnx"]));
    let version = found.as_deref().and_then(|id| id.trim().rsplit(['@', '#']).next());
    version.map(str::to_owned).ok_or_else(|| "cargo knows no version of tract-onnx".to_owned())
}

/// Writes the tables of `results` into the document.
fn write_tables(results: &Path) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", results.display());
    let text = fs::read_to_string(results).map_err(|error| failed(&error))?;
    let found: serde_json::Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    for name in TABLES {
        let rows: Vec<Vec<String>> =
            serde_json::from_value(found["tables"][name].clone()).map_err(|error| failed(&error))?;
        tables::replace(DOCUMENT, name, &rows)?;
    }
    Ok(())
}
