//! The packages for Apple's systems: XCFrameworks of static libraries, and the Swift package around
//! them.

use std::path::{Path, PathBuf};

use object::endian::{BigEndian, U32};
use object::macho::{self, FatArch32, FatHeader};
use object::pod::bytes_of;

use super::bindings::{self, Bindings, Swift};
use super::files;
use super::library::{self, Backend};
use crate::outcome::Outcome;

/// A processor of Apple's machines.
pub struct Processor {
    /// Its name in packages.
    pub name: &'static str,
    /// Rust's name of the system on it.
    pub target: &'static str,
    /// Its type and subtype in a file for several processors.
    kind: (u32, u32),
}

/// A library of an XCFramework.
pub struct Slice {
    /// Its folder.
    pub identifier: &'static str,
    /// Its system, and what distinguishes a simulator.
    pub platform: &'static str,
    pub variant: Option<&'static str>,
    /// The system's number in object files, and the command of older ones that has its version.
    pub number: u32,
    pub minimum: u32,
    /// The processors that its one file holds code for.
    pub processors: &'static [Processor],
}

const ARM64: (u32, u32) = (macho::CPU_TYPE_ARM64, macho::CPU_SUBTYPE_ARM64_ALL);
const X86_64: (u32, u32) = (macho::CPU_TYPE_X86_64, macho::CPU_SUBTYPE_X86_64_ALL);

/// All of them, that of phones first.
pub const SLICES: &[Slice] = &[
    Slice {
        identifier: "ios-arm64",
        platform: "ios",
        variant: None,
        number: macho::PLATFORM_IOS,
        minimum: macho::LC_VERSION_MIN_IPHONEOS,
        processors: &[Processor { name: "arm64", target: "aarch64-apple-ios", kind: ARM64 }],
    },
    Slice {
        identifier: "ios-arm64_x86_64-simulator",
        platform: "ios",
        variant: Some("simulator"),
        number: macho::PLATFORM_IOSSIMULATOR,
        minimum: macho::LC_VERSION_MIN_IPHONEOS,
        processors: &[
            Processor { name: "arm64", target: "aarch64-apple-ios-sim", kind: ARM64 },
            Processor { name: "x86_64", target: "x86_64-apple-ios", kind: X86_64 },
        ],
    },
    Slice {
        identifier: "macos-arm64_x86_64",
        platform: "macos",
        variant: None,
        number: macho::PLATFORM_MACOS,
        minimum: macho::LC_VERSION_MIN_MACOSX,
        processors: &[
            Processor { name: "arm64", target: "aarch64-apple-darwin", kind: ARM64 },
            Processor { name: "x86_64", target: "x86_64-apple-darwin", kind: X86_64 },
        ],
    },
];

/// The library in each folder of an XCFramework, and the folder of its headers.
pub const LIBRARY: &str = "libshiftformer_mobile.a";
pub const HEADERS: &str = "Headers";

impl Slice {
    /// The targets of it whose standard library is not to be had.
    pub fn lacks(&self) -> Vec<&'static str> {
        let targets = self.processors.iter().map(|processor| processor.target);
        targets.filter(|target| !library::has_target(target)).collect()
    }
}

/// The XCFramework with `backend` in `folder`.
pub fn framework(folder: &Path, backend: Backend) -> PathBuf {
    folder.join(format!("{}.xcframework", backend.swift().module))
}

/// Writes the XCFramework of `slices` and the Swift sources beside it.
pub fn write(folder: &Path, bindings: &Bindings, backend: Backend, slices: &[&Slice]) -> Outcome {
    let Swift { module, functions } = backend.swift();
    let framework = framework(folder, backend);
    files::clear(&framework)?;
    for slice in slices {
        let place = framework.join(slice.identifier);
        let mut archives = Vec::new();
        for processor in slice.processors {
            let archive = library::archive(processor.target, backend)?;
            archives.push((processor, files::read(&archive)?));
        }
        files::write(&place.join(LIBRARY), &joined(&archives))?;
        // A folder for each module: two module maps in one folder would be one file.
        let headers = place.join(HEADERS);
        let header = bindings.swift(backend, "h");
        files::copy(&header, &headers.join(functions).join(format!("{functions}.h")))?;
        files::copy(
            &bindings.swift(backend, "modulemap"),
            &headers.join(functions).join("module.modulemap"),
        )?;
        let c = headers.join(format!("{module}C"));
        files::copy(&bindings::header(), &c.join("shiftformer.h"))?;
        let map = format!("module {module}C {{\n    header \"shiftformer.h\"\n    export *\n}}\n");
        files::write(&c.join("module.modulemap"), map.as_bytes())?;
    }
    files::write(&framework.join("Info.plist"), properties(slices).as_bytes())?;
    let source = folder.join("Sources").join(module).join(format!("{module}.swift"));
    files::copy(&bindings.swift(backend, "swift"), &source)?;
    library::packaged("apple/Package.swift", &folder.join("Package.swift"))
}

/// One file for several processors: a header that says where the archive of each begins. For one
/// processor it is the archive itself.
fn joined(archives: &[(&Processor, Vec<u8>)]) -> Vec<u8> {
    /// Two to this power is what the beginning of each archive is a multiple of.
    const ALIGN: u32 = 3;
    if let [(_, archive)] = archives {
        return archive.clone();
    }
    let word = |value: usize| U32::new(BigEndian, u32::try_from(value).expect("an archive below 4 GiB"));
    let header = FatHeader { magic: U32::new(BigEndian, macho::FAT_MAGIC), nfat_arch: word(archives.len()) };
    let mut offset = size_of::<FatHeader>() + archives.len() * size_of::<FatArch32>();
    let mut head = bytes_of(&header).to_vec();
    let mut body = Vec::new();
    let first = offset;
    for (processor, archive) in archives {
        offset = offset.next_multiple_of(1 << ALIGN);
        let (cputype, cpusubtype) = processor.kind;
        head.extend(bytes_of(&FatArch32 {
            cputype: U32::new(BigEndian, cputype),
            cpusubtype: U32::new(BigEndian, cpusubtype),
            offset: word(offset),
            size: word(archive.len()),
            align: U32::new(BigEndian, ALIGN),
        }));
        body.resize(offset - first, 0);
        body.extend(archive);
        offset += archive.len();
    }
    [head, body].concat()
}

/// The property list that tells Xcode which library is for which system.
fn properties(slices: &[&Slice]) -> String {
    let libraries: String = slices.iter().map(|slice| entry(slice)).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>AvailableLibraries</key>
    <array>
{libraries}    </array>
    <key>CFBundlePackageType</key>
    <string>XFWK</string>
    <key>XCFrameworkFormatVersion</key>
    <string>1.0</string>
</dict>
</plist>
"#
    )
}

fn entry(slice: &Slice) -> String {
    let processors: String = slice
        .processors
        .iter()
        .map(|processor| format!("                <string>{}</string>\n", processor.name))
        .collect();
    let string = |key: &str, value: &str| {
        format!("            <key>{key}</key>\n            <string>{value}</string>\n")
    };
    let variant = slice.variant.map(|variant| string("SupportedPlatformVariant", variant));
    [
        "        <dict>\n".to_owned(),
        string("BinaryPath", LIBRARY),
        string("HeadersPath", HEADERS),
        string("LibraryIdentifier", slice.identifier),
        string("LibraryPath", LIBRARY),
        "            <key>SupportedArchitectures</key>\n            <array>\n".to_owned(),
        processors,
        "            </array>\n".to_owned(),
        string("SupportedPlatform", slice.platform),
        variant.unwrap_or_default(),
        "        </dict>\n".to_owned(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use object::read::macho::MachOFatFile32;

    use super::*;

    #[test]
    fn a_file_for_two_processors_holds_both_archives() {
        let [arm, intel] = [&SLICES[2].processors[0], &SLICES[2].processors[1]];
        let both = joined(&[(arm, vec![1; 13]), (intel, vec![2; 5])]);
        let file = MachOFatFile32::parse(&*both).expect("what was written");
        let parts: Vec<_> = file
            .arches()
            .iter()
            .map(|arch| {
                (
                    object::read::macho::FatArch::architecture(arch),
                    object::read::macho::FatArch::data(arch, &*both),
                )
            })
            .collect();
        assert_eq!(
            parts,
            [
                (object::Architecture::Aarch64, Ok(&[1; 13][..])),
                (object::Architecture::X86_64, Ok(&[2; 5][..]))
            ]
        );
        assert_eq!(joined(&[(arm, vec![1; 13])]), [1; 13]);
    }

    #[test]
    fn folders_are_named_after_what_they_hold() {
        for slice in SLICES {
            let processors: Vec<&str> = slice.processors.iter().map(|processor| processor.name).collect();
            let variant = slice.variant.map_or(String::new(), |variant| format!("-{variant}"));
            assert_eq!(slice.identifier, format!("{}-{}{variant}", slice.platform, processors.join("_")));
        }
        assert_eq!(LIBRARY, format!("lib{}.a", library::NAME));
    }
}
