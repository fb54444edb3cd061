//! The closed set of ops.
//!
//! [`ops!`](crate::ops!), beside the files of the ops, is the one list; [`Op`], its decoding
//! table and whatever has an item for each op (the conformance tests) expand from it.
//! **Append only**: an op's position is its id in the container.

use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::{Operand, Visitor};
use crate::ops::*;

macro_rules! define {
    ($($name:ident),* $(,)?) => {
        /// One instruction.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Op {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        /// The kind of an instruction; its discriminant is the op id in the container.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum OpKind {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name,)*
        }

        impl OpKind {
            /// Every kind, in id order.
            pub const ALL: &[OpKind] = &[$(OpKind::$name),*];

            /// The kind with this id.
            pub fn from_id(id: u16) -> Option<OpKind> {
                OpKind::ALL.get(id as usize).copied()
            }

            /// The name used in reports.
            pub const fn name(self) -> &'static str {
                match self { $(OpKind::$name => stringify!($name),)* }
            }
        }

        impl Op {
            /// The kind of this instruction.
            pub const fn kind(&self) -> OpKind {
                match self { $(Op::$name(_) => OpKind::$name,)* }
            }

            /// Calls `visit` with every operand, always in the same order.
            pub fn operands(&self, visit: &mut dyn FnMut(Operand)) {
                let mut op = *self;
                op.map_operands(&mut |operand| visit(*operand));
            }

            /// Calls `map` with every operand, in the order of [`operands`](Self::operands); what it
            /// leaves in offset, length and layout becomes the record's.
            pub fn map_operands(&mut self, map: &mut dyn FnMut(&mut Operand)) {
                let visitor = &mut Visitor::new(map);
                match self { $(Op::$name(op) => if const { OpKind::$name.is_included() } { op.operands(visitor) },)* }
            }

            /// Independent rows, the dimension a step may be tiled over; at least 1 once checked.
            pub fn rows(&self) -> u32 {
                match self { $(Op::$name(op) => if const { OpKind::$name.is_included() } { op.rows() } else { 0 },)* }
            }

            /// Refuses whatever could overflow, divide by zero or read outside its
            /// operands. The caller has checked that slots lie in the arena, aligned,
            /// and hold all rows or one tile.
            pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
                match self {
                    $(Op::$name(op) => if const { OpKind::$name.is_included() } { op.check(consts) } else { Err(Reject::LeftOut) },)*
                }
            }

            /// Runs the rows of `window`.
            pub fn run<K: Kernels>(&self, kernels: &mut K, memory: &mut Memory<'_>, window: Window) -> Result<(), Fault> {
                match self {
                    $(Op::$name(op) => if const { OpKind::$name.is_included() } {
                        op.run(kernels, memory, window)
                    } else {
                        Err(Fault::Instruction)
                    },)*
                }
            }

            /// Decodes the record of op `id` with a caller's deserializer; `None` for an id that
            /// is unknown or of an op that this build [leaves out](OpKind::is_included).
            pub fn decode<'de, D: serde::Deserializer<'de>>(id: u16, deserializer: D) -> Option<Result<Self, D::Error>> {
                Some(match OpKind::from_id(id)? {
                    $(OpKind::$name => if const { OpKind::$name.is_included() } {
                        $name::deserialize(deserializer).map(Op::$name)
                    } else {
                        return None;
                    },)*
                })
            }

            /// Encodes the record, without its id.
            pub fn encode<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Op::$name(op) => op.serialize(serializer),)* }
            }

            /// Multiply-accumulates of the whole instruction.
            pub fn macs(&self) -> u64 {
                match self { $(Op::$name(op) => if const { OpKind::$name.is_included() } { op.macs() } else { 0 },)* }
            }
        }
    };
}

use serde::{Deserialize, Serialize};
crate::ops!(define);
