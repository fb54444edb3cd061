//! The encoding is for ever: a record is never edited, only new ones are appended.

use converter::arch::Arch;
use converter::{BuildOptions, build};
use program::{Container, repack, write};
use quant::Op;
use quant::arith::{Multiplier, ShiftExp};
use quant::bits::BitPack;
use quant::mem::{Blob, Element, Slot};
use quant::op::OpKind;
use quant::ops::*;
use quant::pack::{Pack, Packs};
use runtime::image::{Filter, Fit};
use runtime::{LoadError, Model, crc32};
use sha2::{Digest, Sha256};
use shiftformer_tests::data;
use shiftformer_tests::memory::Aligned;

fn slot<T: Element>(offset: u32, len: u32) -> Slot<T> {
    Slot::new(offset, len)
}

fn blob<T: Element>(offset: u32, len: u32) -> Blob<T> {
    Blob::new(offset, len)
}

fn channels(n: u32) -> Channels {
    Channels { mantissa: blob(16, n), shift: blob(32, n) }
}

fn per_channel(n: u32) -> PerChannel {
    PerChannel { bias: blob(0, n), scale: channels(n) }
}

const MULTIPLIER: Multiplier = Multiplier { mantissa: -1_500_000_000, shift: 37 };

fn linear(x: Act, out: Destination) -> Op {
    let (rows, k, n) = (50, 64, 192);
    Op::Linear(Linear {
        rows,
        k,
        n,
        x,
        weights: blob(4096, 12288),
        pack: Pack::Panel16x4,
        requant: per_channel(n),
        out,
    })
}

fn requantize(x: Act, out: Act) -> Op {
    Op::Requantize(Requantize { rows: 2, width: 3, x, requant: per_channel(1), channels: 1, out })
}

fn mul(y: Act, spread: Spread, out: Option<Act>) -> Op {
    let x = Act::I16(slot(0, 3200));
    Op::Mul(Mul { rows: 50, width: 64, x, y, spread, scale: MULTIPLIER, out })
}

fn norm() -> LayerNorm {
    LayerNorm {
        rows: 50,
        width: 64,
        eps: 1 << 48,
        x: slot(0, 3200),
        scale: channels(64),
        offset: blob(48, 64),
        out: Act::I8(slot(6400, 3200)),
    }
}

fn rotary(pairs: Pairs, x: Act, stride: u32) -> Op {
    let (angles, out) = (blob(64, 800), Act::I8(slot(9600, 3200)));
    let (rows, width, head_dim) = (50, 64, 16);
    Op::Rotary(Rotary { rows, width, head_dim, pairs, x, stride, angles, scale: MULTIPLIER, out })
}

fn div(y: Act, spread: Spread, out: Option<Act>) -> Op {
    let x = Act::I16(slot(0, 3200));
    Op::Div(Div { rows: 50, width: 64, x, y, spread, ratio: MULTIPLIER, out })
}

fn signs() -> BitOut {
    BitOut::Sign { out: slot(12800, 200), group: 16, high: blob(64, 64) }
}

fn ternary() -> BitOut {
    let (sign, nonzero) = (slot(12800, 200), slot(13600, 200));
    BitOut::Ternary { sign, nonzero, group: 16, low: blob(64, 64), high: blob(320, 64) }
}

fn binarize(x: Act, out: BitOut) -> Op {
    Op::Binarize(Binarize { rows: 50, width: 64, x, out })
}

fn binary_linear(x: BitAct, pack: BitPack, out: BinaryOut) -> Op {
    let group = if matches!(x, BitAct::Sign(_) | BitAct::Ternary { .. }) { 16 } else { 64 };
    let weights = blob(4096, 256);
    Op::BinaryLinear(BinaryLinear { rows: 50, k: 64, n: 64, group, x, weights, pack, out })
}

fn binary_attention(out: BinaryAttentionDestination) -> Op {
    Op::BinaryAttention(BinaryAttention {
        queries: 50,
        keys: 51,
        heads: 4,
        head_dim: 16,
        q: slot(0, 592),
        q_stride: 12,
        k: slot(16, 605),
        k_stride: 13,
        v: slot(4096, 128),
        distance: blob(64, 4),
        out,
        selected: slot(12800, 6),
    })
}

/// Fixed instructions of each kind, every variant of their enums among them, and their records.
fn pinned(kind: OpKind) -> Vec<(Op, &'static str)> {
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn payload(op: &Op) -> Vec<u8> {
    let mut serializer = postcard::Serializer { output: postcard::ser_flavors::StdVec::new() };
    op.encode(&mut serializer).unwrap();
    postcard::ser_flavors::Flavor::finalize(serializer.output).unwrap()
}

#[test]
fn ids_are_pinned() {
    let names: Vec<_> = OpKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(
        names.join(" "),
        "Tile Linear Conv2d MatMul Attention Shiftmax ShiftGelu Table Relu LayerNorm \
         Add Requantize MeanTokens QuantizeImage Permute Gather Load Binarize BitTranspose BinaryLinear BinaryAttention \
         Interpolate Mul RmsNorm Rotary GroupNorm ResponseNorm Div"
    );
    for (id, &kind) in OpKind::ALL.iter().enumerate() {
        assert_eq!((kind as usize, OpKind::from_id(id as u16)), (id, Some(kind)));
    }
    assert_eq!(OpKind::from_id(OpKind::ALL.len() as u16), None);
}

#[test]
fn records_are_pinned_and_decode_to_themselves() {
    for &kind in OpKind::ALL {
        for (index, (op, want)) in pinned(kind).into_iter().enumerate() {
            assert_eq!(op.kind(), kind);
            let bytes = payload(&op);
            assert_eq!(hex(&bytes), want, "{} {index}", kind.name());
            let mut deserializer = postcard::Deserializer::from_bytes(&bytes);
            let decoded = Op::decode(kind as u16, &mut deserializer).unwrap().unwrap();
            assert_eq!(decoded, op);
            assert!(deserializer.finalize().unwrap().is_empty());
        }
    }
}

#[test]
fn fits_are_pinned() {
    for (fit, want) in [
        (Fit::Stretch, "00"),
        (Fit::CenterCrop { short_side: 256 }, "018002"),
        (Fit::Antialiased { height: 224, width: 160, filter: Filter::Bilinear }, "02e001a00100"),
        (Fit::AntialiasedCrop { short_side: 256, filter: Filter::Bicubic }, "03800201"),
    ] {
        let bytes = postcard::to_stdvec(&fit).unwrap();
        assert_eq!(hex(&bytes), want);
        assert_eq!(postcard::from_bytes::<Fit>(&bytes), Ok(fit));
    }
}

const MICRO_SHA256: &str = "534c9bf1053834f378bcbfda4021233868f39c238c6bef68deee678eca859b4c";
const MICRO_IDENTITY: &str = "88998c371b36c46bafda18af8ab56150433d758e3f4a27ef3013435710657a32";
const MICRO_CRC: u32 = 0xed9a2a88;

#[test]
fn a_whole_container_is_pinned() {
    let graph = Arch::by_name("micro").unwrap().random(7);
    let file = Aligned::copy(&build(&graph, BuildOptions::default()).unwrap());
    let model = Model::new(&file).unwrap();
    assert_eq!(hex(model.identity()), MICRO_IDENTITY);
    assert_eq!(crc32(&file[16..]), MICRO_CRC);
    assert_eq!(hex(&Sha256::digest(&file[..])), MICRO_SHA256);
}

#[test]
fn reading_and_writing_gives_the_same_bytes() {
    let micro = Arch::by_name("micro").unwrap().random(7);
    let qat = data::qat_graph();
    for graph in [&micro, &qat] {
        let identities = [true, false].map(|fuse| {
            let first = Aligned::copy(&build(graph, BuildOptions { fuse, arena: None }).unwrap());
            let identity = *Model::new(&first).unwrap().identity();
            for int8 in Pack::ALL {
                let packs = Packs { int8, ..Packs::CANONICAL };
                let packed = repack(&Container::read(&Model::new(&first).unwrap()), packs);
                let file = Aligned::copy(&write(&packed).unwrap());
                let model = Model::new(&file).unwrap();
                assert_eq!(write(&Container::read(&model)).unwrap(), &file[..]);
                // The identity is that of the program, however its weights are packed.
                assert_eq!(*model.identity(), identity);
            }
            identity
        });
        assert_ne!(identities[0], identities[1]);
    }
}

#[test]
fn another_version_is_refused_by_its_number() {
    let graph = Arch::by_name("micro").unwrap().random(7);
    let mut file = Aligned::copy(&build(&graph, BuildOptions::default()).unwrap());
    file[4] = 2;
    assert_eq!(Model::new(&file).unwrap_err(), LoadError::Version { found: 2 });
}
