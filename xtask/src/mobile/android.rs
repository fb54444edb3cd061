//! The package for Android: an AAR with the library for three processors and the Kotlin classes.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::files;
use super::library::{self, Backend, NAME};
use super::sizes::Linked;
use super::standin;
use crate::outcome::Outcome;

/// A processor of Android.
pub struct Abi {
    /// Its name in packages.
    pub name: &'static str,
    /// Rust's name.
    pub target: &'static str,
    /// The beginning of the name of the NDK's compiler.
    clang: &'static str,
    /// What the linker calls its files.
    pub emulation: &'static str,
    /// What an ELF file calls it.
    pub machine: object::Architecture,
}

/// All of them, that of today's phones first.
pub const ABIS: &[Abi] = &[
    Abi {
        name: "arm64-v8a",
        target: "aarch64-linux-android",
        clang: "aarch64-linux-android",
        emulation: "aarch64linux",
        machine: object::Architecture::Aarch64,
    },
    Abi {
        name: "x86_64",
        target: "x86_64-linux-android",
        clang: "x86_64-linux-android",
        emulation: "elf_x86_64",
        machine: object::Architecture::X86_64,
    },
    Abi {
        name: "armeabi-v7a",
        target: "armv7-linux-androideabi",
        clang: "armv7a-linux-androideabi",
        emulation: "armelf_linux_eabi",
        machine: object::Architecture::Arm,
    },
];

/// The oldest Android that the library is linked for, 7.0: the first whose loader is sure to read packed
/// relocations.
const API: u32 = 24;

/// Bytes of a page on the phones with the largest ones. Google Play takes no library that is laid
/// out for smaller pages.
pub const PAGE: u64 = 16384;

/// What makes a library smaller: one body for functions that are the same, packed relocations, the one
/// table of names that every such Android reads, and strings that share their ends.
const SMALLER: [&str; 4] = ["--icf=all", "--pack-dyn-relocs=android", "--hash-style=gnu", "-O2"];

/// What links for Android.
pub enum Linker {
    /// The compilers of an NDK, in this folder.
    Ndk(PathBuf),
    /// The linker that Rust brings, against libraries that only name what Android has. What it makes
    /// shows that nothing is missing, and is no library for a phone.
    StandIn,
}

impl Linker {
    /// That of the NDK, if `ANDROID_NDK_HOME` has one.
    pub fn of_ndk() -> Result<Option<Self>, String> {
        let Some(home) = env::var_os("ANDROID_NDK_HOME") else { return Ok(None) };
        let hosts = Path::new(&home).join("toolchains/llvm/prebuilt");
        let host = fs::read_dir(&hosts).ok().and_then(|mut hosts| hosts.find_map(Result::ok));
        let host = host.ok_or_else(|| format!("ANDROID_NDK_HOME has no compiler in {}", hosts.display()))?;
        Ok(Some(Self::Ndk(host.path().join("bin"))))
    }

    /// What rustc has to be told to link with it.
    fn arguments(&self, abi: &Abi) -> Result<Vec<String>, String> {
        let layout = [format!("-zmax-page-size={PAGE}"), format!("-soname=lib{NAME}.so")];
        let options = [&layout[..], &SMALLER.map(str::to_owned)].concat();
        let link_args =
            |head: &str| options.iter().map(|option| format!("-Clink-arg={head}{option}")).collect();
        match self {
            Self::Ndk(folder) => {
                let clang = folder.join(format!("{}{API}-clang", abi.clang));
                let linker = vec![format!("-Clinker={}", clang.display())];
                Ok([linker, link_args("-Wl,")].concat())
            }
            Self::StandIn => Ok([standin::arguments(abi)?, link_args("")].concat()),
        }
    }

    /// Links the library for `abi`. The static one lies beside it.
    pub fn link(&self, abi: &Abi, backend: Backend) -> Result<PathBuf, String> {
        library::both(abi.target, backend, &self.arguments(abi)?)
    }
}

/// A file of the package: its name in it, and where it lies.
type Part = (String, PathBuf);

/// Writes the package with the Kotlin classes in `classes` and a library for each processor.
pub fn write(package: &Path, classes: &Path, libraries: &[&Linked]) -> Outcome {
    let fixed = ["AndroidManifest.xml", "R.txt", "proguard.txt", METADATA];
    let file = |name: &str| library::packaging(&format!("android/{name}"));
    let mut parts: Vec<Part> = fixed.iter().map(|name| ((*name).to_owned(), file(name))).collect();
    parts.push(("classes.jar".to_owned(), classes.to_owned()));
    parts.extend(libraries.iter().map(|library| (entry(library.abi), library.path.clone())));
    write_zip(package, &parts)
}

/// What tells Gradle which SDK an app has to be compiled with.
pub const METADATA: &str = "META-INF/com/android/build/gradle/aar-metadata.properties";

/// The library for `abi` in a package.
pub fn entry(abi: &Abi) -> String {
    format!("jni/{}/lib{NAME}.so", abi.name)
}

fn write_zip(package: &Path, parts: &[Part]) -> Outcome {
    let failed = |error: String| format!("cannot write {}: {error}", package.display());
    files::write(package, &[])?;
    let file = File::create(package).map_err(|error| failed(error.to_string()))?;
    let mut zip = ZipWriter::new(file);
    for (name, path) in parts {
        zip.start_file(name, SimpleFileOptions::default()).map_err(|error| failed(error.to_string()))?;
        zip.write_all(&files::read(path)?).map_err(|error| failed(error.to_string()))?;
    }
    zip.finish().map(drop).map_err(|error| failed(error.to_string()))
}
