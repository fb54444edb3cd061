#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime::{Header, Model, crc32};
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::rebuilt::rebuild;
use shiftformer_tests::run::{Budget, bounded};

const BUDGET: Budget = Budget { arena: 1 << 16, macs: 1 << 20, steps: 512 };

fn load(file: &[u8]) {
    let loaded = Model::new(file);
    if let Ok(header) = Header::decode(file, crc32) {
        let (front, constants) = file.split_at(header.blobs.offset as usize);
        assert_eq!(Model::in_parts(front, constants).err(), loaded.err());
    }
    if let Ok(model) = loaded {
        model.notes().for_each(drop);
        rebuild(&model);
        bounded(&model, BUDGET).expect("a checked program does not fault");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut file = Aligned::copy(bytes);
    load(&file);
    if file.len() >= 16 {
        let len = file.len() as u32;
        file[8..12].copy_from_slice(&len.to_le_bytes());
        let crc = crc32(&file[16..]);
        file[12..16].copy_from_slice(&crc.to_le_bytes());
        load(&file);
    }
});
