//! WGSL of one kernel, put together from parts.
//!
//! Every kernel sees three bindings: `arena`, the arenas of all frames one after another;
//! `constants`, those of its instruction; and `P`, the parameters of its instruction. Which
//! parameters there are and in which order is said once, by [`Params`].

use std::fmt::Write as _;

/// Parameters of a dispatch: 32-bit words with their names in WGSL, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(&'static str, u32)>);

/// Words that fit the smallest distance between two bindings of uniforms, 256 bytes.
pub(crate) const PARAMS: usize = 64;

impl Params {
    /// Adds an unsigned word.
    pub(crate) fn set(&mut self, name: &'static str, value: u32) {
        debug_assert!(self.0.len() < PARAMS - 1, "{name} is one parameter too many");
        self.0.push((name, value));
    }

    /// Adds a signed word, which the kernel reads as `i32`.
    pub(crate) fn set_signed(&mut self, name: &'static str, value: i32) {
        self.set(name, value.cast_unsigned());
    }

    /// Adds an unsigned number of 64 bits as two words, the low one first.
    pub(crate) fn set_64(&mut self, [low, high]: [&'static str; 2], value: u64) {
        self.set(low, value as u32);
        self.set(high, (value >> 32) as u32);
    }

    /// Their values behind `frame_words`, the distance between two frames in words.
    pub(crate) fn words(&self, frame_words: u32) -> [u32; PARAMS] {
        let mut words = [0; PARAMS];
        words[0] = frame_words;
        for (word, (_, value)) in words[1..].iter_mut().zip(&self.0) {
            *word = *value;
        }
        words
    }

    fn declare(&self, text: &mut String) {
        text.push_str("struct Params {\n    frame_words: u32,\n");
        for (name, _) in &self.0 {
            let _ = writeln!(text, "    {name}: u32,");
        }
        text.push_str("}\n");
    }
}

/// Text of a kernel: constants of this variant, then parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    settings: String,
    parts: Vec<&'static str>,
    generated: String,
    /// The row of the table of tiles that it was generated for.
    pub row: Option<&'static str>,
}

impl Source {
    /// A kernel of `parts`, behind those that all kernels share.
    pub(crate) fn of(parts: &[&'static str]) -> Self {
        Self { parts: parts.to_vec(), ..Self::default() }
    }

    /// Appends `parts`.
    pub(crate) fn and(mut self, parts: &[&'static str]) -> Self {
        self.parts.extend_from_slice(parts);
        self
    }

    /// Appends `text`, which is generated for the row `row` of the table of tiles, behind all parts.
    pub(crate) fn generated(mut self, row: &'static str, text: String) -> Self {
        self.row = Some(row);
        self.generated = text;
        self
    }

    /// Sets the constant `name`, which makes a variant of the kernel.
    pub(crate) fn with(mut self, name: &str, value: u32) -> Self {
        let _ = writeln!(self.settings, "const {name} = {value}u;");
        self
    }

    /// The whole text.
    pub(crate) fn text(&self, params: &Params) -> String {
        let mut text = String::new();
        params.declare(&mut text);
        text.push_str(&self.settings);
        for part in [include_str!("../shaders/memory.wgsl"), include_str!("../shaders/arith.wgsl")] {
            text.push_str(part);
        }
        for part in &self.parts {
            text.push_str(part);
        }
        text.push_str(&self.generated);
        text
    }
}
