//! `docs/onnx-operators.md` lists what the tables of operators say.

use crate::fold;
use crate::import::op::Domain;
use crate::import::ops::{FAMILIES, REFUSED, all};
use crate::import::outputs::ENDINGS;
use crate::patterns::FUSED;
use crate::reader::Ignored;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/onnx-operators.md");

/// What is below `heading`, up to the next heading.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) =
        page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no `{heading}`"));
    rest.split("\n#").next().unwrap_or(rest)
}

/// The first table below `heading` has `rows` below its head.
fn check_table(page: &str, heading: &str, rows: &[String]) {
    let lines = section(page, heading).lines().skip_while(|line| !line.starts_with('|'));
    let found: Vec<&str> = lines.take_while(|line| line.starts_with('|')).skip(2).collect();
    assert!(found == rows, "the table below `{heading}` should have the rows\n{}", rows.join("\n"));
}

/// One line below `heading` lists `names`.
fn check_list(page: &str, heading: &str, names: &[&str]) {
    let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let listed = section(page, heading).lines().any(|line| line == list);
    assert!(listed, "one line below `{heading}` should be\n{list}");
}

#[test]
fn the_page_lists_the_operators() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let folded: Vec<&str> = fold::rows().map(|(name, _)| name).collect();
    for family in FAMILIES {
        let rows = family.ops.iter().copied().flatten().map(|op| {
            let name = match op.domain {
                Domain::Onnx => format!("`{}`", op.name),
                Domain::Microsoft => format!("`{}::{}`", op.domain.name(), op.name),
                Domain::Joined => format!("`{}` (joined)", op.name),
            };
            format!("| {name} | {} |", op.accepts)
        });
        check_table(&page, &format!("### {}", family.title), &rows.collect::<Vec<_>>());
    }
    let titles = page.lines().filter(|line| line.starts_with("### ")).count();
    assert_eq!(titles, FAMILIES.len(), "headings without a family");

    let fused = FUSED.iter().map(|fused| format!("| `{}` | {} |", fused.name, fused.accepts));
    check_table(&page, "## Fused nodes of ONNX Runtime", &fused.collect::<Vec<_>>());
    let refused = REFUSED.iter().copied().flatten().map(|row| {
        let names: Vec<String> = row.names.iter().map(|name| format!("`{name}`")).collect();
        format!("| {} | {} |", names.join(", "), row.instead)
    });
    check_table(&page, "## What is refused", &refused.collect::<Vec<_>>());

    let mut ignored: Vec<String> = Vec::new();
    let mut ignores = |op: String, rows: &[Ignored]| {
        for row in rows {
            let line = format!("| {op} | `{}` | {} |", row.attribute, row.why);
            if !ignored.contains(&line) {
                ignored.push(line);
            }
        }
    };
    all().filter(|op| op.domain == Domain::Onnx).for_each(|op| ignores(format!("`{}`", op.name), op.ignored));
    fold::rows().for_each(|(name, rows)| ignores(format!("`{name}`"), rows));
    ENDINGS.iter().for_each(|ending| ignores(format!("`{}` at the end", ending.op), ending.ignored));
    FUSED.iter().for_each(|op| ignores(format!("`com.microsoft::{}`", op.name), op.ignored));
    check_table(&page, "## Attributes and inputs", &ignored);

    let imported = |name: &str| all().any(|op| op.domain == Domain::Onnx && op.name == name);
    let mut only: Vec<&str> = folded.into_iter().filter(|name| !imported(name)).collect();
    only.sort_unstable();
    check_list(&page, "## Operators on constants only", &only);
    let endings: Vec<&str> = ENDINGS.iter().map(|ending| ending.op).collect();
    check_list(&page, "## What is left out at the end", &endings);
}

#[test]
fn every_operator_has_one_row() {
    let mut rows: Vec<(&str, &str)> = all().map(|op| (op.domain.name(), op.name)).collect();
    let refused = REFUSED.iter().copied().flatten().flat_map(|row| row.names);
    rows.extend(refused.map(|name| ("", *name)));
    let mut folded: Vec<(&str, &str)> = fold::rows().map(|(name, _)| ("", name)).collect();
    for rows in [&mut rows, &mut folded] {
        let count = rows.len();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), count);
    }
}
