//! Fixed instructions and their records.

use quant::Op;
use quant::arith::{Multiplier, ShiftExp};
use quant::bits::BitPack;
use quant::op::OpKind;
use quant::ops::*;
use quant::pack::Pack;

use super::parts::*;

/// Fixed instructions of each kind, every variant of their enums among them, and their records.
pub(super) fn pinned(kind: OpKind) -> Vec<(Op, &'static str)> {
    match kind {
        OpKind::Tile => vec![(Op::Tile(Tile { count: 3, rows: 197, tile: 40 }), "03c50128")],
        OpKind::Linear => vec![
            (
                linear(Act::I8(slot(0, 3200)), Destination::I8 { out: slot(3200, 9600), table: None }),
                "3240c00100008019802080600100c00110c00120c001008019804b00",
            ),
            (
                linear(
                    Act::I8(slot(0, 3200)),
                    Destination::I8 { out: slot(3200, 9600), table: Some(blob(64, 256)) },
                ),
                "3240c00100008019802080600100c00110c00120c001008019804b01408002",
            ),
            (
                linear(Act::I16(slot(0, 3200)), Destination::I16 { out: slot(6400, 9600), residual: None }),
                "3240c00101008019802080600100c00110c00120c001018032804b00",
            ),
            (
                linear(
                    Act::I8(slot(0, 3200)),
                    Destination::I16 {
                        out: slot(3200, 9600),
                        residual: Some(Residual { branch: MULTIPLIER, stream: Multiplier::IDENTITY }),
                    },
                ),
                "3240c00100008019802080600100c00110c00120c001018019804b01ffbbc1960b2580808080081e",
            ),
            (
                linear(Act::I32(slot(0, 1)), Destination::I32 { out: slot(3200, 9600) }),
                "3240c001020001802080600100c00110c00120c001028019804b",
            ),
        ],
        OpKind::Conv2d => vec![(
            Op::Conv2d(Conv2d {
                in_height: 28,
                in_width: 27,
                in_channels: 3,
                out_channels: 64,
                kernel_h: 4,
                kernel_w: 5,
                stride_h: 2,
                stride_w: 1,
                pad_top: 1,
                pad_left: 0,
                out_height: 13,
                out_width: 12,
                groups: 1,
                x: slot(0, 2268),
                weights: blob(0, 3840),
                pack: Pack::RowMajor,
                requant: per_channel(64),
                out: Destination::I16 { out: slot(2272, 9984), residual: None },
            }),
            "1c1b03400405020101000d0c0100dc1100801e0000401040204001e011804e00",
        )],
        OpKind::MatMul => vec![(
            Op::MatMul(MatMul {
                batch: 4,
                m: 50,
                n: 49,
                k: 16,
                a: Act::I8(slot(0, 9472)),
                a_batch: 16,
                a_row: 192,
                b: slot(64, 9000),
                b_batch: 17,
                b_row: 191,
                transpose_b: true,
                out: Act::I16(slot(9600, 9800)),
                out_batch: 2450,
                out_row: 49,
                requant: channels(4),
            }),
            "043231100000804a10c00140a84611bf010101804bc84c92133110042004",
        )],
        OpKind::Attention => vec![(
            Op::Attention(Attention {
                queries: 50,
                keys: 51,
                heads: 4,
                head_dim: 16,
                q: slot(0, 9472),
                q_stride: 192,
                k: slot(64, 9664),
                v: slot(128, 9664),
                kv_stride: 193,
                score: channels(4),
                exp: blob(64, 256),
                requant: channels(5),
                out: slot(9600, 3200),
                scores: slot(12800, 204),
                probabilities: slot(13008, 204),
            }),
            "3233041000804ac00140c04b8001c04bc1011004200440800210052005804b80198064cc01d065cc01",
        )],
        OpKind::Shiftmax => vec![
            (
                Op::Shiftmax(Shiftmax {
                    rows: 200,
                    width: 50,
                    x: Act::I8(slot(0, 10000)),
                    exp: Exponential::Table(blob(64, 256)),
                    out: Act::I16(slot(10000, 10000)),
                }),
                "c801320000904e0040800201904e904e",
            ),
            (
                Op::Shiftmax(Shiftmax {
                    rows: 200,
                    width: 50,
                    x: Act::I16(slot(0, 10000)),
                    exp: Exponential::Shift(ShiftExp { unit: 300, bits: 15 }),
                    out: Act::I8(slot(20000, 10000)),
                }),
                "c801320100904e01ac020f00a09c01904e",
            ),
        ],
        OpKind::ShiftGelu => vec![(
            Op::ShiftGelu(ShiftGelu {
                rows: 50,
                width: 128,
                x: slot(16, 6400),
                exp: blob(64, 256),
                out: MULTIPLIER,
            }),
            "328001108032408002ffbbc1960b25",
        )],
        OpKind::Table => {
            vec![(
                Op::Table(Table { rows: 50, width: 128, x: slot(16, 6400), table: blob(64, 256) }),
                "328001108032408002",
            )]
        }
        OpKind::Interpolate => vec![(
            Op::Interpolate(Interpolate { rows: 50, width: 128, x: slot(16, 6400), table: blob(64, 513) }),
            "328001108032408104",
        )],
        OpKind::Relu => {
            vec![(Op::Relu(Relu { rows: 50, width: 128, x: Act::I16(slot(16, 6400)) }), "32800101108032")]
        }
        OpKind::LayerNorm => {
            vec![(Op::LayerNorm(norm()), "3240808080808080400080191040204030400080328019")]
        }
        OpKind::RmsNorm => {
            vec![(Op::RmsNorm(RmsNorm(norm())), "3240808080808080400080191040204030400080328019")]
        }
        OpKind::Rotary => vec![
            (
                rotary(Pairs::Halves, Act::I8(slot(0, 9472)), 192),
                "324010000000804ac00140a006ffbbc1960b2500804b8019",
            ),
            (
                rotary(Pairs::Neighbours, Act::I16(slot(0, 3200)), 64),
                "32401001010080194040a006ffbbc1960b2500804b8019",
            ),
        ],
        OpKind::GroupNorm => vec![(
            Op::GroupNorm(GroupNorm {
                rows: 50,
                width: 64,
                groups: 4,
                eps: 1 << 60,
                x: slot(0, 3200),
                scale: channels(64),
                offset: blob(48, 64),
                out: Act::I16(slot(6400, 3200)),
            }),
            "3240048080808080808080100080191040204030400180328019",
        )],
        OpKind::Add => vec![
            (
                Op::Add(Add {
                    rows: 50,
                    width: 64,
                    x: slot(0, 3200),
                    x_scale: Multiplier::IDENTITY,
                    y: Addend::Slot(slot(6400, 3200)),
                    y_scale: MULTIPLIER,
                }),
                "324000801980808080081e0080328019ffbbc1960b25",
            ),
            (
                Op::Add(Add {
                    rows: 50,
                    width: 64,
                    x: slot(0, 3200),
                    x_scale: MULTIPLIER,
                    y: Addend::Blob(blob(64, 64)),
                    y_scale: Multiplier::IDENTITY,
                }),
                "3240008019ffbbc1960b2501404080808080081e",
            ),
        ],
        OpKind::Mul => vec![
            (
                mul(Act::I8(slot(6400, 64)), Spread::Channel, Some(Act::I16(slot(6464, 3200)))),
                "3240010080190080324001ffbbc1960b250101c0328019",
            ),
            (mul(Act::I16(slot(6400, 50)), Spread::Row, None), "3240010080190180323202ffbbc1960b2500"),
            (
                mul(Act::I16(slot(6400, 3200)), Spread::Element, None),
                "324001008019018032801900ffbbc1960b2500",
            ),
        ],
        OpKind::ResponseNorm => vec![(
            Op::ResponseNorm(ResponseNorm {
                rows: 50,
                width: 64,
                eps: 1 << 62,
                unit: 1 << 30,
                x: Act::I8(slot(0, 3200)),
                lengths: slot(3200, 64),
                out: slot(3456, 64),
            }),
            "3240808080808080808040808080800400008019801940801b40",
        )],
        OpKind::Div => vec![
            (
                div(Act::I8(slot(6400, 64)), Spread::Channel, Some(Act::I16(slot(6464, 3200)))),
                "3240010080190080324001ffbbc1960b250101c0328019",
            ),
            (div(Act::I16(slot(6400, 50)), Spread::Row, None), "3240010080190180323202ffbbc1960b2500"),
            (
                div(Act::I16(slot(6400, 3200)), Spread::Element, None),
                "324001008019018032801900ffbbc1960b2500",
            ),
        ],
        OpKind::Requantize => {
            vec![(requantize(Act::I32(slot(0, 6)), Act::I8(slot(24, 6))), "020302000600011001200101001806")]
        }
        OpKind::MeanTokens => vec![(
            Op::MeanTokens(MeanTokens {
                tokens: 49,
                width: 64,
                x: Act::I16(slot(0, 3136)),
                scale: MULTIPLIER,
                out: Act::I32(slot(6272, 64)),
            }),
            "31400100c018ffbbc1960b2502803140",
        )],
        OpKind::QuantizeImage => vec![(
            Op::QuantizeImage(QuantizeImage {
                pixels: 784,
                channels: 3,
                x: slot(0, 2352),
                tables: blob(64, 768),
            }),
            "90060300b012408006",
        )],
        OpKind::Permute => vec![(
            Op::Permute(Permute {
                shape: [4, 50, 1, 16],
                strides: [16, 192, 0, 1],
                x: Act::I8(slot(0, 9600)),
                out: Act::I8(slot(9600, 3200)),
            }),
            "0432011010c00100010000804b00804b8019",
        )],
        OpKind::Gather => vec![(
            Op::Gather(Gather {
                rows: 5,
                width: 64,
                source_rows: 50,
                x: Act::I16(slot(0, 3200)),
                index: blob(64, 5),
                out: Act::I16(slot(6400, 320)),
            }),
            "054032010080194005018032c002",
        )],
        OpKind::Load => vec![
            (
                Op::Load(Load {
                    rows: 1,
                    width: 64,
                    value: Const::I8(blob(64, 64)),
                    out: Act::I8(slot(0, 64)),
                }),
                "0140004040000040",
            ),
            (
                Op::Load(Load {
                    rows: 1,
                    width: 64,
                    value: Const::I16(blob(64, 64)),
                    out: Act::I16(slot(0, 64)),
                }),
                "0140014040010040",
            ),
            (
                Op::Load(Load {
                    rows: 1,
                    width: 64,
                    value: Const::I32(blob(64, 64)),
                    out: Act::I32(slot(0, 64)),
                }),
                "0140024040020040",
            ),
        ],
        OpKind::Binarize => vec![
            (binarize(Act::I8(slot(0, 3200)), signs()), "324000008019008064c801104040"),
            (binarize(Act::I16(slot(0, 3200)), ternary()), "324001008019018064c801a06ac801104040c00240"),
        ],
        OpKind::BitTranspose => vec![(
            Op::BitTranspose(BitTranspose {
                rows: 50,
                width: 64,
                group: 16,
                x: slot(32, 592),
                stride: 12,
                out: slot(2400, 128),
            }),
            "32401020d0040ce0128001",
        )],
        OpKind::BinaryLinear => {
            let dense = |out| BinaryOut::Dense { requant: per_channel(64), out };
            let int8_out = Destination::I8 { out: slot(3200, 3200), table: None };
            let int8 = dense(int8_out);
            let stream = Destination::I16 {
                out: slot(3200, 3200),
                residual: Some(Residual { branch: MULTIPLIER, stream: Multiplier::IDENTITY }),
            };
            let bits = |x, out| binary_linear(x, BitPack::Panel16, out);
            vec![
                (
                    bits(BitAct::Sign(slot(0, 200)), BinaryOut::Bits(signs())),
                    "324040100000c801802080020101008064c801104040",
                ),
                (
                    bits(
                        BitAct::Ternary { sign: slot(0, 200), nonzero: slot(800, 200) },
                        BinaryOut::Bits(ternary()),
                    ),
                    "324040100100c801a006c801802080020101018064c801a06ac801104040c00240",
                ),
                (
                    binary_linear(BitAct::I8(slot(0, 3200)), BitPack::Rows, int8),
                    "3240404002008019802080020000004010402040008019801900",
                ),
                (
                    binary_linear(BitAct::I16(slot(0, 3200)), BitPack::Rows, dense(stream)),
                    "3240404003008019802080020000004010402040018019801901ffbbc1960b2580808080081e",
                ),
                (
                    bits(
                        BitAct::Sign(slot(0, 200)),
                        BinaryOut::Shifted { up: 17, requant: per_channel(64), out: int8_out },
                    ),
                    "324040100000c80180208002010211004010402040008019801900",
                ),
            ]
        }
        OpKind::BinaryAttention => vec![
            (
                binary_attention(BinaryAttentionDestination::Ternary {
                    sign: slot(9600, 200),
                    nonzero: slot(10400, 200),
                }),
                "3233041000d0040c10dd040d80208001400400804bc801a051c801806406",
            ),
            (
                binary_attention(BinaryAttentionDestination::I16(slot(9600, 3200))),
                "3233041000d0040c10dd040d80208001400401804b8019806406",
            ),
        ],
    }
}
