//! Whole firmware in QEMU: its answers against the reference, its refusals, a bad line.

mod c_firmware;
mod full;
mod shelf;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use converter::BuildOptions;
use object::{Object, ObjectSection, SectionKind};
use quant::op::OpKind;
use shiftformer::device::link::{HostError, Line, MemoryUse, Patience};
use shiftformer::device::{
    ConnectError, Emulated, EmulatedBoard, FirmwareOptions, PipeLine, build_firmware, connect,
};
use shiftformer::{Cpu, Model, Observe, PrepareError, RunError, Session};
use shiftformer_tests::data;

fn firmware(board: &EmulatedBoard) -> PathBuf {
    firmware_with(board, None)
}

fn firmware_with(board: &EmulatedBoard, ops: Option<&[OpKind]>) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    build_firmware(board.description, root, FirmwareOptions { ops, ..FirmwareOptions::default() }).unwrap()
}

fn board(name: &str) -> &'static EmulatedBoard {
    EmulatedBoard::by_name(name).unwrap()
}

fn model(container: &[u8]) -> Model {
    Model::from_bytes("the model", container).unwrap()
}

/// `model` on an emulator of `board` whose flash holds `flash`.
fn start(board: &EmulatedBoard, image: &Path, flash: &[u8], model: &Model) -> Result<Session, PrepareError> {
    let line = board.start(image, flash).unwrap();
    connect(model, board.name, line, Patience::default()).map(|(session, _)| session)
}

/// Why the model cannot run.
fn refusal(started: Result<Session, PrepareError>) -> ConnectError {
    match started {
        Err(PrepareError::Connect(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

/// As the command line runs it.
fn on(board: &'static EmulatedBoard, model: &Model) -> Session {
    model.session_on(&Emulated::new(board, firmware(board))).unwrap()
}

fn reference(model: &Model) -> Session {
    model.session_on(&Cpu::reference().with_threads(NonZeroUsize::MIN)).unwrap()
}

fn hashes(session: &mut Session, frame: &[u8]) -> Vec<(u32, u64)> {
    session.trace(frame).unwrap().iter().map(|event| (event.instruction, event.hash)).collect()
}

/// All outputs.
fn outputs(session: &mut Session, frame: &[u8]) -> Result<Vec<Vec<i32>>, RunError> {
    let outputs = session.run(frame)?;
    Ok((0..outputs.len()).map(|index| outputs.values(index).unwrap().to_vec()).collect())
}

/// Every instruction of the int8 and of the 1-bit model.
fn every_instruction_equals_the_reference(board: &'static EmulatedBoard) {
    for container in [data::qat(BuildOptions::default()), data::recipe(BuildOptions::default())] {
        instructions_equal_the_reference(board, &container);
    }
}

/// Every instruction of a model on one image, and what the board says of its memory.
fn instructions_equal_the_reference(board: &'static EmulatedBoard, container: &[u8]) {
    let model = model(container);
    let frame = data::frames(&data::test_images(), 1).remove(0);
    let expected = hashes(&mut reference(&model), &frame);
    assert!(expected.len() > 40);
    let mut device = on(board, &model);
    assert_eq!(hashes(&mut device, &frame), expected);
    assert_eq!(assert_memory(board, &mut device, &frame).arena as usize, model.container().arena_len());
}

/// What the board says of its memory: the run took no more stack than firmware leaves.
fn assert_memory(board: &EmulatedBoard, device: &mut Session, frame: &[u8]) -> MemoryUse {
    let facts = device.run_observed(frame, Observe::Times).unwrap().device().unwrap();
    let instructions = u128::from(facts.ticks) * 1_000_000_000 / u128::from(facts.hz);
    println!("{:12} {:?}, {instructions} instructions an image", board.name, facts.memory);
    assert!(instructions > 1_000_000);
    let stack = board.description.core.kernels().stack();
    assert!(facts.memory.stack > 0 && facts.memory.stack <= stack, "{:?}", facts.memory);
    facts.memory
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn a_cortex_m4_equals_the_reference_in_every_instruction() {
    every_instruction_equals_the_reference(board("mps2-an386"));
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn a_cortex_m55_equals_the_reference_in_every_instruction() {
    every_instruction_equals_the_reference(board("mps3-an547"));
}

#[test]
#[ignore = "builds firmware, needs qemu-system-riscv32"]
fn an_rv32_core_equals_the_reference_in_every_instruction() {
    every_instruction_equals_the_reference(board("riscv-virt"));
}

/// The logits of the first `count` test images.
fn logits_equal_the_reference(board: &'static EmulatedBoard, count: usize) {
    let model = model(&data::qat(BuildOptions::default()));
    let (mut device, mut desk) = (on(board, &model), reference(&model));
    for (index, frame) in data::frames(&data::test_images(), count).iter().enumerate() {
        assert_eq!(outputs(&mut device, frame), outputs(&mut desk, frame), "image {index}");
    }
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn logits_of_thirty_images_on_a_cortex_m4() {
    logits_equal_the_reference(board("mps2-an386"), 30);
}

/// `bytes` with the word at `offset` changed and the checksum made right.
fn with_word(mut bytes: Vec<u8>, offset: usize, word: u32) -> Vec<u8> {
    bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    let crc = runtime::crc32(&bytes[16..]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn models_that_cannot_run_are_refused_at_boot() {
    let sound = data::qat(BuildOptions::default());
    let model = model(&sound);
    let board = board("mps2-an386");
    let image = firmware(board);
    let refusal = |flash: &[u8]| refusal(start(board, &image, flash, &model));
    let mut damaged = sound.clone();
    damaged[5000] ^= 1;
    let refused = refusal(&damaged);
    assert!(
        matches!(&refused, ConnectError::Refused { reason, .. } if reason.contains("checksum")),
        "{refused}"
    );
    let available = 3 << 20;
    let needed = available + 16;
    assert_eq!(
        refusal(&with_word(sound.clone(), 48, needed)),
        ConnectError::DoesNotFit { needed, available },
        "the arena's size is the word at 48"
    );
    assert_eq!(refusal(&[0; 64]), ConnectError::Absent);
    let other = with_word(sound, 16, 7);
    assert_eq!(refusal(&other), ConnectError::OtherModel, "the identity starts at 16");
}

/// Bytes of flash that an ELF file takes.
fn flash_bytes(image: &Path) -> u64 {
    let file = std::fs::read(image).unwrap();
    let elf = object::File::parse(&*file).unwrap();
    let (mut bytes, kept) = (0, [SectionKind::Text, SectionKind::ReadOnlyData, SectionKind::Data]);
    for section in elf.sections().filter(|section| kept.contains(&section.kind())) {
        bytes += section.size();
    }
    bytes
}

/// The kinds of the instructions of `model`, each once.
fn kinds(model: &Model) -> Vec<OpKind> {
    let used =
        |kind: &OpKind| model.container().instructions().any(|instruction| instruction.op.kind() == *kind);
    OpKind::ALL.iter().copied().filter(used).collect()
}

/// An image with the ops of the int8 model runs that model, refuses one with other ops, and
/// takes no more than 48 KiB of flash.
fn the_ops_of_one_model_take_48_kib(board: &'static EmulatedBoard) {
    let int8 = model(&data::qat(BuildOptions::default()));
    let other = model(&data::recipe(BuildOptions::default()));
    let frame = data::frames(&data::test_images(), 1).remove(0);
    let image = firmware_with(board, Some(&kinds(&int8)));
    let bytes = flash_bytes(&image);
    println!("{}: {bytes} bytes without the model", board.name);
    assert!((16 << 10..=48 << 10).contains(&bytes), "{bytes} bytes");

    let mut device = int8.session_on(&Emulated::new(board, &image)).unwrap();
    assert_eq!(hashes(&mut device, &frame), hashes(&mut reference(&int8), &frame));
    let refused = refusal(other.session_on(&Emulated::new(board, &image)));
    let reason = "an op is not included in this build";
    assert!(matches!(&refused, ConnectError::Refused { reason: r, .. } if r == reason), "{refused}");
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn firmware_for_one_model_on_a_cortex_m7() {
    the_ops_of_one_model_take_48_kib(board("mps2-an500"));
}

/// Loses, flips and repeats bytes in both directions, one in `every` on average.
struct BadLine {
    line: PipeLine,
    every: u64,
    seed: u64,
}

impl BadLine {
    fn carry(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut carried = Vec::new();
        for &byte in bytes {
            self.seed =
                self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let draw = self.seed >> 33;
            match (draw % self.every, draw / self.every % 3) {
                (0, 0) => {}
                (0, 1) => carried.push(byte ^ 1 << (draw % 8)),
                (0, _) => carried.extend([byte; 2]),
                _ => carried.push(byte),
            }
        }
        carried
    }
}

impl Line for BadLine {
    type Error = io::ErrorKind;

    fn send(&mut self, bytes: &[u8]) -> Result<(), io::ErrorKind> {
        let carried = self.carry(bytes);
        self.line.send(&carried)
    }

    fn receive(&mut self, out: &mut [u8], timeout_ms: u32) -> Result<usize, io::ErrorKind> {
        // Half of what there is room for, since every byte may come twice.
        let half = out.len() / 2;
        let count = self.line.receive(&mut out[..half], timeout_ms)?;
        let carried = self.carry(&out[..count]);
        out[..carried.len()].copy_from_slice(&carried);
        Ok(carried.len())
    }
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn a_bad_line_gives_right_answers_or_named_errors() {
    let model = model(&data::qat(BuildOptions::default()));
    let board = board("mps2-an386");
    let packed = model.repacked(board.packs).unwrap();
    let line = board.start(&firmware(board), packed.bytes()).unwrap();
    let line = BadLine { line, every: 2000, seed: 1 };
    let patience = Patience { repeat_ms: 60, repeats: 12 };
    let (mut device, _) = connect(&model, board.name, line, patience).unwrap();
    let (mut desk, mut right) = (reference(&model), 0);
    for frame in data::frames(&data::test_images(), 20) {
        match outputs(&mut device, &frame) {
            Ok(found) => {
                assert_eq!(found, outputs(&mut desk, &frame).unwrap());
                right += 1;
            }
            Err(RunError::Device(HostError::Silence | HostError::Device(_))) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(right >= 15, "{right} of 20 right: repeating does not help");
}
