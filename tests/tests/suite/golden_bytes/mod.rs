//! The encoding is for ever: a record is never edited, only new ones are appended.

mod parts;
mod pinned;

use converter::arch::Arch;
use converter::{BuildOptions, build};
use program::{Container, repack, write};
use quant::Op;
use quant::op::OpKind;
use quant::pack::{Pack, Packs};
use runtime::image::{Filter, Fit};
use runtime::{LoadError, Model, crc32};
use sha2::{Digest, Sha256};
use shiftformer_tests::data;
use shiftformer_tests::memory::Aligned;

use self::pinned::pinned;

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
