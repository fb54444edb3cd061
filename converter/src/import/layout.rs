//! Names of tensors: those that importers ask for, and those of a file.

/// Who names the tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// timm, and what is made of its models: I-ViT, BiViT, the training recipe.
    Timm,
    /// torchvision's `VisionTransformer`.
    Torchvision,
    /// Vision transformers of Hugging Face.
    HuggingFace,
}

impl Family {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Family::Timm => "timm",
            Family::Torchvision => "torchvision",
            Family::HuggingFace => "Hugging Face",
        }
    }
}

/// How the tensors of a file are named.
pub struct Layout {
    /// By whom.
    pub family: Family,
    /// The tensor that tells the layout, as a pattern.
    pub landmark: &'static str,
    /// What `*` at the beginning of a pattern stands for, beside nothing.
    pub bases: &'static [&'static str],
    /// What importers ask for, and the pattern of the file's name: whole, or up to a dot. `{}` is
    /// a number. Without rows both names are the same.
    pub names: &'static [(&'static str, &'static str)],
}

/// What DataParallel, Lightning and `torch.compile` write in front of the names of a state dict.
const WRAPPERS: [&str; 3] = ["module.", "model.", "_orig_mod."];

/// A layout as one file has it.
#[derive(Clone)]
pub struct Naming {
    /// The layout; none where the file has no landmark.
    pub layout: Option<&'static Layout>,
    /// In front of every name of the model.
    wrapper: String,
    /// What `*` stands for.
    base: &'static str,
}

impl Naming {
    /// The first of `layouts` whose landmark is among `names`.
    pub fn find<'n>(layouts: &[&'static Layout], names: impl Iterator<Item = &'n str> + Clone) -> Self {
        for &layout in layouts {
            let (starred, landmark) = starred(layout.landmark);
            let starts = names.clone().filter_map(|name| name.strip_suffix(landmark));
            let of = |start: &str| {
                let bases = layout.bases.iter().filter(|_| starred).chain([&""]);
                let mut split = bases.filter_map(|base| Some((start.strip_suffix(base)?.to_owned(), *base)));
                split.find(|(wrapper, _)| is_wrapper(wrapper))
            };
            if let Some((wrapper, base)) = starts.filter_map(of).min() {
                return Self { layout: Some(layout), wrapper, base };
            }
        }
        Self { layout: None, wrapper: String::new(), base: "" }
    }

    /// The file's name without what wraps the model.
    pub fn unwrapped<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(self.wrapper.as_str())
    }

    /// What importers call the tensor that the model calls `name`, if they know it.
    pub fn inward(&self, name: &str) -> Option<String> {
        let rows = self.rows();
        if rows.is_empty() {
            return Some(name.to_owned());
        }
        rows.iter().find_map(|(inner, outer)| {
            let (starred, outer) = starred(outer);
            translate(outer, inner, if starred { name.strip_prefix(self.base)? } else { name })
        })
    }

    /// What the model calls the tensor that importers call `name`.
    pub fn outward(&self, name: &str) -> String {
        let outer = self.rows().iter().find_map(|(inner, outer)| {
            let (starred, outer) = starred(outer);
            let base = if starred { self.base } else { "" };
            Some(format!("{base}{}", translate(inner, outer, name)?))
        });
        outer.unwrap_or_else(|| name.to_owned())
    }

    fn rows(&self) -> &'static [(&'static str, &'static str)] {
        self.layout.map_or(&[], |layout| layout.names)
    }
}

/// Whether a pattern begins with `*`, and the rest of it.
fn starred(pattern: &str) -> (bool, &str) {
    pattern.strip_prefix('*').map_or((false, pattern), |rest| (true, rest))
}

/// Whether `start` is made of wrappers alone.
fn is_wrapper(mut start: &str) -> bool {
    while let Some(rest) = WRAPPERS.iter().find_map(|wrapper| start.strip_prefix(wrapper)) {
        start = rest;
    }
    start.is_empty()
}

/// `name`, which has the pattern `from`, in the pattern `to`.
fn translate(from: &str, to: &str, name: &str) -> Option<String> {
    let mut pieces = from.split("{}");
    let mut rest = name.strip_prefix(pieces.next()?)?;
    let mut numbers = Vec::new();
    for piece in pieces {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        numbers.push(Some(number).filter(|number| !number.is_empty())?);
        rest = behind.strip_prefix(piece)?;
    }
    if !rest.is_empty() && !rest.starts_with('.') {
        return None;
    }
    let mut numbers = numbers.into_iter();
    let mut out = String::new();
    for (at, piece) in to.split("{}").enumerate() {
        out += if at == 0 { "" } else { numbers.next().unwrap_or_default() };
        out += piece;
    }
    Some(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    static LAYOUT: Layout = Layout {
        family: Family::HuggingFace,
        landmark: "*patches.weight",
        bases: &["vit.", "deit."],
        names: &[
            ("patch_embed", "*patches"),
            ("blocks.{}.norm1", "*layer.{}.before"),
            ("stages.{}.blocks.{}.norm1", "*stages.{}.{}.before"),
            ("head", "classifier"),
        ],
    };

    #[test]
    fn names_are_translated_both_ways() {
        let names = ["model.deit.patches.weight", "model.classifier.weight"];
        let naming = Naming::find(&[&LAYOUT], names.into_iter());
        assert_eq!(naming.unwrapped(names[1]), Some("classifier.weight"));
        for (outer, inner) in [
            ("deit.patches.bias", "patch_embed.bias"),
            ("deit.layer.12.before.weight", "blocks.12.norm1.weight"),
            ("deit.stages.0.3.before.bias", "stages.0.blocks.3.norm1.bias"),
            ("classifier.weight", "head.weight"),
        ] {
            assert_eq!(naming.inward(outer).as_deref(), Some(inner));
            assert_eq!(naming.outward(inner), outer);
        }
        for strange in [
            "layer.0.before.weight",
            "deit.classifier.weight",
            "deit.layer.x.before.weight",
            "deit.patchesx",
            "vit.patches.bias",
        ] {
            assert_eq!(naming.inward(strange), None, "{strange}");
        }
        assert_eq!(naming.outward("pos_embed"), "pos_embed");
    }

    #[test]
    fn landmarks_stand_behind_wrappers_and_a_base() {
        let found = |name: &'static str| Naming::find(&[&LAYOUT], [name].into_iter()).layout.is_some();
        for name in ["patches.weight", "vit.patches.weight", "module._orig_mod.vit.patches.weight"] {
            assert!(found(name), "{name}");
        }
        for name in ["encoder.patches.weight", "vit.module.patches.weight", "other.weight"] {
            assert!(!found(name), "{name}");
        }
    }
}
