//! Every variant of every kernel in the languages that drivers and browsers take.

use std::collections::BTreeMap;
use std::sync::Arc;

use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use program::{Dataflow, ReplanOptions, replan, write_as};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use quant::op::OpKind;
use shiftformer_tests::ops;

/// Generated programs of each op: enough for every variant of the small kernels.
const CASES: usize = 60;

/// Bytes of memory that workgroups may share: what WebGPU guarantees, and what most GPUs have.
const WORKGROUP_BYTES: [u32; 2] = [16 << 10, 32 << 10];

/// The kernels of generated programs of every op, by their text: their names, and the least memory
/// with which they are taken.
fn kernels() -> BTreeMap<Arc<str>, (&'static str, u32)> {
    let mut found = BTreeMap::new();
    let mut runner = TestRunner::deterministic();
    for &kind in OpKind::ALL {
        for _ in 0..CASES {
            let case = ops::cases(kind).new_tree(&mut runner).expect("a case").current();
            let file = program::write(&case.build(None).container).expect("a program");
            let aligned = shiftformer::Model::from_bytes("a case", &file).expect("a container");
            let model = aligned.container();
            let flow = Dataflow::of(&model).expect("its dataflow");
            let options = ReplanOptions { align: 64, tiles: false };
            let planned = replan(&model, &flow, options).expect("a layout");
            let planned = write_as(&planned, *model.identity()).expect("a container");
            let planned = shiftformer::Model::from_bytes("a case", &planned).expect("a container");
            for bytes in WORKGROUP_BYTES {
                let shaders = gpu::shaders(&planned.container(), bytes).expect("shaders for every op");
                for (name, text) in shaders {
                    found.entry(text).or_insert((name, bytes));
                }
            }
        }
    }
    found
}

#[test]
fn every_kernel_is_valid_webgpu_and_translates() {
    let kernels = kernels();
    for (text, (name, bytes)) in &kernels {
        let fail = |what: &str, error: &str| -> ! { panic!("{name}, {what}: {error}\n{text}") };
        let module = naga::front::wgsl::parse_str(text);
        let module = module.unwrap_or_else(|error| fail("WGSL", &error.emit_to_string(text)));
        // No capability beyond WebGPU's: it runs in a browser.
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        let info = validator.validate(&module);
        let info = info.unwrap_or_else(|error| fail("validation", &error.emit_to_string(text)));
        translate(&module, &info).unwrap_or_else(|(language, error)| fail(language, &error));
        let shared = workgroup_bytes(&module);
        assert!(shared <= *bytes, "{name} shares {shared} bytes:\n{text}");
    }
    println!("{} kernels", kernels.len());
}

/// To SPIR-V, MSL and HLSL; the language and the reason where that fails.
fn translate(module: &naga::Module, info: &ModuleInfo) -> Result<(), (&'static str, String)> {
    spv::write_vec(module, info, &spv::Options::default(), None).map_err(|e| ("SPIR-V", e.to_string()))?;
    let (options, pipeline) = (msl::Options::default(), msl::PipelineOptions::default());
    let options = msl::Options { fake_missing_bindings: true, lang_version: (2, 1), ..options };
    msl::write_string(module, info, &options, &pipeline).map_err(|e| ("MSL", e.to_string()))?;
    let options = hlsl::Options { fake_missing_bindings: true, ..hlsl::Options::default() };
    let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
    let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
    writer.write(module, info, None).map_err(|e| ("HLSL", e.to_string()))?;
    Ok(())
}

/// Bytes of the memory that a workgroup shares.
fn workgroup_bytes(module: &naga::Module) -> u32 {
    let shared = module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
    shared.map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx())).sum()
}
