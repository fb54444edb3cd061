//! The changelog: one fragment for each change in `changelog/`, collected for a release.
//!
//! Fragments do not meet in one file, so two branches never conflict in it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Outcome;
use crate::process::{command, root, stdout};

/// Kinds of change, in the order in which a release lists them: the beginning of a fragment's
/// name, and the heading.
const KINDS: [(&str, &str); 4] =
    [("added", "Added"), ("changed", "Changed"), ("fixed", "Fixed"), ("removed", "Removed")];

/// The heading of what is not released.
const UNRELEASED: &str = "## [Unreleased]";

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fragment {
    /// Its position in [`KINDS`].
    kind: usize,
    /// One or more whole sentences.
    text: String,
}

/// Fails where a fragment has a wrong name or no sentence.
pub fn check() -> Outcome {
    fragments().map(|_| ())
}

/// Moves the fragments, and what stands under `Unreleased`, to the section of `version` in
/// CHANGELOG.md, and removes the fragments' files.
pub fn collect(version: &str) -> Outcome {
    let fragments = fragments()?;
    let date = stdout(&mut command("date", &["-u", "+%F"])).ok_or("the program `date` does not run")?;
    let path = root().join("CHANGELOG.md");
    let changes: Vec<Fragment> = fragments.iter().map(|(_, fragment)| fragment.clone()).collect();
    let text = release(&read(&path)?, &changes, version, date.trim())?;
    fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    for (path, _) in &fragments {
        fs::remove_file(path).map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
    }
    println!("CHANGELOG.md: {} fragments moved to {version}", fragments.len());
    Ok(())
}

/// All fragments with their files, in the order of their names.
fn fragments() -> Result<Vec<(PathBuf, Fragment)>, String> {
    let folder = root().join("changelog");
    let failed = |error| format!("cannot read {}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name != "README.md" {
            let fragment = fragment(&name, &read(&path)?)?;
            all.push((path, fragment));
        }
    }
    Ok(all)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// The fragment in the file called `name`.
fn fragment(name: &str, text: &str) -> Result<Fragment, String> {
    let known = KINDS.map(|(kind, _)| kind).join(", ");
    let wrong = || format!("changelog/{name}: expected KIND-SLUG.md, KIND being one of {known}");
    let (kind, slug) = name.strip_suffix(".md").and_then(|stem| stem.split_once('-')).ok_or_else(wrong)?;
    let kind = KINDS.iter().position(|(known, _)| *known == kind).ok_or_else(wrong)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if slug.is_empty() || !slug.chars().all(plain) {
        return Err(format!("changelog/{name}: a slug has small letters, digits and hyphens"));
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("changelog/{name} is empty"));
    }
    if text.starts_with(['#', '-', '*']) {
        return Err(format!("changelog/{name}: expected sentences, without a heading or a list's mark"));
    }
    if !text.ends_with('.') || !text.contains(' ') {
        return Err(format!("changelog/{name}: expected one or more sentences that end in a full stop"));
    }
    Ok(Fragment { kind, text: text.to_owned() })
}

/// `changelog` with a section for `version` of `date`: what stood under `Unreleased`, and
/// `fragments` behind it, by kind.
fn release(changelog: &str, fragments: &[Fragment], version: &str, date: &str) -> Result<String, String> {
    let numbers: Vec<&str> = version.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    if numbers.len() != 3 || !numbers.iter().all(is_number) {
        return Err(format!("`{version}` is not a version: expected MAJOR.MINOR.PATCH"));
    }
    if changelog.contains(&format!("## [{version}]")) {
        return Err(format!("CHANGELOG.md has a section for {version} already"));
    }
    let (head, rest) =
        changelog.split_once(UNRELEASED).ok_or(format!("CHANGELOG.md has no line `{UNRELEASED}`"))?;
    let (unreleased, older) = match rest.find("\n## ") {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let mut sections = sections(unreleased)?;
    for fragment in fragments {
        let lines = fragment.text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines = lines.collect::<Vec<_>>().join("\n  ");
        sections[fragment.kind].push_str(&format!("- {lines}\n"));
    }
    if sections.iter().all(String::is_empty) {
        return Err("there is nothing to release: no fragment, and nothing under `Unreleased`".into());
    }
    let sections = sections.iter().zip(KINDS).filter(|(changes, _)| !changes.is_empty());
    let text: String = sections.map(|(changes, (_, title))| format!("\n### {title}\n\n{changes}")).collect();
    Ok(format!("{head}{UNRELEASED}\n\n## [{version}] - {date}\n{text}{older}"))
}

/// The changes under the headings of `text`, by kind, one or more lines for each.
fn sections(text: &str) -> Result<[String; 4], String> {
    let (mut changes, mut kind) = ([const { String::new() }; 4], None);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match (line.strip_prefix("### "), kind) {
            (Some(title), _) => {
                let found = KINDS.iter().position(|(_, known)| *known == title.trim());
                kind = Some(found.ok_or(format!("CHANGELOG.md: `{title}` is not a kind of change"))?);
            }
            (None, Some(kind)) => changes[kind] += &format!("{line}\n"),
            (None, None) => return Err(format!("CHANGELOG.md: `{line}` stands under no kind of change")),
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- One.\n- Two,\n  in two lines.\n";

    fn fixed(text: &str) -> Fragment {
        fragment("fixed-it.md", text).expect("a fragment")
    }

    #[test]
    fn the_fragments_of_this_repository_are_valid() {
        check().expect("valid fragments");
        let changelog = read(&root().join("CHANGELOG.md")).expect("a changelog");
        let changes = [fixed("It works.")];
        release(&changelog, &changes, "999.0.0", "2026-01-31").expect("a changelog that can be released");
    }

    #[test]
    fn names_and_texts_that_are_refused() {
        assert_eq!(fixed(" It works.\n\n"), Fragment { kind: 2, text: "It works.".into() });
        for name in ["it.md", "repaired-it.md", "fixed-.md", "fixed-It.md", "fixed-a_b.md", "fixed-it.txt"] {
            assert!(fragment(name, "It works.").is_err(), "{name}");
        }
        for text in ["", " \n", "- It works.", "# It works.", "It works", "Works."] {
            assert!(fragment("fixed-it.md", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_release_has_everything_by_kind() {
        let changes =
            [fixed("It works.\nIt really does."), fragment("added-it.md", "It is.").expect("valid")];
        let text = release(LOG, &changes, "1.2.0", "2026-01-31").expect("a release");
        let expected = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-31\n\n### Added\n\n- One.\n- Two,\n  \
                        in two lines.\n- It is.\n\n### Fixed\n\n- It works.\n  It really does.\n";
        assert_eq!(text, expected);
        let next = release(&text, &[fixed("More works.")], "1.2.1", "2026-02-28").expect("another one");
        let head = "# Changelog\n\n## [Unreleased]\n\n## [1.2.1] - 2026-02-28\n\n### Fixed\n\n- More works.\n\n## [1.2.0]";
        assert!(next.starts_with(head), "{next}");
        assert!(next.ends_with("It really does.\n"), "{next}");
    }

    #[test]
    fn releases_that_are_refused() {
        let changes = [fixed("It works.")];
        for version in ["1.2", "v1.2.0", "1.2.x", "1.2.0-rc1", ""] {
            assert!(release(LOG, &changes, version, "2026-01-31").is_err(), "{version}");
        }
        let empty = "# Changelog\n\n## [Unreleased]\n";
        assert!(release(empty, &[], "1.0.0", "2026-01-31").is_err());
        assert!(release("# Changelog\n", &changes, "1.0.0", "2026-01-31").is_err());
        let text = release(empty, &changes, "1.0.0", "2026-01-31").expect("a release");
        assert!(release(&text, &changes, "1.0.0", "2026-01-31").is_err());
        let loose = "# Changelog\n\n## [Unreleased]\n\n- Nowhere.\n";
        assert!(release(loose, &changes, "1.0.0", "2026-01-31").is_err());
    }
}
