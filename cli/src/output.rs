//! Results on stdout.

use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;

/// Prints `result` as JSON, or as `text` makes it.
pub fn emit<T: Serialize>(json: bool, result: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
    let text = match json {
        true => serde_json::to_string_pretty(result)
            .map_err(|e| Failure::new(format!("cannot encode the result: {e}")))?,
        false => text(result),
    };
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// A count of bytes for people.
pub fn bytes(count: u64) -> String {
    match count {
        0..10_240 => format!("{count} B"),
        10_240..10_485_760 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

/// Dimensions for people, such as `2×3×4`.
pub fn shape(shape: &[u32]) -> String {
    shape.iter().map(u32::to_string).collect::<Vec<_>>().join("×")
}

/// A path for a command line that is pasted into a shell: quoted where the shell would read it
/// otherwise.
pub fn pasted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/\\._-:+,@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A hash for people and JSON, whose numbers cannot hold 64 bits.
pub fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_only_where_a_shell_needs_it() {
        for (path, shown) in [
            ("target/demo.shf", "target/demo.shf"),
            ("my models/demo.shf", "'my models/demo.shf'"),
            ("it's", "'it'\\''s'"),
        ] {
            assert_eq!(pasted(Path::new(path)), shown);
        }
    }
}
