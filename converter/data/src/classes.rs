//! Class folders by the names of a model's classes.

use std::collections::HashMap;

/// A folder that no class can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmatched {
    /// The folder, by its index.
    pub(super) folder: usize,
    /// Classes that it may be, by their index: none or several.
    pub(super) classes: Vec<usize>,
    /// Folders that have a class.
    pub(super) matched: usize,
}

/// The class of each folder: the one of that name, or with that name among its synonyms, which
/// commas separate. Case and what is between words do not matter.
pub(super) fn by_name(folders: &[String], names: &[String]) -> Result<Vec<u32>, Unmatched> {
    let mut whole: HashMap<String, Vec<usize>> = HashMap::new();
    let mut parts: HashMap<String, Vec<usize>> = HashMap::new();
    for (class, name) in names.iter().enumerate() {
        whole.entry(key(name)).or_default().push(class);
        for part in name.split(',') {
            let classes = parts.entry(key(part)).or_default();
            if classes.last() != Some(&class) {
                classes.push(class);
            }
        }
    }
    let class = |(folder, name): (usize, &String)| {
        let name = key(name);
        match whole.get(&name).or_else(|| parts.get(&name)).map_or(&[][..], Vec::as_slice) {
            &[class] => Ok(class as u32),
            classes => Err((folder, classes.to_vec())),
        }
    };
    let found: Vec<_> = folders.iter().enumerate().map(class).collect();
    let matched = found.iter().filter(|found| found.is_ok()).count();
    let found: Result<_, _> = found.into_iter().collect();
    found.map_err(|(folder, classes)| Unmatched { folder, classes, matched })
}

/// The words of `name` in small letters.
fn key(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(folders: &[&str], names: &[&str]) -> Result<Vec<u32>, Unmatched> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        by_name(&owned(folders), &owned(names))
    }

    #[test]
    fn names_are_found_by_their_words() {
        let names = ["T-shirt/top", "tench, Tinca tinca", "Ankle boot", "crane", "crane, lifting"];
        assert_eq!(matched(&["ankle_boot", "Tench", "t-shirt top"], &names), Ok(vec![2, 1, 0]));
        assert_eq!(matched(&["crane", "lifting"], &names), Ok(vec![3, 4]));
        assert_eq!(matched(&["Straße", "ÄRMEL"], &["ärmel", "STRASSE", "straße"]), Ok(vec![2, 0]));
    }

    #[test]
    fn what_is_none_or_several_is_named() {
        let unmatched = |folder, classes: &[usize], matched| {
            Err(Unmatched { folder, classes: classes.to_vec(), matched })
        };
        assert_eq!(matched(&["cat", "emu", "dog"], &["cat", "dog"]), unmatched(1, &[], 2));
        assert_eq!(matched(&["cat"], &["Cat", "dog", "cat"]), unmatched(0, &[0, 2], 0));
        assert_eq!(matched(&["jay"], &["jay, bird", "blue, jay"]), unmatched(0, &[0, 1], 0));
        assert_eq!(matched(&["cat"], &[]), unmatched(0, &[], 0));
    }
}
