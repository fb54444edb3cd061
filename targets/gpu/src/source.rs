//! The text of one kernel: WGSL, put together from parts, or a module of SPIR-V.
//!
//! Every kernel sees three bindings: `arena`, the arenas of all frames one after another;
//! `constants`, those of its instruction; and `P`, the parameters of its instruction. Which
//! parameters there are and in which order is said once, by [`Params`].

use std::fmt::Write as _;
use std::sync::Arc;

use crate::spirv;

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

    /// Their names, without `frame_words`.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|&(name, _)| name)
    }

    fn declare(&self, text: &mut String) {
        text.push_str("struct Params {\n    frame_words: u32,\n");
        for (name, _) in &self.0 {
            let _ = writeln!(text, "    {name}: u32,");
        }
        text.push_str("}\n");
    }
}

/// What a kernel is compiled from. Equal texts are one kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Text {
    /// WGSL, which wgpu translates.
    Wgsl(Arc<str>),
    /// SPIR-V, which goes to the driver as it is.
    Spirv(Arc<[u32]>),
}

/// Where a module lies, and its constants.
pub(crate) type Variant = (usize, Vec<(&'static str, u32)>);

/// A kernel to be: constants of this variant, then parts of WGSL, or a module that has the constants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    settings: Vec<(&'static str, u32)>,
    parts: Vec<&'static str>,
    generated: String,
    module: Option<&'static [u8]>,
    /// The row of the table of tiles that it was generated for.
    pub row: Option<&'static str>,
}

impl Source {
    /// A kernel of `parts`, behind those that all kernels share.
    pub(crate) fn of(parts: &[&'static str]) -> Self {
        Self { parts: parts.to_vec(), ..Self::default() }
    }

    /// A kernel of the SPIR-V in `module`, whose structure `Params` has the parameters in their order.
    pub(crate) fn of_module(module: &'static [u8]) -> Self {
        Self { module: Some(module), ..Self::default() }
    }

    /// The same for the row `row` of the table of tiles, which has these settings.
    pub(crate) fn for_row(mut self, row: &'static str, settings: &[(&'static str, u32)]) -> Self {
        self.row = Some(row);
        self.settings.extend_from_slice(settings);
        self
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
    pub(crate) fn with(mut self, name: &'static str, value: u32) -> Self {
        self.settings.push((name, value));
        self
    }

    /// The constants that are set so far.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.settings.iter().copied()
    }

    /// What tells a module with its constants from others; `None` of WGSL.
    pub(crate) fn variant(&self) -> Option<Variant> {
        self.module.map(|module| (module.as_ptr() as usize, self.settings.clone()))
    }

    /// The whole text.
    pub(crate) fn text(&self, params: &Params) -> Text {
        match self.module {
            Some(module) => Text::Spirv(self.specialized(module, params).into()),
            None => Text::Wgsl(self.wgsl(params).into()),
        }
    }

    fn specialized(&self, module: &[u8], params: &Params) -> Vec<u32> {
        let mut module = spirv::words(module);
        debug_assert!(params.names().eq(spirv::members(&module, "Params").iter().skip(1)), "{params:?}");
        let set = spirv::set(&mut module, self.settings.iter().copied());
        debug_assert_eq!(set, self.settings.len(), "{:?}", self.settings);
        module
    }

    fn wgsl(&self, params: &Params) -> String {
        let mut text = String::new();
        params.declare(&mut text);
        for (name, value) in &self.settings {
            let _ = writeln!(text, "const {name} = {value}u;");
        }
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
