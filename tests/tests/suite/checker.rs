//! Every rule of the checker refuses something: programs that are sound but for one thing.

use program::{Container, InputSpec, Named, NoteStore, OutputSpec, ProgramError, write};
use quant::mem::{Blob, DType, Slot};
use quant::ops::{Act, Const, Load, Permute, QuantizeImage, Relu, Table, Tile};
use quant::{Op, Reject};
use runtime::image::{Filter, Fit};
use runtime::{FloatBits, InputKind, LoadError, OutputKind, SlotError, SlotHandle};

const ONE: FloatBits = FloatBits(0x3f80_0000);

fn handle(dtype: DType, offset: u32, len: u32) -> SlotHandle {
    SlotHandle { dtype, offset, len }
}

/// A program over 64 bytes of arena: input i8 [0, 16), output i8 at `out`.
fn container(out: SlotHandle, ops: Vec<Op>) -> Container<'static> {
    let input = InputKind::Tensor { shape: [16, 1, 1, 1], scale: ONE };
    Container {
        arena_len: 64,
        instructions: ops.into_iter().map(|op| Named { name: "op".into(), op }).collect(),
        blobs: vec![7; 512].into(),
        inputs: vec![InputSpec { name: "x".into(), slot: handle(DType::I8, 0, 16), kind: input }],
        outputs: vec![OutputSpec {
            name: "y".into(),
            slot: out,
            kind: OutputKind::Embedding,
            shape: [out.len, 1, 1, 1],
            scale: ONE,
        }],
        notes: NoteStore::default(),
    }
}

fn refusal(container: &Container<'_>) -> LoadError {
    match write(container) {
        Err(ProgramError::Check { error, .. }) => error,
        Err(other) => panic!("refused before the checker: {other}"),
        Ok(_) => panic!("admitted"),
    }
}

/// `out[0..4·width] = x[0..4·width]`, four rows.
fn copy(x: u32, out: u32, width: u32) -> Op {
    copy_into(Slot::new(x, 4 * width), Slot::new(out, 4 * width), width)
}

fn copy_into(x: Slot<i8>, out: Slot<i8>, width: u32) -> Op {
    Op::Permute(Permute {
        shape: [4, 1, 1, width],
        strides: [width, 0, 0, 1],
        x: Act::I8(x),
        out: Act::I8(out),
    })
}

fn relu(at: u32, len: u32, width: u32) -> Op {
    Op::Relu(Relu { rows: 4, width, x: Act::I8(Slot::new(at, len)) })
}

fn tile(count: u16, rows: u32, tile: u32) -> Op {
    Op::Tile(Tile { count, rows, tile })
}

fn slot_error(ops: Vec<Op>) -> (u32, SlotError) {
    match refusal(&container(handle(DType::I8, 16, 16), ops)) {
        LoadError::Slot { index, reason, .. } => (index, reason),
        other => panic!("another refusal: {other:?}"),
    }
}

#[test]
fn a_sound_program_is_admitted() {
    write(&container(handle(DType::I8, 16, 16), vec![copy(0, 16, 4)])).unwrap();
    write(&container(handle(DType::I8, 16, 16), vec![copy(0, 16, 4), tile(1, 4, 3), relu(16, 16, 4)]))
        .unwrap();
}

#[test]
fn operands_outside_the_arena_or_misaligned() {
    assert_eq!(slot_error(vec![copy(0, 60, 4)]), (0, SlotError::Bounds));
    assert_eq!(slot_error(vec![copy(u32::MAX - 3, 16, 4)]), (0, SlotError::Bounds));
    let odd = Permute {
        shape: [4, 1, 1, 2],
        strides: [2, 0, 0, 1],
        x: Act::I16(Slot::new(0, 8)),
        out: Act::I16(Slot::new(17, 8)),
    };
    assert_eq!(slot_error(vec![Op::Permute(odd)]), (0, SlotError::Misaligned));
    let table =
        |offset| Op::Table(Table { rows: 4, width: 4, x: Slot::new(0, 16), table: Blob::new(offset, 256) });
    assert_eq!(slot_error(vec![table(2)]), (0, SlotError::Misaligned));
    assert_eq!(slot_error(vec![table(260)]), (0, SlotError::Bounds));
}

#[test]
fn a_slot_that_is_neither_whole_nor_a_tile() {
    assert_eq!(slot_error(vec![relu(0, 12, 4)]), (0, SlotError::Length));
    assert_eq!(slot_error(vec![tile(1, 4, 2), relu(0, 12, 4)]), (1, SlotError::Length));
}

#[test]
fn an_output_that_overlaps_its_input() {
    assert_eq!(slot_error(vec![copy(0, 8, 4)]), (0, SlotError::Overlap));
}

#[test]
fn reading_what_nobody_wrote_or_wrote_as_another_type() {
    assert_eq!(slot_error(vec![copy(32, 16, 4)]), (0, SlotError::Undefined));
    let wide = Permute {
        shape: [4, 1, 1, 1],
        strides: [1, 0, 0, 0],
        x: Act::I16(Slot::new(0, 4)),
        out: Act::I16(Slot::new(16, 4)),
    };
    assert_eq!(slot_error(vec![Op::Permute(wide)]), (0, SlotError::Undefined));
    // The input is i8: quantizing it as pixels reads it as u8.
    let pixels = QuantizeImage { pixels: 16, channels: 1, x: Slot::new(0, 16), tables: Blob::new(0, 256) };
    assert_eq!(slot_error(vec![Op::QuantizeImage(pixels)]), (0, SlotError::Undefined));
    // Half of it is overwritten as int16 in between.
    let clobber =
        Load { rows: 1, width: 4, value: Const::I16(Blob::new(0, 4)), out: Act::I16(Slot::new(8, 4)) };
    assert_eq!(slot_error(vec![Op::Load(clobber), copy(0, 16, 4)]), (1, SlotError::Undefined));
}

#[test]
fn a_tile_group_whose_result_would_depend_on_the_tile() {
    // Reads all of what the group is still writing row by row.
    let whole = |x, out| {
        Op::Permute(Permute {
            shape: [4, 1, 1, 4],
            strides: [4, 0, 0, 1],
            x: Act::I8(Slot::new(x, 16)),
            out: Act::I8(Slot::new(out, 16)),
        })
    };
    assert_eq!(slot_error(vec![tile(2, 4, 2), whole(0, 32), whole(32, 16)]), (2, SlotError::Overlap));
    // A tile buffer that an earlier group left behind.
    let local =
        vec![tile(1, 4, 2), copy_into(Slot::new(0, 16), Slot::new(32, 8), 4), tile(1, 4, 2), relu(32, 8, 4)];
    assert_eq!(slot_error(local), (3, SlotError::Undefined));
    // A tile buffer read before the group writes it: the second tile would see the first one's.
    let carried =
        vec![copy(0, 32, 2), tile(2, 4, 2), relu(32, 4, 2), copy_into(Slot::new(0, 8), Slot::new(32, 4), 2)];
    assert_eq!(slot_error(carried), (2, SlotError::Undefined));
}

#[test]
fn malformed_tile_groups() {
    let refused = |ops| refusal(&container(handle(DType::I8, 16, 16), ops));
    let body = || copy(0, 16, 4);
    assert_eq!(refused(vec![tile(2, 4, 2), body()]), LoadError::Tile { index: 0 });
    assert_eq!(refused(vec![tile(2, 4, 2), tile(1, 4, 2), body()]), LoadError::Tile { index: 1 });
    assert_eq!(refused(vec![tile(1, 5, 2), body()]), LoadError::Tile { index: 0 });
    let endless = tile(1, runtime::MAX_TILED_ROWS + 1, 1);
    assert_eq!(refused(vec![endless, body()]), LoadError::Tile { index: 0 });
    let op = |index| LoadError::Op { index, reason: Reject::Dimension };
    assert_eq!(refused(vec![tile(0, 4, 2), body()]), op(0));
    assert_eq!(refused(vec![tile(1, 4, 0), body()]), op(0));
    assert_eq!(refused(vec![tile(1, 4, 5), body()]), op(0));
}

#[test]
fn outputs_must_be_defined_typed_and_described() {
    let ops = || vec![copy(0, 16, 4)];
    let refused = |out| refusal(&container(out, ops()));
    assert_eq!(refused(handle(DType::I8, 40, 8)), LoadError::OutputUndefined { index: 0 });
    assert_eq!(refused(handle(DType::I16, 16, 8)), LoadError::OutputUndefined { index: 0 });
    assert_eq!(refused(handle(DType::I8, 60, 8)), LoadError::Io { index: 1 });
    assert_eq!(refused(handle(DType::U32, 16, 4)), LoadError::Io { index: 1 });
    let mut scaleless = container(handle(DType::I8, 16, 16), ops());
    scaleless.outputs[0].scale = FloatBits(0x7fc0_0000);
    assert_eq!(refusal(&scaleless), LoadError::Io { index: 1 });
    let mut misshapen = container(handle(DType::I8, 16, 16), ops());
    misshapen.inputs[0].kind = InputKind::Tensor { shape: [3, 5, 1, 1], scale: ONE };
    assert_eq!(refusal(&misshapen), LoadError::Io { index: 0 });
    let filter = Filter::Bicubic;
    for impossible in [
        Fit::CenterCrop { short_side: 3 },
        Fit::AntialiasedCrop { short_side: 3, filter },
        Fit::AntialiasedCrop { short_side: 16385, filter },
        Fit::Antialiased { height: 4, width: 3, filter },
    ] {
        let image = runtime::Image {
            height: 4,
            width: 4,
            channels: 1,
            order: runtime::ChannelOrder::Gray,
            fit: impossible,
            mean: [FloatBits(0); 4],
            std: [ONE; 4],
        };
        let mut cropped = container(handle(DType::I8, 16, 16), ops());
        let kind = InputKind::Image(image);
        cropped.inputs[0] = InputSpec { name: "x".into(), slot: handle(DType::U8, 0, 16), kind };
        assert_eq!(refusal(&cropped), LoadError::Io { index: 0 }, "{impossible:?}");
    }
    let mut nothing = container(handle(DType::I8, 16, 16), ops());
    nothing.outputs.clear();
    assert_eq!(refusal(&nothing), LoadError::Io { index: 1 });
    assert_eq!(refusal(&container(handle(DType::I8, 0, 16), Vec::new())), LoadError::InstructionCount);
    let mut huge = container(handle(DType::I8, 16, 16), ops());
    huge.arena_len = runtime::MAX_ARENA + 1;
    assert_eq!(refusal(&huge), LoadError::Arena);
}
