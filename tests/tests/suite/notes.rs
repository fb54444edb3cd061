//! What people read beside a program: written, kept, and no part of the identity.

use answers::Answer;
use converter::arch::Arch;
use converter::{BuildOptions, build};
use program::{Container, Dataflow, NoteStore, ProgramError, ReplanOptions, repack, replan, write};
use quant::pack::{Pack, Packs};
use runtime::{Ending, LoadError, Model, Note, NoteError, SectionKind, crc32};
use shiftformer::{Logits, OpenProblem};
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::source::Source;

const NOTES: [Note<'_>; 4] = [
    Note::Ending { output: 0, ending: Ending::Sigmoid },
    Note::Ending { output: 300, ending: Ending::ArgMax },
    Note::Label { class: 1, name: "boot" },
    Note::Label { class: 70_000, name: "Größe" },
];

/// The frames of [`NOTES`].
const PINNED: &[u8] = b"\x03\0\0\0\x02\
    \x04\0\0\xac\x02\x05\
    \x07\0\x01\x01\x04boot\
    \x0c\0\x01\xf0\xa2\x04\x07Gr\xc3\xb6\xc3\x9fe";

/// A frame of a variant that nobody knows yet.
const UNKNOWN: &[u8] = &[3, 0, 99, 1, 2];

fn micro() -> Aligned {
    let graph = Arch::by_name("micro").unwrap().random(7);
    Aligned::copy(&build(&graph, BuildOptions::default()).unwrap())
}

/// The small container with [`NOTES`].
fn noted() -> Aligned {
    let plain = micro();
    let mut container = Container::read(&Model::new(&plain).unwrap());
    for note in &NOTES {
        container.notes.push(note).unwrap();
    }
    Aligned::copy(&write(&container).unwrap())
}

/// `file` with `names` in its names section.
fn with_names(file: &[u8], names: &[u8]) -> Aligned {
    let mut header = *Model::new(&Aligned::copy(file)).unwrap().header();
    let blobs = header.blobs.of(file).unwrap().to_vec();
    let mut bytes = file[..header.names.offset as usize].to_vec();
    bytes.extend_from_slice(names);
    header.names.len = names.len() as u32;
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    header.blobs.offset = bytes.len() as u32;
    bytes.extend_from_slice(&blobs);
    let len = bytes.len() as u32;
    bytes[..96].copy_from_slice(&header.encode(len, 0));
    let crc = crc32(&bytes[16..]);
    bytes[..96].copy_from_slice(&header.encode(len, crc));
    Aligned::copy(&bytes)
}

#[test]
fn notes_are_pinned_and_read_back() {
    let file = noted();
    let model = Model::new(&file).unwrap();
    assert_eq!(model.notes().bytes(), PINNED);
    assert!(model.header().names.of(&file).unwrap().ends_with(PINNED));
    assert_eq!(model.notes().collect::<Result<Vec<_>, _>>().unwrap(), NOTES);
    assert_eq!(model.ending(0), Ok(Some(Ending::Sigmoid)));
    assert_eq!(model.ending(300), Ok(Some(Ending::ArgMax)));
    assert_eq!(model.ending(1), Ok(None));
    assert_eq!([0, 1, 70_000].map(|class| model.label(class).unwrap()), [None, Some("boot"), Some("Größe")]);
    let without = micro();
    let plain = Model::new(&without).unwrap();
    assert_eq!((plain.notes().count(), plain.ending(0)), (0, Ok(None)));
    // Names, constants and program are the same, and so is the identity.
    let names = |model: &Model<'_>| model.instructions().map(|i| i.name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&model), names(&plain));
    assert_eq!((model.identity(), model.blobs()), (plain.identity(), plain.blobs()));
    assert_eq!(write(&Container::read(&model)).unwrap(), &file[..]);
}

#[test]
fn rebuilding_keeps_notes_also_unknown_ones() {
    let file = noted();
    let names = Model::new(&file).unwrap().header().names.of(&file).unwrap().to_vec();
    let file = with_names(&file, &[&names, UNKNOWN].concat());
    let model = Model::new(&file).unwrap();
    let kept = [PINNED, UNKNOWN].concat();
    assert_eq!(model.notes().bytes(), kept);
    assert_eq!(model.notes().count(), NOTES.len());
    let packs = Packs { int8: Pack::Panel16x4, ..Packs::CANONICAL };
    let options = ReplanOptions { align: 64, tiles: false };
    let flow = Dataflow::of(&model).unwrap();
    let packed = repack(&Container::read(&model), packs);
    for container in [packed, replan(&model, &flow, options).unwrap()] {
        assert_eq!(container.notes.bytes(), kept);
        let file = Aligned::copy(&write(&container).unwrap());
        assert_eq!(Model::new(&file).unwrap().notes().bytes(), kept);
    }
}

#[test]
fn notes_without_names() {
    let file = micro();
    let instructions = Model::new(&file).unwrap().header().instructions as usize;
    let file = with_names(&file, &[&vec![0; instructions], PINNED].concat());
    let model = Model::new(&file).unwrap();
    assert!(model.instructions().all(|instruction| instruction.name.is_empty()));
    assert_eq!(model.notes().collect::<Result<Vec<_>, _>>().unwrap(), NOTES);
    assert_eq!(write(&Container::read(&model)).unwrap(), &file[..]);
    let empty = with_names(&file, &[]);
    assert_eq!(Model::new(&empty).unwrap().notes().count(), 0);
    // Fewer names than instructions.
    let short = with_names(&file, &vec![0; instructions - 1]);
    assert_eq!(Model::new(&short).unwrap_err(), LoadError::Section(SectionKind::Names));
}

#[test]
fn damaged_notes_are_an_error_for_those_who_read_them() {
    let file = noted();
    let names = Model::new(&file).unwrap().header().names.of(&file).unwrap().to_vec();
    let start = names.len() - PINNED.len();
    for cut in 1..PINNED.len() {
        let file = with_names(&file, &names[..names.len() - cut]);
        let model = Model::new(&file).expect("what runs does not depend on notes");
        let read = model.notes().filter_map(Result::ok).count();
        let whole = [0, 5, 11, 20].contains(&(PINNED.len() - cut));
        let opened = shiftformer::Model::from_bytes("cut", &file).map(|_| ());
        match model.notes().find_map(Result::err) {
            None => assert!(whole && opened.is_ok(), "{cut} bytes cut"),
            Some(error) => {
                assert!(!whole && error == NoteError { index: read as u32 }, "{cut} bytes cut: {error}");
                let problem = opened.expect_err("refused").problem;
                assert!(matches!(problem, OpenProblem::Note(reason) if reason == error), "{problem}");
            }
        }
    }
    // Whatever the bytes are, reading them ends.
    for at in start..names.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut names = names.clone();
            names[at] = byte;
            let file = with_names(&file, &names);
            let model = Model::new(&file).expect("what runs does not depend on notes");
            assert!(model.notes().count() <= NOTES.len() + 1);
        }
    }
}

#[test]
fn the_facade_gives_endings_and_labels() {
    let model = shiftformer::Model::from_bytes("noted", &noted()).unwrap();
    assert_eq!((model.ending(0), model.ending(1), model.ending(70_000)), (Some(Ending::Sigmoid), None, None));
    assert_eq!(model.labels(3), ["", "boot", ""]);
    assert!(model.labels(1).is_empty());
    assert_eq!(model.labels(70_001)[70_000], "Größe");
    let packed = model.repacked(Packs { int8: Pack::Panel16x4, ..Packs::CANONICAL }).unwrap();
    assert_eq!((packed.ending(0), packed.labels(2)), (Some(Ending::Sigmoid), vec!["", "boot"]));
}

/// A device reads the class and its name as the desk does, and its probability within 0.01.
#[test]
fn answers_on_a_device_are_the_desks() {
    let mut source = Source::new(3);
    for ending in [None, Some(Ending::Softmax), Some(Ending::Sigmoid), Some(Ending::ArgMax)] {
        let plain = micro();
        let mut container = Container::read(&Model::new(&plain).unwrap());
        container.notes = NoteStore::default();
        if let Some(ending) = ending {
            container.notes.push(&Note::Ending { output: 0, ending }).unwrap();
        }
        container.notes.push(&Note::Label { class: 1, name: "boot" }).unwrap();
        let file = Aligned::copy(&write(&container).unwrap());
        let model = Model::new(&file).unwrap();
        let desk = shiftformer::Model::from_bytes("micro", &file).unwrap();
        let (output, labels) = (desk.outputs()[0], desk.labels(3));
        let extremes = [i32::MIN, -1, 0, 1, i32::MAX];
        for round in 0..1000 {
            let any: [i32; 3] = match round % 3 {
                0 => [(); 3].map(|()| (source.bits() as i32) >> (source.below(32))),
                1 => [(); 3].map(|()| extremes[source.below(5) as usize]),
                _ => [(); 3].map(|()| (source.bits() as i32) % 4096),
            };
            let expected = Logits::new(&any, output.scale, output.ending).top_k(1, &labels).remove(0);
            let found = Answer::of(&model, 0, &any).unwrap().expect("an answer");
            assert_eq!(
                (found.class, found.label, found.logit),
                (expected.class, expected.label, expected.logit)
            );
            match (ending, found.probability) {
                (Some(Ending::ArgMax), None) => {}
                (_, Some(found)) => {
                    assert!((found - expected.probability).abs() < 0.01, "{any:?}: {found} {expected:?}");
                }
                (_, None) => panic!("no probability"),
            }
        }
        assert_eq!(Answer::of(&model, 1, &[1]), Ok(None));
        assert_eq!(Answer::of(&model, 0, &[]), Ok(None));
    }
}

#[test]
fn a_label_must_fit_its_frame() {
    let (mut notes, long) = (NoteStore::default(), "x".repeat(1 << 16));
    let refused = notes.push(&Note::Label { class: 0, name: &long });
    assert_eq!(refused, Err(ProgramError::TooLarge { what: "the name of a class" }));
    assert!(notes.bytes().is_empty());
}
