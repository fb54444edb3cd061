//! Tests of the arithmetic in `shaders/arith.wgsl` and `shaders/root.wgsl` on a device, against that
//! of the specification.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use quant::arith::{isqrt, requantize, saturate_i16, saturate_i32};

use crate::device::Gpu;
use crate::plan::Kernel;
use crate::source::{PARAMS, Params, Source};

/// Words of a case: operands, then room for results.
const WORDS: usize = 24;

const KERNEL: &str = "
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= P.cases) {
        return;
    }
    let at = id.x * WORDS;
    let a = vec2<u32>(arena[at], arena[at + 1u]);
    let b = vec2<u32>(arena[at + 2u], arena[at + 3u]);
    let shift = arena[at + 4u];
    let x = bitcast<vec2<i32>>(a);
    let y = bitcast<vec2<i32>>(b);
    put(at, 5u, vec2<u32>(isqrt_64(a), bitcast<u32>(mul_high(x.x, x.y))));
    put(at, 7u, div_u64(a, b));
    put(at, 9u, mul_64(a, b));
    put(at, 11u, add_64(a, b));
    put(at, 13u, sub_64(a, b));
    put(at, 15u, shl_64(a, shift));
    put(at, 17u, shr_u64(a, shift));
    put(at, 19u, shr_i64(a, shift));
    put(at, 21u, vec2<u32>(leading_zeros_64(a), bitcast<u32>(requantize(x.x, x.y, max(shift, 1u)))));
    let low = vec2<i32>(x.x >> 16u, y.x >> 16u);
    arena[at + 23u] = bitcast<u32>(residual(low.x, x.y, max(shift, 1u), low.y, y.y, 63u - max(shift, 1u)));
}

fn put(at: u32, first: u32, value: vec2<u32>) {
    arena[at + first] = value.x;
    arena[at + first + 1u] = value.y;
}
";

/// What the kernel makes of a case.
fn expected(a: u64, b: u64, shift: u32) -> Vec<u32> {
    let [x, y] = [a as i32, (a >> 32) as i32];
    let [v, w] = [b as i32, (b >> 32) as i32];
    let up = shift.max(1) as u8;
    let high = (i64::from(x) * i64::from(y)) >> 32;
    let residual = requantize(x >> 16, y, up) + requantize(v >> 16, w, 63 - up);
    let pairs = [
        a / b,
        a.wrapping_mul(b),
        a.wrapping_add(b),
        a.wrapping_sub(b),
        a << shift,
        a >> shift,
        (a.cast_signed() >> shift).cast_unsigned(),
    ];
    let words = pairs.into_iter().flat_map(|pair| [pair as u32, (pair >> 32) as u32]);
    let behind = [
        a.leading_zeros(),
        saturate_i32(requantize(x, y, up)).cast_unsigned(),
        i32::from(saturate_i16(residual)).cast_unsigned(),
    ];
    [isqrt(a), high as u32].into_iter().chain(words).chain(behind).collect()
}

/// Numbers of every length, and those beside squares, powers of two and both ends.
fn cases() -> Vec<(u64, u64, u32)> {
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state ^ (state >> 29)
    };
    let mut number = move || {
        let value = random() >> (random() % 64);
        let root = value >> 32;
        match random() % 8 {
            0 => root * root,
            1 => (root * root).wrapping_sub(1),
            2 => root * root + 2 * root,
            3 => 1u64 << (value % 64),
            4 => u64::MAX >> (value % 64),
            5 => u64::MAX << (value % 64),
            6 => [0, i64::MAX as u64, 1 << 63, 0x8000_0000, 0x7fff_ffff_8000_0000][value as usize % 5],
            _ => value,
        }
    };
    (0..1 << 17).map(|at| (number(), number().max(1), at % 63)).collect()
}

#[test]
fn equals_the_specification() {
    let gpu = now(Gpu::open(None)).expect("a GPU, or Mesa's lavapipe");
    let cases = cases();
    let words = cases.iter().flat_map(|&(a, b, shift)| {
        let operands = [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32, shift];
        operands.into_iter().chain([0; WORDS - 5])
    });
    let results = run(&gpu, cases.len() as u32, &words.collect::<Vec<_>>());
    for (&(a, b, shift), words) in cases.iter().zip(results.chunks(WORDS)) {
        assert_eq!(words[5..], expected(a, b, shift), "{a:#x} {b:#x} {shift}");
    }
}

/// The words after the kernel ran on `cases` of them.
fn run(gpu: &Gpu, cases: u32, words: &[u32]) -> Vec<u32> {
    let mut params = Params::default();
    params.set("cases", cases);
    let source = Source::of(&[include_str!("../shaders/root.wgsl"), KERNEL]).with("WORDS", WORDS as u32);
    let kernel = Kernel { name: "arithmetic", row: None, text: source.text(&params) };
    let pipeline = gpu.compiled().all(gpu.device(), &[&kernel]).expect("a kernel that compiles").remove(0);
    let usage = |usage| usage | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let buffer = |what, words: &[u32], usage| {
        let bytes = words.len() as u64 * 4;
        let buffer = crate::memory::buffer(gpu, what, bytes, usage).expect("memory");
        gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(words));
        buffer
    };
    let arena = buffer("arena", words, usage(wgpu::BufferUsages::STORAGE));
    let constants = buffer("constants", &[0; 4], usage(wgpu::BufferUsages::STORAGE));
    let params: [u32; PARAMS] = params.words(0);
    let params = buffer("params", &params, usage(wgpu::BufferUsages::UNIFORM));
    let entries = [entry(0, &arena), entry(1, &constants), entry(2, &params)];
    let group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: gpu.bindings(),
        entries: &entries,
    });
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(cases.div_ceil(64), 1, 1);
    }
    read(gpu, encoder, &arena)
}

fn entry(binding: u32, buffer: &wgpu::Buffer) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }
}

/// The words of `arena` after `encoder` ran.
fn read(gpu: &Gpu, mut encoder: wgpu::CommandEncoder, arena: &wgpu::Buffer) -> Vec<u32> {
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let readback = crate::memory::buffer(gpu, "results", arena.size(), usage).expect("memory");
    encoder.copy_buffer_to_buffer(arena, 0, &readback, 0, arena.size());
    gpu.queue().submit([encoder.finish()]);
    readback.slice(..).map_async(wgpu::MapMode::Read, |_| {});
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).expect("a device");
    let view = readback.slice(..).get_mapped_range().expect("mapped");
    bytemuck::cast_slice(&view).to_vec()
}

/// What `future` gives, which without a web page is there at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("not at once"),
    }
}
