//! Programs written by hand: a few instructions, their constants and their inputs.

use std::fmt;

use program::{Container, Draft, InputSpec, OutputSpec, Region};
use quant::Op;
use quant::arith::Multiplier;
use quant::mem::{Blob, DType, Element, Slot};
use quant::ops::{Act, Channels, Destination, PerChannel, Residual, Tile};
use runtime::{FloatBits, InputKind, OutputKind, SlotHandle};

use crate::source::{Source, Value};

/// A program and what to feed it.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program, not yet encoded.
    pub container: Container<'static>,
    /// Bytes of each input.
    pub inputs: Vec<Vec<u8>>,
}

/// A program that can be built in one piece or in tiles.
pub struct Case {
    about: String,
    build: Box<dyn Fn(Option<u32>) -> Program>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.about)
    }
}

impl Case {
    /// A case that builds itself, given the rows of a tile.
    pub fn new(about: String, build: impl Fn(Option<u32>) -> Program + 'static) -> Self {
        Self { about, build: Box::new(build) }
    }

    /// A case of one instruction, which `make` builds.
    pub fn one_op(about: String, make: impl Fn(&mut Builder) -> Op + 'static) -> Self {
        Self::new(about, move |tile| {
            let mut builder = Builder::default();
            let op = make(&mut builder);
            if let Some(tile) = tile {
                builder.push(Op::Tile(Tile { count: 1, rows: op.rows(), tile }));
            }
            builder.push(op);
            builder.finish()
        })
    }

    /// The program, in tiles of `tile` rows if given.
    pub fn build(&self, tile: Option<u32>) -> Program {
        (self.build)(tile)
    }

    /// Rows of the first instruction.
    pub fn rows(&self) -> u32 {
        self.build(None).container.instructions[0].op.rows()
    }
}

/// A program under construction.
#[derive(Default)]
pub struct Builder {
    draft: Draft,
    inputs: Vec<Vec<u8>>,
}

impl Builder {
    /// A slot of its own.
    pub fn slot<T: Element>(&mut self, len: u32) -> Slot<T> {
        self.region::<T>(len).slot()
    }

    fn region<T: Element>(&mut self, len: u32) -> Region {
        self.draft.region::<T>(len.into()).expect("small")
    }

    /// An input of the program that holds `values`.
    pub fn input<T: Element>(&mut self, values: &[T]) -> Slot<T> {
        let region = self.region::<T>(values.len() as u32);
        let slot = region.handle(T::DTYPE);
        let kind = InputKind::Tensor { shape: [slot.len, 1, 1, 1], scale: FloatBits(1f32.to_bits()) };
        self.draft.inputs.push(InputSpec { name: "x".into(), slot, kind });
        self.inputs.push(bytemuck::cast_slice(values).to_vec());
        region.slot()
    }

    /// An input that the program updates: an output too.
    pub fn updated<T: Element>(&mut self, values: &[T]) -> Slot<T> {
        let slot = self.input(values);
        self.describe(SlotHandle { dtype: T::DTYPE, offset: slot.offset, len: slot.len });
        slot
    }

    /// An output.
    pub fn out<T: Element>(&mut self, len: u32) -> Slot<T> {
        let region = self.region::<T>(len);
        self.describe(region.handle(T::DTYPE));
        region.slot()
    }

    /// Describes `slot` as an output.
    pub fn describe(&mut self, slot: SlotHandle) {
        self.draft.outputs.push(OutputSpec {
            name: "y".into(),
            slot,
            kind: OutputKind::Dense,
            shape: [slot.len, 1, 1, 1],
            scale: FloatBits(1f32.to_bits()),
        });
    }

    /// A constant.
    pub fn blob<T: Element>(&mut self, values: &[T]) -> Blob<T> {
        self.draft.blobs.push(values)
    }

    /// An input of activations of type `dtype`.
    pub fn act(&mut self, source: &mut Source, dtype: DType, len: u32) -> Act {
        match dtype {
            DType::I8 => Act::I8(self.input(&source.values::<i8>(len))),
            DType::I16 => Act::I16(self.input(&source.values::<i16>(len))),
            DType::I32 => Act::I32(self.input(&source.values::<i32>(len))),
            DType::U8 | DType::U32 => unreachable!("not a type of activations"),
        }
    }

    /// An output of activations of type `dtype`.
    pub fn act_out(&mut self, dtype: DType, len: u32) -> Act {
        match dtype {
            DType::I8 => Act::I8(self.out(len)),
            DType::I16 => Act::I16(self.out(len)),
            DType::I32 => Act::I32(self.out(len)),
            DType::U8 | DType::U32 => unreachable!("not a type of activations"),
        }
    }

    /// An updated input of any values.
    pub fn updated_values<T: Value>(&mut self, source: &mut Source, len: u32) -> Slot<T> {
        self.updated(&source.values::<T>(len))
    }

    /// `n` multipliers with shifts from `smallest` on.
    pub fn channels(&mut self, source: &mut Source, n: u32, smallest: u8) -> Channels {
        let (mantissa, shift) = source.multipliers(n, smallest);
        Channels { mantissa: self.blob(&mantissa), shift: self.blob(&shift) }
    }

    /// `n` multipliers such as scale ratios give: 31 bits of mantissa, shifts past 32.
    pub fn channels_from_scales(&mut self, source: &mut Source, n: u32) -> Channels {
        let (mantissa, shift) = source.scale_ratios(n);
        Channels { mantissa: self.blob(&mantissa), shift: self.blob(&shift) }
    }

    /// `n` biases and multipliers.
    pub fn per_channel(&mut self, source: &mut Source, n: u32) -> PerChannel {
        PerChannel { bias: self.blob(&source.biases(n)), scale: self.channels(source, n, 1) }
    }

    /// An output of a GEMM behind `epilogue`.
    pub fn destination(&mut self, source: &mut Source, epilogue: Epilogue, len: u32) -> Destination {
        match epilogue {
            Epilogue::I8 => Destination::I8 { out: self.out(len), table: None },
            Epilogue::Table => {
                let table = Some(self.blob(&source.values::<i8>(256)));
                Destination::I8 { out: self.out(len), table }
            }
            Epilogue::I16 => Destination::I16 { out: self.out(len), residual: None },
            Epilogue::Residual => {
                let residual = Some(Residual { branch: multiplier(source), stream: multiplier(source) });
                Destination::I16 { out: self.updated_values(source, len), residual }
            }
            Epilogue::I32 => Destination::I32 { out: self.out(len) },
        }
    }

    /// Appends an instruction.
    pub fn push(&mut self, op: Op) {
        self.draft.push(op.kind().name(), op);
    }

    /// The program, over memory that is never reused.
    pub fn finish(self) -> Program {
        let arena = self.draft.virtual_bytes();
        Program { container: Container::new(self.draft, arena), inputs: self.inputs }
    }
}

/// One multiplier.
pub fn multiplier(source: &mut Source) -> Multiplier {
    let (mantissa, shift) = source.multipliers(1, 1);
    Multiplier { mantissa: mantissa[0], shift: shift[0] }
}

/// What stands behind the requantization of a GEMM.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue {
    /// int8.
    I8,
    /// int8 through a table.
    Table,
    /// int16.
    I16,
    /// int16 added to a stream.
    Residual,
    /// int32.
    I32,
}

impl Epilogue {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::I8, Self::Table, Self::I16, Self::Residual, Self::I32];
}
