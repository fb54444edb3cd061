//! What of a node is read: nothing that it states may be left aside without a word.
//!
//! Whoever computes a node, or joins it with others, sees it through a [`Reader`], which notes
//! every attribute and input that is asked for. [`Reader::check`] refuses what is left.

use std::cell::RefCell;
use std::collections::HashSet;

use super::error::OnnxError;
use super::limits::clean;
use super::model::{Array, Attribute, Node};

/// Longest value of an attribute that a message shows.
const MAX_SHOWN: usize = 32;

/// An attribute that the result does not depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ignored {
    /// Its name.
    pub(crate) attribute: &'static str,
    /// Why it has no influence.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares docs/onnx-operators.md with it"))]
    pub(crate) why: &'static str,
}

impl Ignored {
    pub(crate) const fn new(attribute: &'static str, why: &'static str) -> Self {
        Self { attribute, why }
    }
}

/// A node whose attributes and inputs are noted as they are read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    node: &'a Node,
    /// Its name.
    pub(crate) name: &'a str,
    /// Its op.
    pub(crate) op: &'a str,
    /// The names of what it makes.
    pub(crate) outputs: &'a [String],
    attributes: RefCell<HashSet<String>>,
    inputs: RefCell<HashSet<usize>>,
}

impl<'a> Reader<'a> {
    /// `node`, of which nothing is read yet.
    pub(crate) fn new(node: &'a Node) -> Self {
        Self {
            node,
            name: &node.name,
            op: &node.op,
            outputs: &node.outputs,
            attributes: RefCell::default(),
            inputs: RefCell::default(),
        }
    }

    /// Forgets what was read.
    pub(crate) fn forget(&self) {
        self.attributes.borrow_mut().clear();
        self.inputs.borrow_mut().clear();
    }

    /// Whether it is `op` of ONNX's own operator set.
    pub(crate) fn is(&self, op: &str) -> bool {
        self.node.is(op)
    }

    /// Whether it is of ONNX's own operator set.
    pub(crate) fn is_own(&self) -> bool {
        self.node.domain.is_empty()
    }

    /// Whether `other` has the same op and the same attributes.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let of = |node: &'a Node| (&node.op, &node.domain, &node.attributes);
        of(self.node) == of(other.node)
    }

    /// How many inputs it has, absent ones among them.
    pub(crate) fn count(&self) -> usize {
        self.node.inputs.len()
    }

    /// The name of input `index`, which counts as read; none if it is absent.
    pub(crate) fn input(&self, index: usize) -> Option<&'a str> {
        self.ignore_input(index);
        self.node.input(index)
    }

    /// Counts an input as read that says nothing in the case at hand.
    pub(crate) fn ignore_input(&self, index: usize) {
        self.inputs.borrow_mut().insert(index);
    }

    /// The name of input `index` for names and messages: it does not count as read.
    pub(crate) fn peek(&self, index: usize) -> Option<&'a str> {
        self.node.input(index)
    }

    /// Its first output; empty if it has none.
    pub(crate) fn output(&self) -> &'a str {
        self.node.output()
    }

    /// The names of the inputs that are there, all of which count as read.
    pub(crate) fn all_inputs(&self) -> impl Iterator<Item = &'a str> {
        (0..self.count()).filter_map(|index| self.input(index))
    }

    /// The node itself, for one that says the same: all of it counts as read.
    pub(crate) fn pass_on(&self) -> Node {
        self.node.attributes.keys().for_each(|name| self.ignore(name));
        self.all_inputs().for_each(drop);
        self.node.clone()
    }

    /// Any attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'a Attribute> {
        self.ignore(name);
        self.node.attributes.get(name)
    }

    /// Counts an attribute as read that says nothing in the case at hand.
    pub(crate) fn ignore(&self, name: &str) {
        self.attributes.borrow_mut().insert(name.into());
    }

    // An attribute of another type than the one that is asked for stays unread.
    fn note(&self, name: &str, fits: fn(&Attribute) -> bool) {
        if self.node.attributes.get(name).is_some_and(fits) {
            self.ignore(name);
        }
    }

    /// An integer attribute; `default` if it is absent.
    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.note(name, |attribute| matches!(attribute, Attribute::Int(_)));
        self.node.int(name, default)
    }

    /// An integer attribute that the operator has no default for.
    ///
    /// # Errors
    ///
    /// Names the attribute that is absent, or no integer.
    pub(crate) fn required_int(&self, name: &str) -> Result<i64, OnnxError> {
        match self.node.attributes.get(name) {
            Some(Attribute::Int(value)) => {
                self.ignore(name);
                Ok(*value)
            }
            _ => {
                Err(self
                    .invalid(format!("its attribute `{name}` is missing, an integer; add it to the node")))
            }
        }
    }

    /// A float attribute; `default` if it is absent.
    pub(crate) fn float(&self, name: &str, default: f32) -> f32 {
        self.note(name, |attribute| matches!(attribute, Attribute::Float(_)));
        self.node.float(name, default)
    }

    /// A text attribute; `default` if it is absent.
    pub(crate) fn string(&self, name: &str, default: &'a str) -> &'a str {
        self.note(name, |attribute| matches!(attribute, Attribute::String(_)));
        self.node.string(name, default)
    }

    /// A list of integers; none if it is absent.
    pub(crate) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.note(name, |attribute| matches!(attribute, Attribute::Ints(_)));
        self.node.ints(name)
    }

    /// A tensor attribute; none if it is absent.
    pub(crate) fn tensor(&self, name: &str) -> Option<&'a Array> {
        self.note(name, |attribute| matches!(attribute, Attribute::Tensor(_)));
        self.node.tensor(name)
    }

    /// As [`Node::invalid`].
    pub(crate) fn invalid(&self, reason: impl Into<String>) -> OnnxError {
        self.node.invalid(reason)
    }

    /// As [`Node::unsupported`].
    pub(crate) fn unsupported(&self, hint: impl Into<String>) -> OnnxError {
        self.node.unsupported(hint)
    }

    /// Refuses an attribute that was not read and is not among `ignored`, and an input that was
    /// not read.
    pub(crate) fn check(&self, ignored: &[Ignored]) -> Result<(), OnnxError> {
        let read = self.attributes.borrow();
        let known =
            |name: &str| read.contains(name) || ignored.iter().any(|ignored| ignored.attribute == name);
        let unread = self.node.attributes.iter().filter(|(name, _)| !known(name));
        if let Some((name, value)) = unread.min_by_key(|(name, _)| *name) {
            let name = clean(name);
            return Err(self.unsupported(format!(
                "its attribute `{name}`{} is not read here and may change the result; export the model without \
                 it, or remove it from the node if it says nothing",
                shown(value)
            )));
        }
        let read = self.inputs.borrow();
        match (0..self.count()).find(|index| self.node.input(*index).is_some() && !read.contains(index)) {
            Some(index) => Err(self.unsupported(format!(
                "its input {index}, `{}`, is not read here and may change the result; export the model without it",
                clean(self.node.input(index).unwrap_or_default())
            ))),
            None => Ok(()),
        }
    }
}

/// A short value of an attribute as messages show it; empty if it is long.
fn shown(attribute: &Attribute) -> String {
    let value = match attribute {
        Attribute::Int(value) => value.to_string(),
        Attribute::Float(value) => value.to_string(),
        Attribute::String(value) => clean(value),
        Attribute::Ints(values) => format!("{values:?}"),
        Attribute::Floats(values) => format!("{values:?}"),
        Attribute::Strings(_) | Attribute::Tensor(_) => return String::new(),
    };
    if value.len() > MAX_SHOWN { String::new() } else { format!(" of {value}") }
}
