//! Names of classes, and which class a folder of images is of.

use std::fs;
use std::path::Path;

use data::{DataError, Dataset};
use shiftformer::{Model, OutputInfo, Reading, labels};

use crate::failure::Failure;

/// Classes of an output with one number, the chance of the second.
pub const YES_OR_NO: usize = 2;

/// Gives the class folders of `data` the classes of `output` of `model`, by the names in the file
/// `stated` if there is one; `note` is told where they are taken in their order although there are
/// names.
///
/// # Errors
///
/// Folders that cannot be matched, and names that do not fit.
pub fn number_output(
    data: &mut Dataset,
    stated: Option<&Path>,
    model: &Model,
    output: &OutputInfo<'_>,
    note: &dyn Fn(&str),
) -> Result<(), Failure> {
    let classes = match output.reading() {
        Reading::Chances if output.len == 1 => YES_OR_NO,
        Reading::Shares | Reading::Chances | Reading::Class => output.len,
        Reading::Values | Reading::Vector | Reading::Map => match stated {
            None => return Ok(()),
            Some(_) => {
                let message = format!("output {} gives no classes that --labels could name", output.name);
                return Err(Failure::new(message).help("leave --labels out"));
            }
        },
    };
    let kept: Vec<String> = model.labels(classes).into_iter().map(str::to_owned).collect();
    number_classes(data, stated, &kept, classes, note)
}

/// Gives the class folders of `data` the classes of a model that has `classes`, which it calls
/// `kept`, as far as it has names for all; otherwise as [`number_output`].
///
/// # Errors
///
/// As [`number_output`].
pub fn number_classes(
    data: &mut Dataset,
    stated: Option<&Path>,
    kept: &[String],
    classes: usize,
    note: &dyn Fn(&str),
) -> Result<(), Failure> {
    let stated = stated.map(|path| read(path, classes)).transpose()?;
    let names = match (&stated, kept.get(..classes)) {
        (Some(names), _) => Names::Stated(names),
        (None, Some(names)) if names.iter().all(|name| !name.is_empty()) => Names::Kept(names),
        (None, Some(_) | None) => Names::Unknown,
    };
    number(data, names, classes, note)
}

/// One name for each class, from the file at `path`.
///
/// # Errors
///
/// A file that cannot be read, or has another number of names.
pub fn read(path: &Path, classes: usize) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::io("cannot read", path))?;
    let text = text.trim_end();
    let found = text.lines().count();
    labels(text, classes).ok().filter(|_| found == classes).ok_or_else(|| {
        let message = format!("{}: {found} names, the model has {classes} classes", path.display());
        Failure::new(message).help("write one name a line, in the order of the classes")
    })
}

/// Names of a model's classes.
#[derive(Clone, Copy, Debug)]
enum Names<'a> {
    /// The options give them.
    Stated(&'a [String]),
    /// The container keeps them.
    Kept(&'a [String]),
    /// Nobody does.
    Unknown,
}

/// Gives the class folders of `data` the classes of a model that has `classes`: by their names, else
/// by their order, which takes a folder for every class.
fn number(data: &mut Dataset, names: Names<'_>, classes: usize, note: &dyn Fn(&str)) -> Result<(), Failure> {
    let Some(folders) = data.classes().map(<[String]>::len) else { return Ok(()) };
    let numbered = match names {
        Names::Stated(names) | Names::Kept(names) => data.number_classes(names),
        Names::Unknown if folders == classes => return Ok(()),
        Names::Unknown => {
            let message = format!(
                "{}: {folders} folders of classes, and the model has {classes}: which is which?",
                data.path().display()
            );
            return Err(Failure::new(message)
                .help("give the names of all classes in the model's order, one a line, with --labels FILE"));
        }
    };
    match (names, numbered) {
        // Other names for all of the same classes, such as the numbers of WordNet.
        (Names::Kept(_), Err(DataError::UnknownClass { matched: 0, .. })) if folders == classes => {
            let data = data.path().display();
            note(&format!("no folder of {data} has the name of a class: they are taken in their order"));
            Ok(())
        }
        (_, numbered) => Ok(numbered?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_numbered_by_names_or_by_all_of_them() {
        let root = tempfile::tempdir().unwrap();
        let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/pullover.png");
        for folder in ["bag", "pullover"] {
            fs::create_dir(root.path().join(folder)).unwrap();
            fs::copy(picture, root.path().join(folder).join("a.png")).unwrap();
        }
        let numbered = |names: Names<'_>, classes| {
            let mut data = data::open(root.path()).unwrap();
            number(&mut data, names, classes, &|_| ()).map(|()| data.labels().unwrap().to_vec())
        };
        let names = ["shirt", "Pullover", "Bag"].map(str::to_owned);
        assert_eq!(numbered(Names::Stated(&names), 3).unwrap(), [2, 1]);
        assert_eq!(numbered(Names::Kept(&names), 3).unwrap(), [2, 1]);
        assert_eq!(numbered(Names::Unknown, 2).unwrap(), [0, 1]);
        let refused = |names, classes| numbered(names, classes).unwrap_err().to_string();
        let unknown = refused(Names::Unknown, 3);
        assert!(unknown.ends_with("2 folders of classes, and the model has 3: which is which?"), "{unknown}");
        assert!(refused(Names::Unknown, 1).contains("2 folders"));
        assert!(refused(Names::Kept(&names[..2]), 2).contains("bag"));
        let others = ["n02", "n01"].map(str::to_owned);
        assert_eq!(numbered(Names::Kept(&others), 2).unwrap(), [0, 1]);
        assert!(refused(Names::Stated(&others), 2).contains("bag"));
    }

    #[test]
    fn a_file_has_a_name_for_each_class() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "cat\n dog \r\n\n").unwrap();
        assert_eq!(read(file.path(), 2).unwrap(), ["cat", "dog"]);
        for (classes, found) in [(1, "2 names, the model has 1"), (3, "2 names, the model has 3")] {
            assert!(read(file.path(), classes).unwrap_err().to_string().contains(found));
        }
    }
}
