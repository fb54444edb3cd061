//! Bytes from an attacker: a typed error, or a program that runs to its end. Never a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use converter::arch::Arch;
use converter::{BuildOptions, build};
use program::write;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use quant::op::OpKind;
use runtime::{Header, LoadError, Model, crc32};
use shiftformer_tests::case::Case;
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::rebuilt::rebuild;
use shiftformer_tests::run::{Budget, bounded};
use shiftformer_tests::source::Source;
use shiftformer_tests::{data, ops};

const MASKS: [u8; 3] = [0x01, 0x80, 0xff];
const BUDGET: Budget = Budget { arena: 1 << 26, macs: 50_000_000, steps: 20_000 };

fn micro(fuse: bool) -> Aligned {
    let graph = Arch::by_name("micro").unwrap().random(7);
    Aligned::copy(&build(&graph, BuildOptions { fuse, arena: None }).unwrap())
}

fn fix_crc(file: &mut [u8]) {
    let crc = crc32(&file[16..]);
    file[12..16].copy_from_slice(&crc.to_le_bytes());
}

fn fix_length(file: &mut [u8]) {
    let len = file.len() as u32;
    file[8..12].copy_from_slice(&len.to_le_bytes());
}

/// How many files were refused, ran to their end, or were too large to run.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    finished: usize,
    too_large: usize,
    panicked: Vec<String>,
}

impl Tally {
    /// Loads and runs `file` as if its CRC were right.
    fn load(&mut self, what: String, file: &[u8], run: bool) {
        let stored = file.get(12..16).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let model = Model::with_crc(file, |_| stored);
            if let Ok(header) = Header::decode(file, |_| stored) {
                let (front, constants) = file.split_at(header.blobs.offset as usize);
                assert_eq!(Model::in_parts(front, constants).err(), model.err(), "{what} in parts");
            }
            let model = model.ok()?;
            if run {
                rebuild(&model);
            }
            Some(!run || bounded(&model, BUDGET).expect("a checked program does not fault"))
        }));
        match outcome {
            Ok(None) => self.refused += 1,
            Ok(Some(true)) => self.finished += 1,
            Ok(Some(false)) => self.too_large += 1,
            Err(_) => self.panicked.push(what),
        }
    }

    #[track_caller]
    fn assert_sound(&self) {
        println!("refused {}, finished {}, too large {}", self.refused, self.finished, self.too_large);
        assert!(self.panicked.is_empty(), "{} panics: {:?}", self.panicked.len(), self.panicked);
        assert!(self.refused > 0 && self.finished > 0, "the damage reached neither checker nor constants");
    }
}

/// Flips `positions` of `file` in turn.
fn flip(file: &mut Aligned, positions: &[usize], tally: &mut Tally, run: impl Fn(usize) -> bool) {
    for (index, &at) in positions.iter().enumerate() {
        for mask in MASKS {
            file[at] ^= mask;
            tally.load(format!("byte {at} ^ {mask:#04x}"), file, run(index));
            file[at] ^= mask;
        }
    }
}

#[test]
fn every_flipped_byte_is_detected() {
    let mut file = micro(true);
    for at in 0..file.len() {
        for mask in MASKS {
            file[at] ^= mask;
            assert!(Model::new(&file).is_err(), "byte {at} ^ {mask:#04x}");
            file[at] ^= mask;
        }
    }
    assert!(Model::new(&file).is_ok());
}

#[test]
fn every_flipped_byte_with_a_right_crc() {
    for fuse in [true, false] {
        let mut file = micro(fuse);
        let mut tally = Tally::default();
        let all: Vec<usize> = (0..file.len()).collect();
        flip(&mut file, &all, &mut tally, |_| true);
        tally.assert_sound();
    }
}

/// A small container of one instruction of `kind`, in tiles of `tile` rows if given.
fn one_op(kind: OpKind, tile: Option<u32>, runner: &mut TestRunner) -> Aligned {
    let cases = ops::cases(kind);
    loop {
        let case: Case = cases.new_tree(runner).expect("a case").current();
        let file = write(&case.build(tile).container).expect("a sound program");
        if file.len() <= 6000 {
            return Aligned::copy(&file);
        }
    }
}

#[test]
fn every_flipped_byte_of_every_op() {
    flip_every_op(1);
}

mod full {
    #[test]
    #[ignore = "many programs of each op: for releases"]
    fn every_flipped_byte_of_many_programs() {
        super::flip_every_op(8);
    }
}

/// Flips the bytes of generated programs of every op, `rounds` of them without a tile and with one.
fn flip_every_op(rounds: usize) {
    let mut runner = TestRunner::deterministic();
    for &kind in OpKind::ALL {
        println!("{}", kind.name());
        let mut tally = Tally::default();
        for tile in [None, Some(1)].into_iter().cycle().take(2 * rounds) {
            let mut file = one_op(kind, tile, &mut runner);
            let blobs = Model::new(&file).unwrap().header().blobs.offset as usize;
            let all: Vec<usize> = (0..file.len().min(blobs + 64)).collect();
            flip(&mut file, &all, &mut tally, |_| true);
        }
        tally.assert_sound();
    }
}

#[test]
fn pairs_of_flipped_bytes_with_a_right_crc() {
    let mut file = micro(true);
    let mut tally = Tally::default();
    let source = &mut Source::new(11);
    let blobs = Model::new(&file).unwrap().header().blobs.offset;
    for _ in 0..20_000 {
        let [a, b] = [(); 2].map(|()| (96 + source.below(blobs - 96)) as usize);
        let [x, y] = [(); 2].map(|()| source.bits() as u8);
        file[a] ^= x;
        file[b] ^= y;
        tally.load(format!("byte {a} ^ {x:#04x}, byte {b} ^ {y:#04x}"), &file, true);
        file[b] ^= y;
        file[a] ^= x;
    }
    tally.assert_sound();
}

#[test]
fn sampled_bytes_of_the_checkpoint() {
    let mut file = Aligned::copy(&data::qat(BuildOptions::default()));
    let blobs = Model::new(&file).unwrap().header().blobs.offset;
    let source = &mut Source::new(5);
    let mut tally = Tally::default();
    let program: Vec<usize> = (0..1000).map(|_| source.below(blobs) as usize).collect();
    flip(&mut file, &program, &mut tally, |index| index % 10 == 0);
    let constants = file.len() as u32 - blobs;
    let blobs: Vec<usize> = (0..1000).map(|_| (blobs + source.below(constants)) as usize).collect();
    flip(&mut file, &blobs, &mut tally, |index| index % 50 == 0);
    tally.assert_sound();
}

#[test]
fn truncated_anywhere() {
    let whole = micro(true);
    let mut tally = Tally::default();
    for len in 0..whole.len() {
        let mut file = Aligned::copy(&whole[..len]);
        assert_eq!(Model::new(&file).unwrap_err(), LoadError::Truncated, "{len} bytes");
        // With a header that admits it, there is always a section that is missing its end.
        if len >= 16 {
            fix_length(&mut file);
            fix_crc(&mut file);
            assert!(Model::new(&file).is_err(), "{len} bytes, length and CRC made right");
            tally.load(format!("{len} bytes"), &file, true);
        }
    }
    assert!(tally.panicked.is_empty(), "{:?}", tally.panicked);
}

#[test]
fn trailing_bytes() {
    let whole = micro(true);
    for extra in [1, 4, 16, 1000] {
        let mut file = Aligned::copy(&[&whole[..], &vec![0; extra]].concat());
        assert_eq!(Model::new(&file).unwrap_err(), LoadError::TrailingBytes);
        fix_length(&mut file);
        fix_crc(&mut file);
        assert!(matches!(Model::new(&file).unwrap_err(), LoadError::Section(_)));
    }
}

#[test]
fn starts_at_any_multiple_of_4() {
    let whole = micro(true);
    let constants = Model::new(&whole).unwrap().header().blobs.offset as usize;
    for skew in 0..16 {
        let file = Aligned::skewed(&whole, skew);
        let of_parts = [(&whole[..constants], &file[constants..]), (&file[..constants], &whole[constants..])];
        for result in of_parts.map(|(front, constants)| Model::in_parts(front, constants)) {
            assert_eq!(result.err(), (skew % 4 != 0).then_some(LoadError::Misaligned), "{skew}");
        }
        match (skew % 4, Model::new(&file)) {
            (0, Ok(model)) => assert_eq!(bounded(&model, BUDGET), Ok(true)),
            (0, Err(error)) => panic!("{skew} bytes past 16: {error:?}"),
            (_, result) => assert_eq!(result.unwrap_err(), LoadError::Misaligned),
        }
    }
}
