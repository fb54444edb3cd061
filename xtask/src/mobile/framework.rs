//! What an XCFramework has to hold.

use std::path::Path;

use object::endian::Endianness;
use object::read::archive::ArchiveFile;
use object::read::macho::{FatArch, LoadCommandVariant, MachOFatFile32, MachOFile64};
use object::{Architecture, Object};
use roxmltree::{Document, Node, ParsingOptions};

use super::allowed::APPLE;
use super::apple::{Processor, Slice};
use super::files;
use super::symbols::Symbols;
use crate::outcome::Outcome;

/// Checks the XCFramework at `path` against its property list, which has to name each of `slices`:
/// every library is there, for the system and the processors of its entry, with headers; it defines
/// `functions` and takes nothing else from the system than is allowed.
pub fn check(path: &Path, slices: &[&Slice], functions: &[String]) -> Outcome {
    let list = files::text(&path.join("Info.plist"))?;
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let list =
        Document::parse_with_options(&list, options).map_err(|error| format!("Info.plist: {error}"))?;
    let top = list.root_element().first_element_child().ok_or("Info.plist is empty")?;
    if text(top, "CFBundlePackageType") != "XFWK" {
        return Err("Info.plist is not that of an XCFramework".into());
    }
    let entries: Vec<Node<'_, '_>> = elements(top, "AvailableLibraries").collect();
    if entries.len() != slices.len() {
        return Err(format!("Info.plist names {} libraries instead of {}", entries.len(), slices.len()));
    }
    for slice in slices {
        let entry = entries.iter().find(|entry| text(**entry, "LibraryIdentifier") == slice.identifier);
        let entry = entry.ok_or_else(|| format!("Info.plist does not name {}", slice.identifier))?;
        check_entry(path, slice, *entry, functions)
            .map_err(|error| format!("{}: {error}", slice.identifier))?;
    }
    Ok(())
}

/// The value that stands behind `key` in a dictionary of the list.
fn value<'d>(dictionary: Node<'d, 'd>, key: &str) -> Option<Node<'d, 'd>> {
    let key = dictionary.children().find(|node| node.has_tag_name("key") && node.text() == Some(key))?;
    key.next_sibling_element()
}

fn text<'d>(dictionary: Node<'d, 'd>, key: &str) -> &'d str {
    value(dictionary, key).and_then(|node| node.text()).unwrap_or_default()
}

fn elements<'d>(dictionary: Node<'d, 'd>, key: &str) -> impl Iterator<Item = Node<'d, 'd>> {
    value(dictionary, key).into_iter().flat_map(|node| node.children()).filter(Node::is_element)
}

fn check_entry(path: &Path, slice: &Slice, entry: Node<'_, '_>, functions: &[String]) -> Outcome {
    let system = [text(entry, "SupportedPlatform"), text(entry, "SupportedPlatformVariant")];
    if system != [slice.platform, slice.variant.unwrap_or_default()] {
        return Err(format!("the list says {}", system.join(" ")));
    }
    let listed: Vec<&str> =
        elements(entry, "SupportedArchitectures").filter_map(|node| node.text()).collect();
    if listed != Vec::from_iter(slice.processors.iter().map(|processor| processor.name)) {
        return Err(format!("the list says {}", listed.join(", ")));
    }
    let folder = path.join(slice.identifier);
    check_headers(&folder.join(text(entry, "HeadersPath")))?;
    let library = files::read(&folder.join(text(entry, "LibraryPath")))?;
    let archives = archives(&library)?;
    if archives.len() != slice.processors.len() {
        return Err(format!("the library is for {} processors", archives.len()));
    }
    for (processor, archive) in slice.processors.iter().zip(archives) {
        let what = format!("the library for {}", processor.name);
        check_objects(archive, slice, processor).map_err(|error| format!("{what}: {error}"))?;
        let symbols = Symbols::of(archive).map_err(|error| format!("{what}: {error}"))?;
        symbols.defines(&what, functions)?;
        symbols.check(&what, APPLE)?;
    }
    Ok(())
}

/// The archives of a library, one for each processor.
fn archives(library: &[u8]) -> Result<Vec<&[u8]>, String> {
    let Ok(file) = MachOFatFile32::parse(library) else { return Ok(vec![library]) };
    let archives = file.arches().iter().map(|arch| arch.data(library).map_err(|error| error.to_string()));
    archives.collect()
}

/// Whether the code of an archive is for the processor and the system of its entry. What an assembler
/// made for any system names none.
fn check_objects(archive: &[u8], slice: &Slice, processor: &Processor) -> Outcome {
    let failed = |error: object::Error| error.to_string();
    let mut named = 0;
    for member in ArchiveFile::parse(archive).map_err(failed)?.members() {
        let data = member.and_then(|member| member.data(archive)).map_err(failed)?;
        let object = MachOFile64::<Endianness>::parse(data).map_err(failed)?;
        let expected = if processor.name == "arm64" { Architecture::Aarch64 } else { Architecture::X86_64 };
        if object.architecture() != expected {
            return Err(format!("holds code for {:?}", object.architecture()));
        }
        let ours = is_for(&object, slice).map_err(failed)?;
        if ours == Some(false) {
            return Err("holds code for another system".into());
        }
        named += usize::from(ours.is_some());
    }
    if named == 0 { Err("no object names its system".into()) } else { Ok(()) }
}

/// Whether an object is for the system of `slice`, if it names one. The older of the two commands that do
/// so does not tell a simulator from a phone.
fn is_for(object: &MachOFile64<'_, Endianness>, slice: &Slice) -> object::Result<Option<bool>> {
    let endian = object.endian();
    let mut commands = object.macho_load_commands()?;
    while let Some(command) = commands.next()? {
        match command.variant()? {
            LoadCommandVariant::BuildVersion(version) => {
                return Ok(Some(version.platform.get(endian) == slice.number));
            }
            LoadCommandVariant::VersionMin(version) => {
                return Ok(Some(version.cmd.get(endian) == slice.minimum));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Every module map names headers that are there.
fn check_headers(folder: &Path) -> Outcome {
    let modules = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let modules: Vec<_> = modules.filter_map(|module| Some(module.ok()?.path())).collect();
    if modules.is_empty() {
        return Err("has no headers".into());
    }
    for module in modules {
        let map = files::text(&module.join("module.modulemap"))?;
        let header = map.split_once("header \"").and_then(|(_, rest)| rest.split_once('"'));
        let (header, _) = header.ok_or_else(|| format!("{} has a map without a header", module.display()))?;
        files::text(&module.join(header))?;
    }
    Ok(())
}
