//! Outputs never replace what a command reads, nor one another.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The files of a command, with what each is called in messages.
#[derive(Default)]
pub struct Files {
    inputs: Vec<(&'static str, PathBuf)>,
    models: Vec<PathBuf>,
    outputs: Vec<(&'static str, PathBuf)>,
}

impl Files {
    /// A file that is read.
    pub fn input(mut self, what: &'static str, path: &Path) -> Self {
        self.inputs.push((what, path.to_owned()));
        self
    }

    /// Images, with the labels of an IDX file.
    pub fn data(mut self, path: &Path) -> Self {
        self.inputs.extend(data::idx::labels_beside(path).into_iter().map(|labels| ("the labels", labels)));
        self.input("the data", path)
    }

    /// A trained model, with the files that its weights lie in.
    pub fn model(mut self, path: &Path) -> Self {
        self.models.push(path.to_owned());
        self.input("the model", path)
    }

    /// A file that is written, by the option or name `what`.
    pub fn output(mut self, what: &'static str, path: &Path) -> Self {
        self.outputs.push((what, path.to_owned()));
        self
    }

    /// Refuses outputs that are an input, or one another, also through links.
    pub fn check(mut self) -> Result<(), Failure> {
        if self.outputs.iter().any(|(_, output)| output.is_file()) {
            self.inputs.extend(self.models.iter().flat_map(|model| weights(model)));
        }
        for (at, (option, output)) in self.outputs.iter().enumerate() {
            if let Some((what, input)) = self.inputs.iter().find(|(_, input)| same(output, input)) {
                let message =
                    format!("{option} {} would overwrite {what} {}", output.display(), input.display());
                return Err(Failure::new(message).help("give the output another name"));
            }
            if let Some((other, _)) = self.outputs[..at].iter().find(|(_, other)| same(output, other)) {
                let message = format!("{other} and {option} are one file, {}", output.display());
                return Err(Failure::new(message).help("give each output a name of its own"));
            }
        }
        Ok(())
    }
}

/// The files beside the model at `path`, or in it, that it is made of.
fn weights(path: &Path) -> Vec<(&'static str, PathBuf)> {
    let onnx = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"));
    if !onnx || !path.is_file() {
        let files = converter::import::Files::find(path);
        let part = |part: &Path| ("a part of the model,", part.to_owned());
        return files.map(|files| files.all().map(part).collect()).unwrap_or_default();
    }
    match fs::read(path) {
        Ok(bytes) => {
            let files = onnx::external_files(bytes.into()).into_iter();
            files.map(|file| ("the model's weights", path.with_file_name(file))).collect()
        }
        Err(_) => Vec::new(),
    }
}

/// Whether a write to one path changes what the other holds. Devices and pipes hold nothing.
fn same(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(x), Ok(y)) => x.is_file() && y.is_file() && (place(a) == place(b) || one_file(&x, &y)),
        (Err(_), Err(_)) => place(a) == place(b),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

/// The path without links; of a file that is not there, its folder's.
fn place(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let named = || Some(fs::canonicalize(folder).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(named).unwrap_or_else(|| path.to_owned())
}

#[cfg(unix)]
fn one_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn one_file(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("sub")).expect("a folder");
        fs::write(path("model"), "weights").expect("written");
        fs::write(path("other"), "weights").expect("written");
        fs::hard_link(path("model"), path("hard")).expect("a link");
        assert!(same(&path("model"), &path("sub/../model")));
        assert!(!same(&path("model"), &path("other")));
        assert!(same(&path("new"), &path("sub/../new")));
        assert!(!same(&path("new"), &path("newer")) && !same(&path("new"), &path("model")));
        #[cfg(unix)]
        {
            assert!(same(&path("model"), &path("hard")));
            std::os::unix::fs::symlink("model", path("soft")).expect("a link");
            assert!(same(&path("soft"), &path("model")));
            assert!(!same(Path::new("/dev/null"), Path::new("/dev/null")));
        }
    }

    #[test]
    fn the_message_names_both_and_the_way_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let model = folder.path().join("m.onnx");
        fs::write(&model, "weights").expect("written");
        let refused = Files::default().model(&model).output("--report", &model).check();
        let said = format!("{:?}", refused.expect_err("refused"));
        for word in ["--report", "overwrite the model", "m.onnx", "another name"] {
            assert!(said.contains(word), "{said}");
        }
        let new = folder.path().join("new");
        let files = || Files::default().model(&model).output("-o", &new);
        assert!(files().check().is_ok() && files().output("--report", &new).check().is_err());
    }
}
