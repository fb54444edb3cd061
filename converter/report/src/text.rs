//! Numbers and names for people.

/// Characters of a name or a sentence that are shown at most.
const NAME: usize = 96;
const SENTENCE: usize = 400;

/// Keeps a figure and its unit on one line.
const SPACE: char = '\u{a0}';

/// `name`, cut in the middle where it is long, without characters that would change
/// the text around it.
pub(super) fn name(name: &str) -> String {
    cut(name, NAME)
}

/// A sentence from the facts, cut likewise.
pub(super) fn sentence(text: &str) -> String {
    cut(text, SENTENCE)
}

fn cut(text: &str, most: usize) -> String {
    let printable = |c: char| if c.is_control() || is_bidi(c) { '\u{fffd}' } else { c };
    // Both ends matter: prefixes say where, suffixes what.
    if text.chars().nth(most).is_none() {
        return text.chars().map(printable).collect();
    }
    let head = text.chars().take(most / 2);
    let tail: Vec<char> = text.chars().rev().take(most / 2 - 1).collect();
    head.chain(['…']).chain(tail.into_iter().rev()).map(printable).collect()
}

/// Characters that reorder the text after them.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Bytes as `12 B`, `3.4 KiB`, `250 KiB`, `1.2 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        // What rounds to 1024 belongs to the next unit.
        if value < 1023.5 || unit == "GiB" {
            let places = if value.fract() == 0.0 || value >= 99.95 { 0 } else { 1 };
            return format!("{value:.places$}{SPACE}{unit}");
        }
        value /= 1024.0;
    }
    String::new()
}

/// A count with a comma every three digits.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count in words where it is large: `10.5 million`.
pub(super) fn large(number: u64) -> String {
    match number {
        0..1_000_000 => count(number),
        1_000_000..1_000_000_000 => format!("{:.1}{SPACE}million", number as f64 / 1e6),
        _ => format!("{:.1}{SPACE}billion", number as f64 / 1e9),
    }
}

/// `one` of something, or many: `1 board`, `6 boards`.
pub(super) fn many(number: usize, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", count(number as u64))
}

/// A real number in about three digits.
#[expect(clippy::disallowed_methods, reason = "digits for people")]
pub(super) fn real(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() {
        "–".to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e5).contains(&size) {
        format!("{x:.2e}").replace('-', "−")
    } else {
        let places = (2 - size.log10().floor() as i32).max(0) as usize;
        format!("{x:.places$}").replace('-', "−")
    }
}

/// A percentage already in percent, with `places` places; no more than is true of it:
/// 99.97 is not 100.0.
#[expect(clippy::disallowed_methods, reason = "digits for people")]
pub(super) fn percent(x: f64, places: usize) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    let unit = 10f64.powi(places as i32);
    let shown = if x < 100.0 { x.min(((100.0 * unit) - 1.0) / unit) } else { x };
    format!("{}{SPACE}%", fixed(shown, places))
}

/// A share in percent; tiny ones are not called none.
pub(super) fn share(x: f64) -> String {
    match 100.0 * x {
        x if !x.is_finite() => "–".to_owned(),
        0.0 => "0".to_owned(),
        x if x < 0.01 => format!("<{SPACE}0.01{SPACE}%"),
        x => format!("{}{SPACE}%", fixed(x, 2)),
    }
}

/// With `places` places.
pub(super) fn fixed(x: f64, places: usize) -> String {
    match format!("{x:.places$}") {
        _ if x.is_nan() || x.abs() >= 1e6 => real(x),
        // No negative zero.
        shown if shown.trim_matches(['-', '0', '.']).is_empty() => shown.replace('-', ""),
        shown => shown.replace('-', "−"),
    }
}

/// Decibels with one place.
pub(super) fn decibels(x: f64) -> String {
    if x.is_finite() { format!("{}{SPACE}dB", fixed(x, 1)) } else { "–".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With spaces that may break.
    fn plain(text: String) -> String {
        text.replace(SPACE, " ")
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1023, 1024, 102_399, 1_048_570].map(|b| plain(bytes(b))),
            ["0 B", "999 B", "1023 B", "1 KiB", "100 KiB", "1.0 MiB"]
        );
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!([-0.04, -0.06, 0.0, f64::NAN].map(|x| fixed(x, 1)), ["0.0", "−0.1", "0.0", "–"]);
        assert_eq!(plain(large(10_484_096)), "10.5 million");
        assert_eq!(many(1, "board"), "1 board");
        assert_eq!(
            [0.0, 0.12345, -12.345, 1234.5, 1e-7, f64::NAN].map(real),
            ["0", "0.123", "−12.3", "1234", "1.00e−7", "–"]
        );
        assert_eq!([99.97, 100.0, 91.46].map(|x| plain(percent(x, 1))), ["99.9 %", "100.0 %", "91.5 %"]);
        assert_eq!([0.0, 1e-6, 0.0123].map(|x| plain(share(x))), ["0", "< 0.01 %", "1.23 %"]);
    }

    #[test]
    fn names_are_bounded_and_cannot_reorder_the_page() {
        let long = name(&format!("start{}end", "é".repeat(5000)));
        assert_eq!(long.chars().count(), NAME);
        assert!(long.starts_with("start") && long.ends_with("end"));
        assert_eq!(name("a\u{202e}b\n"), "a\u{fffd}b\u{fffd}");
    }
}
