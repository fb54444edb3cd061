//! A linker for Android where there is no NDK, for checks: that of the Rust toolchain, against
//! libraries that export the names that `allowed` lists and nothing else. A name that is missing
//! there does not link.

use super::allowed::ANDROID;
use super::android::Abi;
use super::{files, library};
use crate::process::{self, command, stdout};

/// The libraries that the standard library names when it is linked for Android. The last one is no
/// library of a phone: the NDK has it as code that becomes part of ours.
const LIBRARIES: &[&str] = &["c", "m", "dl", "log", "unwind"];

/// What rustc has to be told to link for `abi`.
pub fn arguments(abi: &Abi) -> Result<Vec<String>, String> {
    let host = stdout(&mut command("rustc", &["--print", "host-tuple"])).ok_or("rustc does not start")?;
    let linker = library::toolchain(&format!("{}/bin/rust-lld", host.trim()))?.display().to_string();
    let folder = library::folder().join("checks/system").join(abi.name);
    for name in LIBRARIES {
        let groups = ANDROID.iter().filter(|group| group.library == *name);
        let names: String =
            groups.flat_map(|group| group.names).map(|name| format!("{name} = 0;\n")).collect();
        // A script that only gives symbols their values makes a library of nothing but names.
        let script = folder.join(format!("{name}.ld"));
        files::write(&script, names.as_bytes())?;
        let [script, library] =
            [script, folder.join(format!("lib{name}.so"))].map(|p| p.display().to_string());
        let soname = format!("lib{name}.so");
        let link = ["-flavor", "gnu", "-m", abi.emulation, "-shared", "-soname", &soname, "-o", &library];
        process::run(&mut command(&linker, &[&link[..], &[&script]].concat()))?;
    }
    Ok(vec![
        format!("-Clinker={linker}"),
        "-Clinker-flavor=ld.lld".to_owned(),
        "-Clink-arg=-zdefs".to_owned(),
        format!("-L{}", folder.display()),
    ])
}
