//! Packages for apps: an AAR for Android, XCFrameworks and a Swift package for Apple's systems, and
//! what shows that they are whole.

use std::path::{Path, PathBuf};

use super::allowed::ANDROID;
use super::android::{self, ABIS, Abi, Linker};
use super::apple::{self, SLICES, Slice};
use super::bindings::Bindings;
use super::kotlin::Compiler;
use super::library::{self, Backend};
use super::sizes::{self, Linked};
use super::symbols::Symbols;
use super::{aar, files, framework};
use crate::outcome::Outcome;
use crate::test::Scope;

/// What goes into packages.
struct Selection {
    backends: &'static [Backend],
    abis: &'static [Abi],
    slices: &'static [Slice],
}

/// All of it.
const ALL: Selection = Selection { backends: &Backend::ALL, abis: ABIS, slices: SLICES };

impl Selection {
    fn of(scope: Scope) -> Self {
        match scope {
            // The phones of today.
            Scope::Change => Self { backends: &Backend::ALL[..1], abis: &ABIS[..1], slices: &SLICES[..1] },
            Scope::Release => ALL,
        }
    }
}

/// What packages are made of, beside libraries.
struct Sources {
    bindings: Bindings,
    /// The Kotlin classes.
    classes: PathBuf,
    /// The C functions that sources call and headers declare.
    functions: Vec<String>,
}

impl Sources {
    fn make(kotlin: &Compiler) -> Result<Self, String> {
        let bindings = Bindings::generate()?;
        let classes = kotlin.classes(&bindings)?;
        let functions = bindings.functions()?;
        Ok(Self { bindings, classes, functions })
    }
}

/// `cargo xtask mobile`: makes every package that this machine can make, and says what it cannot.
pub fn make() -> Outcome {
    let folder = library::folder();
    let sources = Sources::make(&Compiler::install()?)?;
    let mut left = Vec::new();
    if let Some(linker) = Linker::of_ndk()? {
        sizes::check(&for_android(&folder, &ALL, &linker, &sources)?)?;
    } else {
        for (abi, backend) in builds(&ALL) {
            check_archive(&library::archive(abi.target, backend)?, abi, &sources.functions)?;
        }
        left.push(
            "The packages for Android: there is no linker. The static libraries are in \
             target/mobile/libraries. With an NDK this makes the packages:\n    \
             ANDROID_NDK_HOME=/path/to/ndk cargo xtask mobile"
                .to_owned(),
        );
    }
    left.extend(for_apple(&folder, &ALL, &sources)?);
    println!("\npackages are in {}", folder.display());
    if !left.is_empty() {
        println!("\nNot made:\n{}", left.join("\n"));
    }
    Ok(())
}

/// The step of the tests: packages hold what they have to, and the Kotlin classes give the results of
/// the reference on a JVM. Without an NDK the libraries for Android are linked by a stand-in.
pub fn check(scope: Scope) -> Outcome {
    let folder = library::folder().join("checks");
    let kotlin = Compiler::install()?;
    let sources = Sources::make(&kotlin)?;
    kotlin.test(&sources.classes, scope)?;
    let selection = Selection::of(scope);
    let libraries = for_android(&folder, &selection, &linker()?, &sources)?;
    for left in for_apple(&folder, &selection, &sources)? {
        println!("not checked: {left}");
    }
    sizes::check(&libraries)
}

/// `cargo xtask mobile --sizes`: measures every library for Android, and writes the table.
pub fn write_sizes() -> Outcome {
    sizes::write(&linked(&ALL, &linker()?)?)
}

/// The linker of the NDK, or what stands in for it.
fn linker() -> Result<Linker, String> {
    Ok(Linker::of_ndk()?.unwrap_or(Linker::StandIn))
}

/// The builds for Android.
fn builds(selection: &Selection) -> impl Iterator<Item = (&'static Abi, Backend)> {
    let abis = selection.abis;
    selection.backends.iter().flat_map(move |backend| abis.iter().map(move |abi| (abi, *backend)))
}

/// Links the libraries for Android.
fn linked(selection: &Selection, linker: &Linker) -> Result<Vec<Linked>, String> {
    let link = |(abi, backend)| Ok(Linked { abi, backend, path: linker.link(abi, backend)? });
    builds(selection).map(link).collect()
}

/// Makes the packages for Android in `folder`, and checks them. Returns their libraries.
fn for_android(
    folder: &Path,
    selection: &Selection,
    linker: &Linker,
    sources: &Sources,
) -> Result<Vec<Linked>, String> {
    let libraries = linked(selection, linker)?;
    for Linked { abi, path, .. } in &libraries {
        check_archive(&path.with_extension("a"), abi, &sources.functions)?;
    }
    for backend in selection.backends {
        let name = match backend {
            Backend::Cpu => "shiftformer.aar",
            Backend::Gpu => "shiftformer-gpu.aar",
        };
        let package = folder.join(name);
        let chosen: Vec<&Linked> = libraries.iter().filter(|linked| linked.backend == *backend).collect();
        android::write(&package, &sources.classes, &chosen)?;
        aar::check(&package, selection.abis, &sources.functions)?;
        println!("{}: holds what it has to", package.display());
    }
    Ok(libraries)
}

/// Whether a static library for Android defines what it has to, and takes of the system what it may.
fn check_archive(archive: &Path, abi: &Abi, functions: &[String]) -> Outcome {
    let what = format!("the static library for {}", abi.name);
    let symbols = Symbols::of(&files::read(archive)?).map_err(|error| format!("{what}: {error}"))?;
    symbols.defines(&what, functions)?;
    symbols.check(&what, ANDROID)
}

/// Makes the packages for Apple's systems in `folder`, and checks them. Returns what could not be
/// made.
fn for_apple(folder: &Path, selection: &Selection, sources: &Sources) -> Result<Vec<String>, String> {
    let mut left = Vec::new();
    let mut slices = Vec::new();
    for slice in selection.slices {
        match slice.lacks().as_slice() {
            [] => slices.push(slice),
            lacking => left.push(format!(
                "{}: the toolchain has no standard library for {targets}. Where rustup has it, this makes it:\n    \
                 rustup target add {targets} && cargo xtask mobile",
                slice.identifier,
                targets = lacking.join(" "),
            )),
        }
    }
    for backend in selection.backends {
        apple::write(folder, &sources.bindings, *backend, &slices)?;
        let framework = apple::framework(folder, *backend);
        framework::check(&framework, &slices, &sources.functions)
            .map_err(|error| format!("{}: {error}", framework.display()))?;
        println!("{}: holds what it has to", framework.display());
    }
    Ok(left)
}
