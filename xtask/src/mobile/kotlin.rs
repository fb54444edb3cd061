//! Kotlin: the compiler, the classes of the package, and the tests of both on a JVM.

use std::path::{Path, PathBuf};

use super::bindings::Bindings;
use super::{c, files, library};
use crate::outcome::Outcome;
use crate::process::{self, command, root, target_dir};
use crate::test::Scope;

/// What names the compiler's version, with the digest of its package.
const PINS: [&str; 2] = ["package.json", "package-lock.json"];

/// Sources of the tests.
const TESTS: &str = "targets/mobile/tests/kotlin";
/// The part of the example for Android that needs no Android: the tests compile and run it.
const EXAMPLE: &str =
    "targets/mobile/examples/android/app/src/main/kotlin/dev/shiftformer/example/Classifier.kt";

/// Java's access to libraries in C, by which the generated sources call ours.
const JNA: &str = "/usr/share/java/jna.jar";

/// Oldest Kotlin whose compiler reads our classes is one before this.
const LANGUAGE: &str = "2.2";
/// The version of class files, which every version of Android takes.
const CLASSES: &str = "1.8";

/// The Kotlin compiler.
pub struct Compiler {
    libraries: PathBuf,
}

impl Compiler {
    /// Installs it where that was not done before. It is a program for a JVM, packaged for npm.
    pub fn install() -> Result<Self, String> {
        let folder = library::folder().join("kotlin");
        let libraries = folder.join("node_modules/kotlin-compiler/lib");
        let pinned = |name: &&str| {
            let [ours, theirs] =
                [root().join(TESTS), folder.clone()].map(|place| files::read(&place.join(name)));
            ours.is_ok() && ours == theirs
        };
        if !libraries.exists() || !PINS.iter().all(pinned) {
            for name in PINS {
                files::copy(&root().join(TESTS).join(name), &folder.join(name))?;
            }
            let place = folder.display().to_string();
            let install = ["ci", "--prefix", &place, "--ignore-scripts", "--no-audit", "--no-fund"];
            process::run(&mut command("npm", &install))?;
        }
        Ok(Self { libraries })
    }

    fn library(&self, name: &str) -> String {
        self.libraries.join(name).display().to_string()
    }

    /// Compiles `sources` against the jars of `classpath` to the jar `to`.
    fn compile(&self, sources: &[PathBuf], classpath: &[&str], to: &Path) -> Outcome {
        let sources: Vec<String> = sources.iter().map(|source| source.display().to_string()).collect();
        let [compiler, preloader] =
            ["kotlin-compiler.jar", "kotlin-preloader.jar"].map(|name| self.library(name));
        let java = ["-Xmx1g", "-cp", &preloader, "org.jetbrains.kotlin.preloading.Preloader"];
        let kotlin = ["-cp", &compiler, "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-no-reflect"];
        let versions = ["-language-version", LANGUAGE, "-api-version", LANGUAGE, "-jvm-target", CLASSES];
        let (classpath, to) = (classpath.join(":"), to.display().to_string());
        let files = ["-classpath", &classpath, "-d", &to];
        process::run(command("java", &[&java[..], &kotlin, &versions, &files].concat()).args(sources))
    }

    /// Compiles the generated sources: the classes of the package.
    pub fn classes(&self, bindings: &Bindings) -> Result<PathBuf, String> {
        let jar = library::folder().join("classes.jar");
        self.compile(&[bindings.kotlin()], &[JNA], &jar)?;
        Ok(jar)
    }

    /// Runs the tests against the library for this machine: models, frames and what the reference
    /// makes of them come from the example `apps`.
    pub fn test(&self, classes: &Path, scope: Scope) -> Outcome {
        let images = match scope {
            Scope::Change => "1000",
            Scope::Release => "10000",
        };
        let cases = c::inputs(images)?.display().to_string();
        let jar = library::folder().join("tests.jar");
        let tests = ["Logits.kt", "Cases.kt"].map(|name| root().join(TESTS).join(name));
        let classes = classes.display().to_string();
        self.compile(&[&tests[..], &[root().join(EXAMPLE)]].concat(), &[JNA, &classes], &jar)?;
        let [jar, libraries] = [jar, target_dir().join("debug")].map(|path| path.display().to_string());
        let classpath = [&jar, &classes, &self.library("kotlin-stdlib.jar"), JNA].join(":");
        let path = format!("-Djna.library.path={libraries}");
        process::run(&mut command(
            "java",
            &[&path, "-cp", &classpath, "dev.shiftformer.test.LogitsKt", &cases],
        ))
    }
}
