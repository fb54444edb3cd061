//! Firmware in C with the static library of `firmware/c`, in QEMU: the example's logits
//! against the reference, what is refused, and that a panic does not link.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use boards::Core;
use boards::firmware::{Artifact, Firmware, folder};
use converter::BuildOptions;
use program::{Container, repack, write};
use quant::Reference;
use quant::arith::argmax;
use quant::ops::Tensor;
use quant::pack::Packs;
use runtime::{Arena, Model, Progress, Session};
use shiftformer_tests::data;
use shiftformer_tests::memory::Aligned;

const CORE: &[&str] = &["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"];
const STRICT: &[&str] = &["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Os", "-ffreestanding"];
const LINK: &[&str] = &["-nostdlib", "-Wl,--gc-sections,-z,noexecstack,--fatal-warnings"];
const MODEL: u32 = 0x2100_0000;
const IMAGES: u32 = 0x2180_0000;
const IMAGE_COUNT: usize = 4;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn target() -> PathBuf {
    folder(root())
}

/// Runs to the end: whether it succeeded, and what it wrote to both outputs.
fn run(program: &str, args: &[&OsStr]) -> (bool, String) {
    let mut command = Command::new(program);
    command.current_dir(root()).args(args);
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), text.concat())
}

/// The static library with `features`.
fn library(features: &[&str]) -> PathBuf {
    let package = Firmware::new("shiftformer-c", Core::CortexM4);
    Firmware { artifact: Artifact::Library("libshiftformer.a"), features, ..package }.build(root()).unwrap()
}

/// Links `source` with the example's start-up code and `library`.
fn link(source: &str, library: &Path) -> Result<PathBuf, String> {
    let program = target().join(Path::new(source).with_extension("elf").file_name().unwrap());
    let mut args: Vec<&OsStr> = [CORE, STRICT, LINK].concat().into_iter().map(OsStr::new).collect();
    args.extend(
        ["-Ifirmware/c/include", "-Ifirmware/c/example", "-Tfirmware/c/example/link.ld"].map(OsStr::new),
    );
    args.extend([source, "firmware/c/example/startup.c"].map(OsStr::new));
    args.extend([library.as_os_str(), OsStr::new("-o"), program.as_os_str()]);
    let (linked, report) = run("arm-none-eabi-gcc", &args);
    if linked { Ok(program) } else { Err(report) }
}

/// Runs `program` in the emulator with `loaded` in memory, for a minute at most.
fn emulate(program: &Path, loaded: &[(&[u8], u32)]) -> (bool, String) {
    let mut args =
        ["60", "qemu-system-arm", "-machine", "mps2-an386", "-display", "none", "-monitor", "none"]
            .map(OsStr::new)
            .to_vec();
    args.extend(
        [
            "-serial",
            "none",
            "-chardev",
            "stdio,id=out",
            "-semihosting-config",
            "enable=on,target=native,chardev=out",
            "-kernel",
        ]
        .map(OsStr::new),
    );
    args.push(program.as_os_str());
    let name = program.file_stem().unwrap().to_str().unwrap();
    let loaders: Vec<String> = loaded
        .iter()
        .map(|(bytes, address)| {
            let file = target().join(format!("{name}-{address:x}.bin"));
            fs::write(&file, bytes).unwrap();
            // A comma ends a value, two are one.
            let file = file.display().to_string().replace(',', ",,");
            format!("loader,file={file},addr={address:#x},force-raw=on")
        })
        .collect();
    args.extend(loaders.iter().flat_map(|loader| ["-device".as_ref(), OsStr::new(loader)]));
    run("timeout", &args)
}

/// What the example prints for `frame`, computed by the reference.
fn expected(session: &mut Session<'_, '_>, frame: &[u8]) -> String {
    session.input(0).unwrap().copy_from_slice(frame);
    let mut steps = 0;
    while session.step(&mut Reference).unwrap() != Progress::Done {
        steps += 1;
    }
    let Some(Tensor::I32(logits)) = session.output(0) else { panic!("logits are i32") };
    let words: Vec<String> = logits.iter().map(i32::to_string).collect();
    format!("class {} steps {steps} logits {}\n", argmax(logits).unwrap(), words.join(" "))
}

/// The example's answers are the reference's, for weights as converted and as the core likes them.
fn check_answers(example: &Path, sound: &[u8]) {
    let frames = data::frames(&data::test_images(), IMAGE_COUNT);
    let images = images(&frames);
    let file = Aligned::copy(sound);
    let plain = Container::read(&Model::new(&file).unwrap());
    for packs in [Packs::CANONICAL, mcu::Dsp::PACKS] {
        let file = Aligned::copy(&write(&repack(&plain, packs)).unwrap());
        let model = Model::new(&file).unwrap();
        let mut arena = Arena::<65_536>::new();
        let mut session = Session::new(&model, arena.bytes()).unwrap();
        let answers: String = frames.iter().map(|frame| expected(&mut session, frame)).collect();
        assert_eq!(emulate(example, &[(&file, MODEL), (&images, IMAGES)]), (true, answers), "{packs:?}");
    }
}

/// A count and as many images, as the example wants them.
fn images(frames: &[Vec<u8>]) -> Vec<u8> {
    [&(frames.len() as u32).to_le_bytes()[..], &frames.concat()].concat()
}

#[test]
#[ignore = "needs arm-none-eabi-gcc and qemu-system-arm, and builds firmware"]
fn programs_in_c_equal_the_reference_and_refuse_what_they_must() {
    let sound = data::qat(BuildOptions::default());
    let library = library(&["dsp"]);
    let example = link("firmware/c/example/main.c", &library).unwrap();
    check_answers(&example, &sound);

    let mut damaged = sound.clone();
    damaged[5000] ^= 1;
    let (done, report) = emulate(&example, &[(&damaged, MODEL)]);
    assert!(!done && report.starts_with("the model is refused: the container is damaged"), "{report}");

    let refusals = link("firmware/c/tests/refusals.c", &library).unwrap();
    assert_eq!(emulate(&refusals, &[(&sound, MODEL)]), (true, "all as expected\n".to_owned()));

    let panics = self::library(&["dsp", "panics"]);
    let report = link("firmware/c/example/main.c", &panics).unwrap_err();
    assert!(report.contains("undefined reference to `shiftformer_panics'"), "{report}");
}
