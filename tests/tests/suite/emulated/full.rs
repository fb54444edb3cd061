//! The same on the other boards, on more images, and on a model of 6 MB.

use converter::arch::Arch;
use converter::calibrate::QuantizeOptions;
use converter::{BuildOptions, build};
use shiftformer_tests::data;

use super::{
    assert_memory, board, every_instruction_equals_the_reference, hashes, instructions_equal_the_reference,
    logits_equal_the_reference, model, on, reference, the_ops_of_one_model_take_48_kib,
};

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn a_cortex_m0_equals_the_reference_in_every_instruction() {
    every_instruction_equals_the_reference(board("virtual-m0"));
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn a_cortex_m7_equals_the_reference_in_every_instruction() {
    every_instruction_equals_the_reference(board("mps2-an500"));
}

/// The model of the BiViT authors' modules, whose 1-bit layers read 16 bits, too.
#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn sixteen_bits_times_one_on_a_cortex_m7_and_a_cortex_m55() {
    let options = QuantizeOptions { binary: true, escalation: 1.0, ..QuantizeOptions::default() };
    let container = data::binarized(&options).unwrap().container;
    for name in ["mps2-an500", "mps3-an547"] {
        instructions_equal_the_reference(board(name), &container);
    }
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn logits_of_three_hundred_images_on_a_cortex_m7() {
    logits_equal_the_reference(board("mps2-an500"), 300);
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn firmware_for_one_model_on_a_cortex_m4() {
    the_ops_of_one_model_take_48_kib(board("mps2-an386"));
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn firmware_for_one_model_on_a_cortex_m55() {
    the_ops_of_one_model_take_48_kib(board("mps3-an547"));
}

#[test]
#[ignore = "builds firmware, needs qemu-system-arm"]
fn deit_tiny_reads_its_weights_from_psram_on_a_cortex_m7() {
    let graph = Arch::by_name("deit-tiny").unwrap().random(1);
    let model = model(&build(&graph, BuildOptions::default()).unwrap());
    let frame: Vec<u8> = (0..model.frame_len()).map(|i| (i * i / 31 + i / 7) as u8).collect();
    let mut device = on(board("mps2-an500"), &model);
    assert_eq!(hashes(&mut device, &frame), hashes(&mut reference(&model), &frame));
    let memory = assert_memory(board("mps2-an500"), &mut device, &frame);
    let arena = model.container().arena_len();
    assert!(model.bytes().len() > 4 << 20 && memory.arena as usize == arena);
    assert!(arena <= 240 << 10);
}
