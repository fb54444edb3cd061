//! What `SPEC.md` lists is what the code has.

use std::format;
use std::string::String;
use std::vec::Vec;

use quant::bits::BitPack;
use quant::op::OpKind;
use quant::pack::Pack;

use crate::Ending;

const SPEC: &str = include_str!("../SPEC.md");

/// The ids and names in the first two columns of the first table under `heading`.
fn table(heading: &str) -> Vec<(usize, String)> {
    let (_, section) = SPEC.split_once(&format!("\n{heading}\n")).expect("the section is there");
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
        let (_, id, name) = (cells.next(), cells.next(), cells.next());
        (id.and_then(|id| id.parse().ok()).expect("an id"), name.expect("a name").into())
    })
    .collect()
}

/// Names in the order of their ids.
fn numbered<T>(all: &[T], name: impl Fn(&T) -> String) -> Vec<(usize, String)> {
    all.iter().map(name).enumerate().collect()
}

#[test]
fn every_op_has_its_row_and_its_record() {
    let ops = numbered(OpKind::ALL, |kind| kind.name().into());
    assert_eq!(table("### 5.2 Ops"), ops);
    // A record begins with its id and name in bold.
    let bold = SPEC.lines().filter_map(|line| line.strip_prefix("**")?.split_once("**"));
    let numbered = bold.filter_map(|(heading, _)| heading.split_once(' '));
    let records = numbered.filter_map(|(id, name)| Some((id.parse().ok()?, name.into())));
    assert_eq!(records.collect::<Vec<(usize, String)>>(), ops);
}

#[test]
fn every_pack_has_its_row() {
    assert_eq!(table("### 6.1 Packs of int8 weights"), numbered(&Pack::ALL, |pack| format!("{pack:?}")));
    assert_eq!(table("### 6.2 Packs of bits"), numbered(&BitPack::ALL, |pack| format!("{pack:?}")));
}

#[test]
fn every_ending_has_its_row() {
    assert_eq!(table("## 4. The names section"), numbered(&Ending::ALL, |ending| format!("{ending:?}")));
}

#[test]
fn the_limits_are_those_of_the_code() {
    assert!(
        SPEC.starts_with(&format!("# The Shiftformer container, format version {}\n", crate::FORMAT_VERSION))
    );
    assert!(SPEC.contains(&format!("### 1.1 Header, {} bytes\n", crate::HEADER_LEN)));
    assert!(SPEC.contains(&format!("number of instruction frames, 1 to {} |", crate::MAX_INSTRUCTIONS)));
    assert!(SPEC.contains("at most 2³⁰ |") && crate::MAX_ARENA == 1 << 30);
    assert!(SPEC.contains("at most 2³⁶ multiply-accumulates") && crate::MAX_MACS == 1 << 36);
    assert!(SPEC.contains("a tile group at most 2²² rows") && crate::MAX_TILED_ROWS == 1 << 22);
}
