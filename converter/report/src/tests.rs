//! The page: complete, self-contained, and safe whatever the facts hold.

use std::path::Path;

use converter::import::{ImportOptions, import};
use facts::{Change, ChangeKind, Comparison, Facts, Fidelity, TensorFact};

use super::*;

/// The bundled checkpoint, converted.
fn bundled() -> ProgramFacts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/vit_fmnist_ivit_qat.safetensors");
    let graph = import(&path, &ImportOptions::default())
        .expect("the bundled checkpoint")
        .quantized()
        .expect("integers");
    let container = converter::build(&graph, converter::BuildOptions::default()).expect("a container");
    ProgramFacts::new(&container).expect("a checked container")
}

/// Facts that look like those of `program`.
fn plausible(program: &ProgramFacts) -> Facts {
    let comparison = |data: &str, images, top1: Option<[f64; 2]>| Comparison {
        data: data.into(),
        images,
        seen: false,
        outputs: Vec::new(),
        largest_class: Some(12.5),
        agreement: Some(99.1),
        cosine: 0.99921,
        float_top1: top1.map(|t| t[0]),
        integer_top1: top1.map(|t| t[1]),
    };
    let wave = |i: usize| ((i * 37 % 101) as f64) / 101.0;
    let tensor = |(i, instruction): (usize, &InstructionFacts)| {
        let (min, max) = (-4.0 * wave(i) - 0.1, 3.0 + 9.0 * wave(i + 3));
        let cut = 1.0 - 0.4 * (wave(i + 7) - 0.5).max(0.0);
        TensorFact {
            name: instruction.name.clone(),
            bits: if instruction.dtype == "i16" { 16 } else { 8 },
            scale: max / 127.0,
            zero: 0,
            min,
            max,
            range: [min.min(-max * cut * 0.4), max * cut],
            method: if i % 3 == 0 { "percentile 99.99".into() } else { "mse".into() },
            clipped: if cut < 1.0 { 0.0021 * wave(i) } else { 0.0 },
            outlier_ratio: 1.0 + 9.0 * wave(i + 11),
        }
    };
    let change = |i: usize, kind, what: &str, why: &str| Change {
        kind,
        layer: format!("blocks.{}.mlp.fc{}", i % 4, 1 + i % 2),
        what: what.into(),
        why: why.into(),
    };
    let mut changes = vec![
        change(
            1,
            ChangeKind::Escalated,
            "input from 8 to 16 bits",
            "11.2 dB at 8 bits, 31.0 dB at 16; limit 15 dB",
        ),
        change(2, ChangeKind::Overridden, "output at 16 bits", "--precision blocks.2.mlp.fc1=i16"),
    ];
    changes.extend((0..9).map(|i| {
        change(
            i,
            ChangeKind::Folded,
            "γ of the LayerNorm before it",
            "the same function, one multiplication less",
        )
    }));
    changes.extend((0..8).map(|i| {
        change(
            i,
            ChangeKind::Equalized,
            "128 channels rescaled by 0.31 to 2.9",
            "largest over median channel 14.2 before, 2.1 after",
        )
    }));
    changes.extend((0..8).map(|i| {
        change(i, ChangeKind::Corrected, "bias of 64 channels", "mean error 0.013 before, 0.0004 after")
    }));
    Facts {
        identity: program.identity.clone(),
        model: "vit_fmnist.onnx".into(),
        stated: None,
        calibration_images: 256,
        constant_images: 0,
        repeated_images: 0,
        tensors: program.instructions.iter().enumerate().map(tensor).collect(),
        changes,
        fidelity: program
            .instructions
            .iter()
            .enumerate()
            .map(|(i, instruction)| Fidelity {
                instruction: instruction.index,
                name: instruction.name.clone(),
                op: instruction.op.into(),
                snr_db: 42.0 - 0.4 * i as f64 - 14.0 * wave(i) * wave(i + 1),
            })
            .collect(),
        comparisons: vec![
            comparison("calibration images", 256, None),
            comparison("fmnist-test-1000", 1000, Some([91.5, 91.4])),
        ],
    }
}

const SECTIONS: [&str; 7] = ["accuracy", "fidelity", "arena", "boards", "ranges", "changes", "instructions"];

#[test]
fn the_page_has_every_section_and_its_verdict() {
    let program = bundled();
    let facts = plausible(&program);
    let page = html(&Report { model: "vit_fmnist.onnx", facts: &facts, program: &program });
    for section in SECTIONS {
        assert!(page.contains(&format!("<section id=\"{section}\">")), "{section}");
    }
    assert!(page.contains("As accurate as the float model</strong>, and it fits all 6 boards"));
    assert!(page.contains("these have room for it: virtual-m0, mps2-an386, mps2-an500, mps3-an547, riscv-virt; these do not: none."));
    assert!(page.contains("Top-1 91.5\u{a0}% in floating point"));
    for instruction in &program.instructions {
        assert!(page.contains(&instruction.name), "{}", instruction.name);
    }
    assert!(page.len() < 300_000, "{} bytes", page.len());
    assert_self_contained(&page);
}

/// No script, and nothing that a browser would fetch.
fn assert_self_contained(page: &str) {
    let lower = page.to_lowercase();
    for outside in
        ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe", "//"]
    {
        assert!(!lower.contains(outside), "{outside}");
    }
}

#[test]
fn the_page_says_what_it_does_not_know() {
    let program = bundled();
    let facts = Facts { identity: program.identity.clone(), ..Facts::default() };
    let page = html(&Report { model: "m", facts: &facts, program: &program });
    for section in SECTIONS {
        assert!(page.contains(&format!("<section id=\"{section}\">")), "{section}");
    }
    assert!(page.contains("Not compared with the float model"));
    assert!(!page.contains("another container"));
    let other = html(&Report { model: "m", facts: &Facts::default(), program: &program });
    assert!(other.contains("another container"));
}

/// Facts with `text` in every string, `number` in every figure, `rows` times.
fn hostile(text: &str, number: f64, rows: usize) -> Facts {
    let tensor = TensorFact {
        name: text.into(),
        bits: 8,
        scale: number,
        zero: i32::MIN,
        min: number,
        max: number,
        range: [number; 2],
        method: text.into(),
        clipped: number,
        outlier_ratio: number,
    };
    let change = Change { kind: ChangeKind::Folded, layer: text.into(), what: text.into(), why: text.into() };
    let fidelity = Fidelity { instruction: 0, name: text.into(), op: text.into(), snr_db: number };
    let comparison = Comparison {
        data: text.into(),
        images: 1,
        seen: true,
        outputs: Vec::new(),
        largest_class: Some(number),
        agreement: Some(number),
        cosine: number,
        float_top1: Some(number),
        integer_top1: Some(number),
    };
    Facts {
        identity: text.into(),
        model: text.into(),
        stated: None,
        calibration_images: usize::MAX,
        constant_images: usize::MAX,
        repeated_images: usize::MAX,
        tensors: vec![tensor; rows],
        changes: vec![change; rows],
        fidelity: vec![fidelity; rows],
        comparisons: vec![comparison; rows],
    }
}

#[test]
fn hostile_facts_are_escaped_and_bounded() {
    let mut program = bundled();
    let text = format!("\"'><script>alert(1)</script><img src=x onerror=y>\u{202e}&{}", "<b>".repeat(300));
    program.instructions.iter_mut().for_each(|instruction| instruction.name.clone_from(&text));
    program.buffers.iter_mut().for_each(|buffer| buffer.name.clone_from(&text));
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -f64::MAX, 5e-324, 0.0] {
        let facts = hostile(&text, number, 3000);
        let page = html(&Report { model: &text, facts: &facts, program: &program });
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'));
        assert!(!page.contains("NaN") && !page.contains("inf\"") && !page.contains(">inf"), "{number}");
        assert!(page.len() < 8_000_000, "{} bytes", page.len());
    }
}

#[test]
fn facts_with_infinities_survive_the_sidecar() {
    let folder = tempfile::tempdir().expect("a folder");
    let container = folder.path().join("m.shf");
    write_facts(&container, &hostile("x", f64::INFINITY, 1)).expect("written");
    let facts = read_facts(&container, "x").expect("readable").expect("there");
    assert!(facts.tensors[0].outlier_ratio.is_nan() && facts.tensors[0].range[1].is_nan());
    assert!(facts.fidelity[0].snr_db.is_nan() && facts.comparisons[0].cosine.is_nan());
}

#[test]
fn buffers_lie_in_the_arena_and_never_overlap() {
    let program = bundled();
    assert!(program.buffers.iter().all(|b| b.offset + b.bytes <= program.arena_bytes));
    assert!(program.buffers.iter().any(|b| b.offset + b.bytes > program.arena_bytes - 16));
    for (index, a) in program.buffers.iter().enumerate() {
        assert!(a.first <= a.last && a.last < program.instructions.len());
        for b in &program.buffers[..index] {
            let apart = a.last < b.first || b.last < a.first;
            let beside = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
            // An input may be overwritten by the instruction that reads it last.
            assert!(apart || beside || a.first == b.last || b.first == a.last, "{a:?} {b:?}");
        }
    }
}

/// Writes pages to look at: `cargo test -p shiftformer-converter sample -- --ignored`.
#[test]
#[ignore = "writes pages to look at"]
fn sample_pages() {
    let deit = converter::arch::Arch::by_name("deit-tiny").expect("a known architecture").random(1);
    let deit = converter::build(&deit, converter::BuildOptions::default()).expect("a container");
    let deit = ProgramFacts::new(&deit).expect("a checked container");
    for (name, program) in [("vit_fmnist.onnx", bundled()), ("deit_tiny.onnx", deit)] {
        let facts = plausible(&program);
        let page = html(&Report { model: name, facts: &facts, program: &program });
        let path = std::env::temp_dir().join(format!("shiftformer-{name}.html"));
        std::fs::write(&path, page).expect("a page");
    }
}
