//! Writing to boards, as far as it goes without one: images, refusals, drives.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use object::elf::FileHeader32;
use object::read::elf::{ElfFile32, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSection};
use program::{Container, write};
use shiftformer::Model;

use crate::common::elf::{ARMV6S_M, ARMV7E_M, ARMV8M_MAIN, arm, riscv};
use crate::common::{fails, json, model, run, stderr};

/// What the firmware of the tests has at the start of flash.
fn code() -> Vec<u8> {
    (0..3000u32).map(|i| (i * 7 % 251) as u8).collect()
}

/// A board, its start of flash, and firmware for it.
fn boards() -> Vec<(&'static str, u32, Vec<u8>)> {
    let at = |architecture, address| arm(architecture, &[(address, code()), (address + 0x1000, vec![5; 9])]);
    vec![
        ("stm32f746g-disco", 0x0800_0000, at(ARMV7E_M, 0x0800_0000)),
        ("nucleo-h743zi", 0x0800_0000, at(ARMV7E_M, 0x0800_0000)),
        ("nrf52840-dk", 0, at(ARMV7E_M, 0)),
        ("pico", 0x1000_0000, at(ARMV6S_M, 0x1000_0000)),
        ("pico2", 0x1000_0000, at(ARMV8M_MAIN, 0x1000_0000)),
        ("esp32-c3", 0x3c00_0000, esp()),
    ]
}

/// Data, code that the instruction bus reads, and code in RAM.
fn esp() -> Vec<u8> {
    riscv(&[(0x3c00_0000, code()), (0x4201_0020, vec![1; 64]), (0x4038_0000, vec![2; 32])])
}

fn flash<'a>(board: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["flash", "model.shf", "--board", board, "--firmware", "fw.elf"], rest].concat()
}

/// The bytes that an image file places in memory.
fn memory(path: &Path) -> BTreeMap<u32, u8> {
    let file = fs::read(path).unwrap();
    match path.extension().unwrap().to_str().unwrap() {
        "uf2" => {
            let blocks = file.chunks(512).flat_map(|block| {
                let address = u32::from_le_bytes(block[12..16].try_into().unwrap());
                (address..).zip(block[32..288].to_vec())
            });
            blocks.collect()
        }
        "hex" => hex(std::str::from_utf8(&file).unwrap()),
        _ => {
            let header = FileHeader32::<Endianness>::parse(&*file).unwrap();
            let endian = header.endian().unwrap();
            let segments = header.program_headers(endian, &*file).unwrap().iter();
            segments
                .flat_map(|s| (s.p_paddr(endian)..).zip(s.data(endian, &*file).unwrap().to_vec()))
                .collect()
        }
    }
}

fn hex(text: &str) -> BTreeMap<u32, u8> {
    let (mut upper, mut out) = (0, BTreeMap::new());
    for line in text.lines() {
        let digits = line.strip_prefix(':').unwrap().as_bytes().chunks(2);
        let bytes: Vec<u8> =
            digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect();
        assert_eq!(bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0, "{line}");
        let low = u32::from(u16::from_be_bytes([bytes[1], bytes[2]]));
        match bytes[3] {
            0 => out.extend((upper + low..).zip(bytes[4..4 + usize::from(bytes[0])].to_vec())),
            4 => upper = u32::from(u16::from_be_bytes([bytes[4], bytes[5]])) << 16,
            kind => assert_eq!(kind, 1),
        }
    }
    out
}

fn at(memory: &BTreeMap<u32, u8>, address: u32, len: usize) -> Vec<u8> {
    memory.range(address..).take(len).map(|(_, byte)| *byte).collect()
}

#[test]
fn a_dry_run_leaves_the_image_of_every_board() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    model(here);
    let inspected = json(here, &["inspect", "model.shf", "--json"]);
    for (board, start, firmware) in boards() {
        fs::write(here.join("fw.elf"), firmware).unwrap();
        let result = json(here, &flash(board, &["--dry-run", "--json"]));
        assert_eq!(result["identity"], inspected["identity"], "{board}");
        let file = result["file"].as_str().unwrap();
        assert_eq!(Path::new(file).file_stem().unwrap().to_str().unwrap(), format!("model-{board}"));
        let image = memory(&here.join(file));
        assert_eq!(at(&image, start, 3000), code(), "{board}");

        let region = &result["regions"][1];
        let (address, used) = (region["address"].as_u64().unwrap(), region["used"].as_u64().unwrap());
        let kept = if board == "esp32-c3" { 192 << 10 } else { 128 << 10 };
        assert_eq!(address, u64::from(start) + kept, "{board}");
        assert_eq!(region["used"].as_u64().unwrap() + region["free"].as_u64().unwrap(), region["bytes"]);
        // The container in the image is one that loads, in the layout that the board likes.
        fs::write(here.join("back.shf"), at(&image, address as u32, used as usize)).unwrap();
        let back = json(here, &["inspect", "back.shf", "--json"]);
        assert_eq!(back["identity"], inspected["identity"], "{board}");
        assert_eq!(back["identity_verified"], true);
        let pack = if matches!(board, "pico" | "esp32-c3") { "row-major" } else { "panel2x4" };
        assert_eq!(result["pack"], pack, "{board}");
        assert_eq!(back["packs"][0], pack, "{board}");
    }
    let text = run(here, &flash("esp32-c3", &["--dry-run", "-o", "own.elf"]));
    let text = String::from_utf8(text.stdout).unwrap();
    for word in ["0x3c030000", "firmware", "own.elf", "RAM"] {
        assert!(text.contains(word), "{text}");
    }
}

/// The boot loader maps one block of data, and `espflash` joins sections that touch.
#[test]
fn the_container_touches_the_data_of_esp32_firmware() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    model(here);
    fs::write(here.join("fw.elf"), esp()).unwrap();
    json(here, &flash("esp32-c3", &["--dry-run", "-o", "all.elf", "--json"]));
    let file = fs::read(here.join("all.elf")).unwrap();
    let elf = ElfFile32::<Endianness>::parse(&*file).unwrap();
    let mut data: Vec<(u64, u64)> = elf
        .sections()
        .filter(|section| (0x3c00_0000..0x3d00_0000).contains(&section.address()))
        .map(|section| (section.address(), section.address() + section.size()))
        .collect();
    data.sort();
    assert_eq!(data.len(), 2);
    assert_eq!(data[0], (0x3c00_0000, data[1].0));
    assert!(data[1].1 > 0x3c03_0000);
    assert_eq!(
        elf.sections().find(|section| section.address() == 0x4201_0020).unwrap().data(),
        Ok(&[1; 64][..])
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    model(here);
    let refuse = |board: &str, firmware: &[u8], words: &[&str]| {
        fs::write(here.join("fw.elf"), firmware).unwrap();
        fails(here, 1, &flash(board, &["--dry-run", "-o", "out"]), words);
        assert!(!here.join("out").exists());
    };
    let (small, f746) = (vec![0; 8], 0x0800_0000);
    refuse(
        "pico",
        &arm(ARMV8M_MAIN, &[(0x1000_0000, small.clone())]),
        &["fw.elf", "Armv6-M", "thumbv6m-none-eabi"],
    );
    refuse("nrf52840-dk", &riscv(&[(0, small.clone())]), &["another processor", "Armv7E-M"]);
    refuse("esp32-c3", &arm(ARMV7E_M, &[(0x3c00_0000, small.clone())]), &["another processor", "RISC-V"]);
    refuse(
        "nrf52840-dk",
        &arm(ARMV7E_M, &[(f746, small.clone())]),
        &["8 bytes at 0x08000000", "not in the board's flash"],
    );
    refuse(
        "stm32f746g-disco",
        &arm(ARMV7E_M, &[(f746, vec![1; (128 << 10) + 1])]),
        &["firmware is 1 bytes too large"],
    );
    refuse("stm32f746g-disco", b"an elf", &["fw.elf", "not an ELF file"]);
    let whole = arm(ARMV7E_M, &[(f746, vec![1; 5000])]);
    refuse("stm32f746g-disco", &whole[..4200], &["fw.elf"]);
    fs::remove_file(here.join("fw.elf")).unwrap();
    fails(here, 1, &flash("pico", &["--dry-run"]), &["cannot read fw.elf", "help"]);
}

#[test]
fn damaged_and_oversized_containers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let path = model(here);
    fs::write(here.join("fw.elf"), arm(ARMV7E_M, &[(0, vec![0; 8])])).unwrap();
    let sound = fs::read(&path).unwrap();
    let mut damaged = sound.clone();
    damaged[sound.len() / 2] ^= 4;
    fs::write(&path, &damaged).unwrap();
    fails(here, 1, &flash("nrf52840-dk", &["--dry-run"]), &["model.shf", "checksum", "help"]);
    fs::write(&path, &sound[..sound.len() - 9]).unwrap();
    fails(here, 1, &flash("nrf52840-dk", &["--dry-run"]), &["model.shf", "help"]);

    let file = Model::from_bytes("model", &sound).unwrap();
    let mut container = Container::read(&file.container());
    container.arena_len = 256 << 10;
    fs::write(&path, write(&container).unwrap()).unwrap();
    fails(
        here,
        1,
        &flash("nrf52840-dk", &["--dry-run"]),
        &["model.shf needs", "more of RAM than nrf52840-dk has", "help"],
    );

    // Constants that nothing refers to make it as large as wanted.
    container.arena_len = file.container().header().arena_len;
    let room = (2 << 20) - (128 << 10);
    let others = sound.len() - container.blobs.len();
    container.blobs.to_mut().resize(room - others, 0);
    fs::write(here.join("fw.elf"), arm(ARMV6S_M, &[(0x1000_0000, vec![0; 8])])).unwrap();
    fs::write(&path, write(&container).unwrap()).unwrap();
    assert_eq!(json(here, &flash("pico", &["--dry-run", "--json"]))["regions"][1]["free"], 0);
    container.blobs.to_mut().resize(room - others + 16, 0);
    fs::write(&path, write(&container).unwrap()).unwrap();
    fails(here, 1, &flash("pico", &["--dry-run"]), &["the model is 16 bytes too large", "1966080", "help"]);
}

#[test]
fn a_drive_takes_the_image_when_it_is_the_boards() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    model(here);
    fs::write(here.join("fw.elf"), arm(ARMV6S_M, &[(0x1000_0000, code())])).unwrap();
    fs::create_dir(here.join("drive")).unwrap();
    let onto = flash("pico", &["--drive", "drive", "--json"]);
    fails(here, 1, &onto, &["drive is not the drive of a boot loader", "BOOTSEL"]);
    let info = |id: &str| format!("UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: {id}\r\n");
    fs::write(here.join("drive/INFO_UF2.TXT"), info("RP2350")).unwrap();
    fails(here, 1, &onto, &["`RP2350`, not `RPI-RP2`", "help"]);
    fs::write(here.join("drive/INFO_UF2.TXT"), info("RPI-RP2")).unwrap();
    assert_eq!(json(here, &onto)["written"], "drive drive");
    json(here, &flash("pico", &["--dry-run", "-o", "same.uf2", "--json"]));
    let written = fs::read(here.join("drive/shiftformer.uf2")).unwrap();
    assert_eq!(written, fs::read(here.join("same.uf2")).unwrap());
}

/// Nothing here reaches a board that the machine may have.
#[test]
fn without_a_board_a_sentence_says_what_to_connect() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    model(here);
    fs::write(here.join("fw.elf"), arm(ARMV7E_M, &[(0, code())])).unwrap();
    // A selector that no probe has.
    let probe = flash("nrf52840-dk", &["--probe", "0000:0000:none"]);
    let word = if cfg!(feature = "flash") { "no debug probe 0000:0000" } else { "feature `flash`" };
    fails(here, 1, &probe, &[word, "help"]);
    if cfg!(feature = "flash") {
        fails(here, 1, &flash("nrf52840-dk", &["--probe", "first"]), &["`first`", "VID:PID"]);
    }
    let monitor = flash("nrf52840-dk", &["--monitor", "--port", "no-such-port"]);
    fails(here, 1, &monitor, &["no-such-port", "help"]);
    fails(here, 1, &flash("nrf52840-dk", &["--drive", "."]), &["--drive does not apply to nrf52840-dk"]);
    fails(here, 1, &flash("nrf52840-dk", &["--port", "p"]), &["--port has no effect", "--monitor"]);

    fs::write(here.join("fw.elf"), esp()).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_shiftformer"));
    command.current_dir(here).args(flash("esp32-c3", &[])).env("PATH", "");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cargo install espflash"), "{}", stderr(&output));
}

#[test]
fn wrong_usage() {
    let wrong = |args: &[&str], words: &[&str]| fails(Path::new("."), 2, args, words);
    wrong(&["flash", "m.shf"], &["--board"]);
    wrong(&["flash", "m.shf", "--board", "abacus"], &["abacus", "nrf52840-dk", "pico2"]);
    wrong(&["flash", "m.shf", "--board", "pico", "-o", "x.uf2"], &["--dry-run"]);
    wrong(&["flash", "m.shf", "--board", "pico", "--dry-run", "--monitor"], &["--monitor"]);
    wrong(&["flash", "m.shf", "--board", "pico", "--drive", "d", "--probe", "p"], &["--probe"]);
}
