//! Tables in documents that commands write: each stands between two comments with its name.

use std::fs;

use crate::outcome::Outcome;
use crate::process::root;

/// A row of a table.
pub fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// As code in Markdown.
pub fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The table in Markdown; the first row is its head.
pub fn markdown(rows: &[Vec<String>]) -> String {
    let line = |cells: &Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| format!(" {cell} |").replace("  |", " |")).collect();
        format!("|{}\n", cells.concat())
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let columns = rows.first().map_or(0, Vec::len);
    lines.insert(1, format!("|{}\n", "---|".repeat(columns)));
    lines.concat()
}

/// `text` up to the table called `name`, the table, and the rest. The comment in front of a table
/// has its name and the command that writes it, the one behind it the name alone.
pub fn split<'t>(text: &'t str, name: &str) -> Option<[&'t str; 3]> {
    let begin = text.find(&format!("<!-- {name}: written by "))?;
    let start = begin + text[begin..].find('\n')? + 1;
    let (head, rest) = text.split_at(start);
    let (table, tail) = rest.split_at(rest.find(&format!("<!-- end of {name} -->\n"))?);
    Some([head, table, tail])
}

/// Writes the table called `name` of a document anew.
pub fn replace(file: &str, name: &str, rows: &[Vec<String>]) -> Outcome {
    let path = root().join(file);
    let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {file}: {error}"))?;
    let [head, _, tail] = split(&text, name).ok_or_else(|| format!("{file} has no table `{name}`"))?;
    fs::write(&path, [head, &markdown(rows), tail].concat())
        .map_err(|error| format!("cannot write {file}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_found_between_its_comments() {
        let (begin, end) = ("<!-- x: written by `a command` -->\n", "<!-- end of x -->\n");
        let text = format!("a\n{begin}| old |\n{end}b\n");
        let [head, table, tail] = split(&text, "x").unwrap();
        assert_eq!((head.len(), table, tail), (2 + begin.len(), "| old |\n", &*format!("{end}b\n")));
        assert!(split(&text, "y").is_none());
        assert_eq!(markdown(&[row(["a", "b"]), row(["1", ""])]), "| a | b |\n|---|---|\n| 1 | |\n");
    }
}
