//! What a row about an operator says.

use super::importer::{Importer, Result, Value};
use super::view::View;
use crate::reader::Ignored;

/// The operator set of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// ONNX's own.
    Onnx,
    /// ONNX Runtime's, for nodes that its optimiser has fused.
    Microsoft,
    /// In name ONNX's own: what [`patterns`](crate::patterns) makes of several nodes.
    Joined,
}

impl Domain {
    /// As a node names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Domain::Onnx | Domain::Joined => "",
            Domain::Microsoft => "com.microsoft",
        }
    }
}

/// What makes the outputs of a node.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    /// One output, computed from the image.
    View(fn(&mut Importer<'_>) -> Result<View>),
    /// One output, which may be constant.
    Value(fn(&mut Importer<'_>) -> Result<Value>),
    /// Any number of outputs.
    Values(fn(&mut Importer<'_>) -> Result<Vec<Value>>),
}

/// An operator that is imported where its inputs are not all constant.
#[derive(Clone, Copy)]
pub(super) struct OnnxOp {
    /// Its name.
    pub(super) name: &'static str,
    /// Its operator set.
    pub(super) domain: Domain,
    handler: Handler,
    /// What of it is accepted.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares docs/onnx-operators.md with it"))]
    pub(super) accepts: &'static str,
    /// Attributes that its result does not depend on.
    pub(super) ignored: &'static [Ignored],
}

impl OnnxOp {
    /// One of ONNX's own operator set.
    pub(super) const fn new(name: &'static str, handler: Handler, accepts: &'static str) -> Self {
        Self { name, domain: Domain::Onnx, handler, accepts, ignored: &[] }
    }

    /// The same of another operator set.
    pub(super) const fn of(self, domain: Domain) -> Self {
        Self { domain, ..self }
    }

    /// The same with attributes that its result does not depend on.
    pub(super) const fn ignoring(self, ignored: &'static [Ignored]) -> Self {
        Self { ignored, ..self }
    }

    /// The outputs of the importer's node.
    pub(super) fn run(&self, importer: &mut Importer) -> Result<Vec<Value>> {
        let values = match self.handler {
            Handler::View(make) => vec![make(importer)?.into()],
            Handler::Value(make) => vec![make(importer)?],
            Handler::Values(make) => make(importer)?,
        };
        importer.node.check(self.ignored)?;
        Ok(values)
    }
}

/// Operators that are refused where their inputs are not all constant, and what to do instead.
#[derive(Clone, Copy)]
pub(super) struct Refused {
    /// Their names, in any operator set.
    pub(super) names: &'static [&'static str],
    /// What is supported in their place.
    pub(super) instead: &'static str,
}
