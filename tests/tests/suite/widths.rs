//! Products say how many bits meet.

use converter::arch::Arch;
use converter::lower::{LowerOptions, lower};
use program::ProductBits;
use quant::Op;
use quant::bits::BitPack;
use quant::mem::{Blob, Slot};
use quant::ops::{BinaryLinear, BinaryOut, BitAct, BitOut};

fn bits(op: &Op) -> Option<String> {
    ProductBits::of(op).map(|bits| bits.to_string())
}

#[test]
fn of_int8_and_of_ternary_products() {
    let graph = Arch::by_name("micro").expect("known").random(7);
    let draft = lower(&graph, LowerOptions { fuse: true }).expect("a sound graph");
    let of = |kind: &str| {
        let op = draft.instructions.iter().map(|named| named.op).find(|op| op.kind().name() == kind);
        bits(&op.expect("it has one"))
    };
    assert_eq!(of("Linear").as_deref(), Some("W8A8"));
    assert_eq!(of("Attention").as_deref(), Some("A8×A8"));
    assert_eq!(of("LayerNorm"), None);
    let ternary = Op::BinaryLinear(BinaryLinear {
        rows: 1,
        k: 32,
        n: 1,
        group: 32,
        x: BitAct::Ternary { sign: Slot::new(0, 1), nonzero: Slot::new(4, 1) },
        weights: Blob::new(0, 1),
        pack: BitPack::Rows,
        out: BinaryOut::Bits(BitOut::Sign { out: Slot::new(8, 1), group: 1, high: Blob::new(4, 1) }),
    });
    assert_eq!(bits(&ternary).as_deref(), Some("W1A2"));
}
