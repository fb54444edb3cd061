//! Results of which every element is computed by itself.

use quant::mem::DType;
use quant::ops::Act;

use crate::plan::Dispatch;
use crate::source::Source;

/// Where activations lie: type, first byte, elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) dtype: DType,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

impl Place {
    /// Bytes of an element.
    pub(crate) const fn bytes(self) -> u32 {
        self.dtype.size()
    }
}

/// Where `act` lies.
pub(crate) fn place(act: Act) -> Place {
    let (offset, len) = match act {
        Act::I8(slot) => (slot.offset, slot.len),
        Act::I16(slot) => (slot.offset, slot.len),
        Act::I32(slot) => (slot.offset, slot.len),
    };
    Place { dtype: act.dtype(), offset, len }
}

/// Where `slot` lies.
macro_rules! slot {
    ($slot:expr, $dtype:ident) => {
        $crate::ops::element::Place { dtype: quant::mem::DType::$dtype, offset: $slot.offset, len: $slot.len }
    };
}
pub(crate) use slot;

/// A dispatch that writes every element of `out`, as `fn element(index: u32) -> i32` of `text`
/// says. It may read what lies at `P.out` itself, of `OUT_BYTES` bytes an element, and others.
pub(crate) fn element(name: &'static str, text: &'static str, out: Place) -> Dispatch {
    element_of(name, &[text], out)
}

/// The same of a text in parts.
pub(crate) fn element_of(name: &'static str, parts: &[&'static str], out: Place) -> Dispatch {
    let parts: Vec<_> = parts.iter().copied().chain([include_str!("../../shaders/element.wgsl")]).collect();
    let mut dispatch = Dispatch::new(name, Source::of(&parts).with("OUT_BYTES", out.bytes()));
    dispatch.params.set("out", out.offset);
    dispatch.params.set("len", out.len);
    let first = out.offset / 4;
    let end = (out.offset + out.len * out.bytes()).div_ceil(4);
    dispatch.workgroups((end - first).div_ceil(64));
    dispatch
}
