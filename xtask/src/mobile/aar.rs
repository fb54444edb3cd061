//! What a package for Android has to hold.

use std::collections::BTreeSet;
use std::io::{Cursor, Read, Seek};
use std::path::Path;

use object::endian::Endianness;
use object::read::elf::{ElfFile, FileHeader, ProgramHeader};
use object::{Architecture, Object, ObjectSection, elf};
use roxmltree::Document;
use zip::ZipArchive;

use super::android::{self, Abi};
use super::files;
use super::symbols::all_defined;
use crate::outcome::Outcome;

/// The package of the Kotlin classes.
const CLASSES: &str = "dev/shiftformer";

type Zip<R> = ZipArchive<R>;

/// Checks the AAR at `path`, which has a library for each of `abis` that defines `functions`.
pub fn check(path: &Path, abis: &[Abi], functions: &[String]) -> Outcome {
    let bytes = files::read(path)?;
    let mut zip = open(&bytes, "the package")?;
    let manifest =
        String::from_utf8(part(&mut zip, "AndroidManifest.xml")?).map_err(|error| error.to_string())?;
    let manifest = Document::parse(&manifest).map_err(|error| format!("AndroidManifest.xml: {error}"))?;
    if manifest.root_element().attribute("package") != Some(&*CLASSES.replace('/', ".")) {
        return Err("AndroidManifest.xml does not name the package".into());
    }
    for name in ["R.txt", "proguard.txt", android::METADATA] {
        part(&mut zip, name)?;
    }
    let jar = part(&mut zip, "classes.jar")?;
    let mut jar = open(&jar, "classes.jar")?;
    for class in ["Answer", "CameraFrame", "Model", "Session", "ShiftformerException"] {
        let code = part(&mut jar, &format!("{CLASSES}/{class}.class"))?;
        if !code.starts_with(&[0xca, 0xfe, 0xba, 0xbe]) {
            return Err(format!("classes.jar: {class} is no class"));
        }
    }
    let libraries =
        zip.file_names().filter(|name| name.as_ref().is_ok_and(|name| name.starts_with("jni/"))).count();
    if libraries != abis.len() {
        return Err(format!("the package has {libraries} libraries, and {} were put into it", abis.len()));
    }
    for abi in abis {
        let name = android::entry(abi);
        let library = part(&mut zip, &name)?;
        check_shared(&library, abi, functions).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn open<'b>(bytes: &'b [u8], what: &str) -> Result<Zip<Cursor<&'b [u8]>>, String> {
    ZipArchive::new(Cursor::new(bytes)).map_err(|error| format!("{what} is no archive: {error}"))
}

fn part<R: Read + Seek>(zip: &mut Zip<R>, name: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut file = zip.by_name(name).map_err(|error| format!("{name}: {error}"))?;
    file.read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
    Ok(bytes)
}

/// Checks a shared library: its processor, its segments, what it exports, and that it is stripped.
fn check_shared(library: &[u8], abi: &Abi, functions: &[String]) -> Outcome {
    match abi.machine {
        Architecture::Arm => check_elf::<elf::FileHeader32<Endianness>>(library, abi, functions),
        _ => check_elf::<elf::FileHeader64<Endianness>>(library, abi, functions),
    }
}

fn check_elf<E: FileHeader<Endian = Endianness>>(library: &[u8], abi: &Abi, functions: &[String]) -> Outcome {
    let file = ElfFile::<E>::parse(library).map_err(|error| error.to_string())?;
    if file.architecture() != abi.machine {
        return Err(format!("is for {:?}", file.architecture()));
    }
    if file.symbols().next().is_some() || file.sections().any(|section| is_debug(&section)) {
        return Err("is not stripped".into());
    }
    let endian = file.endian();
    for segment in file.elf_program_headers().iter().filter(|header| header.p_type(endian) == elf::PT_LOAD) {
        let [align, address, offset] =
            [segment.p_align(endian), segment.p_vaddr(endian), segment.p_offset(endian)]
                .map(Into::<u64>::into);
        if align % android::PAGE != 0 || address % align != offset % align {
            return Err(format!("a segment at {address:#x} is laid out for pages of {align} bytes"));
        }
    }
    let exports = file.exports().map_err(|error| error.to_string())?;
    let exports: BTreeSet<String> =
        exports.iter().map(|export| String::from_utf8_lossy(export.name()).into_owned()).collect();
    all_defined("it", functions, &exports)
}

fn is_debug<'d>(section: &impl ObjectSection<'d>) -> bool {
    section.name().is_ok_and(|name| name.starts_with(".debug"))
}
