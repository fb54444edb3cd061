//! Firmware with a log in QEMU: the log says what happens, and the answers are those of
//! firmware without it.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use converter::BuildOptions;
use shiftformer::device::link::{Host, HostError, Line, Patience, Problem};
use shiftformer::device::{
    DeviceFacts, EmulatedBoard, FirmwareOptions, LogTable, LogTableError, build_firmware, connect,
};
use shiftformer::{Cpu, Model, Observe, Session};
use shiftformer_tests::data;

use crate::{Entry, Protocol};

const BOARD: &str = "mps2-an386";

fn board() -> &'static EmulatedBoard {
    EmulatedBoard::by_name(BOARD).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn firmware(log: bool) -> PathBuf {
    build_firmware(board().description, root(), FirmwareOptions { log, ops: None }).unwrap()
}

fn firmware_with_log() -> (PathBuf, LogTable) {
    let elf = firmware(true);
    let table = LogTable::parse(&fs::read(&elf).unwrap()).unwrap();
    (elf, table)
}

fn hashes(session: &mut Session, frame: &[u8]) -> (Vec<(u32, u64)>, Option<DeviceFacts>) {
    let outputs = session.run_observed(frame, Observe::Hashes).unwrap();
    let hashes = outputs.events().iter().map(|event| (event.instruction, event.hash)).collect();
    (hashes, outputs.device())
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn the_log_tells_of_runs_and_changes_none() {
    let model = Model::from_bytes("the model", &data::qat(BuildOptions::default())).unwrap();
    let frame = data::frames(&data::test_images(), 1).remove(0);
    let mut reference = model.session_on(&Cpu::reference().with_threads(NonZeroUsize::MIN)).unwrap();
    let expected = reference.run(&frame).unwrap().values(0).unwrap().to_vec();

    let ((elf, table), protocol) = (firmware_with_log(), Protocol::default());
    let container = model.repacked(board().packs).unwrap();
    let line = protocol.keep(board().start(&elf, container.bytes()).unwrap(), table);
    let (mut device, identity) = connect(&model, BOARD, line, Patience::default()).unwrap();
    assert_eq!(device.run(&frame).unwrap().values(0).unwrap(), expected);
    let (found, traced) = hashes(&mut device, &frame);
    assert_eq!(found, hashes(&mut reference, &frame).0);
    let traced = traced.unwrap();
    drop(device);
    let model = model.container();

    let lines = protocol.lines();
    println!("{}", lines.join("\n"));
    let (hz, arena) = (identity.hz, identity.arena);
    assert_eq!(lines[0], format!("info {BOARD}: dsp kernels, clock of {hz} Hz, arena of {arena} bytes"));
    let inputs: u64 = model.inputs().map(|input| input.slot.bytes()).sum();
    assert_eq!(
        lines[1],
        format!(
            "info model ready: {} instructions, {inputs} bytes of inputs, {} outputs, arena {}",
            model.header().instructions,
            model.outputs().count(),
            model.arena_len()
        )
    );
    // The stack as it was at the start, and at its deepest.
    let deepest = traced.memory.stack;
    let stack: Vec<&String> = lines.iter().filter(|line| line.starts_with("info stack: ")).collect();
    assert_eq!(*stack[0], lines[2]);
    assert!(stack.len() > 1, "a run needs more than the start");
    let size = traced.memory.stack_size;
    assert!(stack.iter().all(|line| line.ends_with(&format!(" of {size} bytes were used"))));
    let last: u32 = stack[stack.len() - 1].split(' ').nth(2).unwrap().parse().unwrap();
    assert!(last <= deepest && last > deepest - 1024, "{last}, the device says {deepest}");

    let runs: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("info run ")).collect();
    let [begun, ended, begun_again, ended_again] = runs[..] else { panic!("{runs:?}") };
    for (begun, ended, ticks) in [(begun, ended, None), (begun_again, ended_again, Some(traced.ticks))] {
        let run = begun.strip_suffix(" begun").unwrap();
        let rest = ended.strip_prefix(&format!("{run} ended: ")).unwrap();
        let (steps, rest) = rest.split_once(" steps, ").unwrap();
        assert!(steps.parse::<u32>().unwrap() >= model.header().instructions / 2);
        let counted: u64 = rest.strip_suffix(" ticks").unwrap().parse().unwrap();
        assert!(ticks.is_none_or(|ticks| ticks == counted) && counted > 0, "{rest}");
    }
    assert_eq!(lines.len(), 2 + stack.len() + runs.len(), "nothing else, and nothing lost");
    assert_times_ascend(&protocol);

    // The same to a host that does not listen.
    let line = board().start(&elf, container.bytes()).unwrap();
    let (mut deaf, _) = connect(reference.model(), BOARD, line, Patience::default()).unwrap();
    assert_eq!(deaf.run(&frame).unwrap().values(0).unwrap(), expected);
}

fn assert_times_ascend(protocol: &Protocol) {
    let time = |entry: &Entry| match entry {
        Entry::Line(line) => line.time.as_deref().and_then(|time| time.parse::<f64>().ok()),
        Entry::Strange | Entry::Lost(_) => None,
    };
    let times: Vec<f64> = protocol.entries().iter().map(|entry| time(entry).unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times[times.len() - 1] > 0.0);
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn the_log_tells_what_is_refused() {
    let ((elf, table), protocol) = (firmware_with_log(), Protocol::default());
    let line = protocol.keep(board().start(&elf, &[0; 64]).unwrap(), table);
    let mut host = Host::new(line, Patience::default(), 0);
    assert_eq!(host.begin(&[1, 2, 3]), Err(HostError::Device(Problem::NoModel)));
    host.line().send(&[0, 3, 1, 2, 0]).unwrap();
    host.memory().unwrap();
    drop(host);
    let lines = protocol.lines();
    assert_eq!(lines[1], "warn no model in flash");
    assert_eq!(
        lines[lines.len() - 2..],
        ["warn refused: the device has no model that it can run", "warn a damaged frame on the line"]
    );

    let mut damaged = data::qat(BuildOptions::default());
    damaged[5000] ^= 1;
    let ((elf, table), protocol) = (firmware_with_log(), Protocol::default());
    let line = protocol.keep(board().start(&elf, &damaged).unwrap(), table);
    Host::new(line, Patience::default(), 0).memory().unwrap();
    assert_eq!(
        protocol.lines()[1],
        "error model refused: the container is damaged: its checksum does not match"
    );
}

#[test]
#[ignore = "builds firmware"]
fn files_without_the_texts_are_named() {
    let plain = fs::read(firmware(false)).unwrap();
    assert_eq!(LogTable::parse(&plain).unwrap_err(), LogTableError::Absent);

    let (elf, table) = firmware_with_log();
    assert_eq!(table.line(&[1, 2, 3]), None, "no frame of this firmware");
    let mut elf = fs::read(&elf).unwrap();
    let version = b"_defmt_version_ = ";
    let at = elf.windows(version.len()).position(|window| window == version).unwrap();
    elf[at + version.len()] = b'9';
    let error = LogTable::parse(&elf).unwrap_err();
    assert!(matches!(&error, LogTableError::Unreadable(why) if why.contains("version mismatch")), "{error}");
    let error = LogTable::parse(b"no ELF file").unwrap_err();
    assert!(matches!(error, LogTableError::Unreadable(_)));
}
