//! Matrix products of one frame and of many: every tile, which generated programs are too small
//! for.

use program::write;
use quant::Op;
use quant::hash::mix;
use quant::mem::{Blob, DType};
use quant::ops::{Act, Conv2d, Linear, MAX_K, MatMul, PerChannel};
use quant::pack::Pack;
use shiftformer::{Cpu, Gpu, Model, Session};
use shiftformer_tests::case::{Builder, Case, Epilogue};
use shiftformer_tests::source::Source;

use super::gpu;

/// Runs `make` on each of `counts` frames at once, which differ, and compares with the reference.
/// Returns what its kernels are written in.
pub(super) fn check(
    gpu: &Gpu,
    about: &str,
    counts: &[usize],
    make: impl Fn(&mut Builder) -> Op + 'static,
) -> String {
    let program = Case::one_op(about.to_owned(), make).build(None);
    let file = write(&program.container).unwrap();
    let model = Model::from_bytes(about, &file).unwrap();
    let mut session = model.session_on(gpu).unwrap();
    let mut reference = model.session_on(&Cpu::best()).unwrap();
    let first = program.inputs.concat();
    for &count in counts {
        let turned = |by: usize| first[by % first.len()..].iter().chain(&first[..by % first.len()]).copied();
        let frames: Vec<Vec<u8>> = (0..count).map(|at| turned(at * 14).collect()).collect();
        let found = outputs(&mut session, &frames);
        assert!(found == outputs(&mut reference, &frames), "{about}, {count} frames");
    }
    assert!(session.disabled().is_empty(), "{about}: {:?} fail their test", session.disabled());
    session.kernels().to_owned()
}

fn outputs(session: &mut Session, frames: &[Vec<u8>]) -> Vec<Vec<i32>> {
    let batch = session.run_batch(frames).unwrap();
    batch.iter().map(|outputs| outputs.values(0).unwrap().to_vec()).collect()
}

/// Activations that take all values.
pub(super) fn input(b: &mut Builder, wide: bool, len: u32) -> Act {
    if wide {
        Act::I16(b.input(&(0..len).map(|at| mix(at, 1) as i16).collect::<Vec<_>>()))
    } else {
        Act::I8(b.input(&(0..len).map(|at| mix(at, 2) as i8).collect::<Vec<_>>()))
    }
}

fn weights(b: &mut Builder, len: u32) -> Blob<i8> {
    b.blob(&(0..len).map(|at| (mix(at, 3) as i8).max(-127)).collect::<Vec<_>>())
}

/// Biases and multipliers: those of scales, with shifts past 32, or smaller shifts too.
fn requant(b: &mut Builder, s: &mut Source, n: u32, scales: bool) -> PerChannel {
    if !scales {
        return b.per_channel(s, n);
    }
    PerChannel { bias: b.blob(&s.biases(n)), scale: b.channels_from_scales(s, n) }
}

fn linear(wide: bool, epilogue: Epilogue, n: u32, k: u32, scales: bool) {
    linear_on(gpu(), wide, epilogue, [n, k], scales);
}

fn linear_on(gpu: &Gpu, wide: bool, epilogue: Epilogue, [n, k]: [u32; 2], scales: bool) -> String {
    check(gpu, &format!("Linear of {n} × {k}, wide {wide}, {epilogue:?}"), &[1, 9, 64], move |b| {
        let x = input(b, wide, 130 * k);
        linear_op(b, x, epilogue, [130, n, k], scales)
    })
}

/// Every tile of cooperative matrices of every shape that the adapter lists.
fn matrices() -> Vec<Gpu> {
    let shapes = &gpu().adapter().matrices;
    if shapes.is_empty() {
        println!(
            "{} lists no cooperative matrices of int8: their tiles are not tested",
            gpu().adapter().name
        );
    }
    let words = gpu().clone().with_matrices(None).tiles();
    let mut all = Vec::new();
    for &shape in shapes {
        let gpu = gpu().clone().with_matrices(Some(shape));
        let tiles = gpu.tiles().into_iter().filter(|tile| !words.contains(tile));
        println!("{shape:?}: {:?}", tiles.clone().collect::<Vec<_>>());
        all.extend(tiles.map(|tile| gpu.clone().with_tile(tile)));
    }
    all
}

#[test]
fn rows_of_bytes_take_every_tile_of_matrices() {
    let products = [
        (Epilogue::I8, [388, 48], true),
        (Epilogue::I8, [4, 4], false),
        (Epilogue::Table, [132, 272], false),
        (Epilogue::I16, [134, 140], true),
        (Epilogue::Residual, [386, 128], true),
        (Epilogue::Residual, [66, 36], false),
        (Epilogue::I32, [387, 100], false),
    ];
    for gpu in matrices() {
        for (epilogue, sides, scales) in products {
            let kernels = linear_on(&gpu, false, epilogue, sides, scales);
            assert_eq!(kernels, "wgsl+matrices", "{epilogue:?} of {sides:?}");
        }
    }
}

pub(super) fn linear_op(
    b: &mut Builder,
    x: Act,
    epilogue: Epilogue,
    [rows, n, k]: [u32; 3],
    scales: bool,
) -> Op {
    let mut s = Source::new(u64::from(k));
    Op::Linear(Linear {
        rows,
        k,
        n,
        x,
        weights: weights(b, n * k),
        pack: Pack::RowMajor,
        requant: requant(b, &mut s, n, scales),
        out: b.destination(&mut s, epilogue, rows * n),
    })
}

#[test]
fn rows_of_bytes_take_every_tile() {
    linear(false, Epilogue::I8, 388, 36, true);
    linear(false, Epilogue::Table, 388, 37, false);
    linear(false, Epilogue::I16, 386, 70, true);
    linear(false, Epilogue::Residual, 386, 36, true);
    linear(false, Epilogue::I32, 387, 101, false);
}

#[test]
fn rows_of_int16_take_every_tile() {
    linear(true, Epilogue::I8, 388, 36, true);
    linear(true, Epilogue::Residual, 386, 37, true);
    linear(true, Epilogue::I32, 387, 66, false);
}

fn conv2d(in_channels: u32, out_channels: u32, groups: u32, window: [u32; 3]) {
    conv2d_on(gpu(), Epilogue::I8, [in_channels, out_channels, groups], window);
}

fn conv2d_on(
    gpu: &Gpu,
    epilogue: Epilogue,
    [in_channels, out_channels, groups]: [u32; 3],
    [kernel, stride, pad]: [u32; 3],
) -> String {
    let out = (18 + 2 * pad - kernel) / stride + 1;
    let about = format!("{in_channels} to {out_channels} channels in {groups} groups, kernel {kernel}");
    check(gpu, &about, &[1, 64], move |b| {
        let s = &mut Source::new(kernel.into());
        let destination = b.destination(s, epilogue, out * out * out_channels);
        Op::Conv2d(Conv2d {
            in_height: 18,
            in_width: 18,
            in_channels,
            out_channels,
            kernel_h: kernel,
            kernel_w: kernel,
            stride_h: stride,
            stride_w: stride,
            pad_top: pad,
            pad_left: pad,
            out_height: out,
            out_width: out,
            groups,
            x: b.input(&(0..18 * 18 * in_channels).map(|at| mix(at, 4) as i8).collect::<Vec<_>>()),
            weights: weights(b, out_channels * kernel * kernel * (in_channels / groups)),
            pack: Pack::RowMajor,
            requant: requant(b, s, out_channels, true),
            out: destination,
        })
    })
}

#[test]
fn windows_take_every_tile_of_matrices() {
    let convolutions = [
        // Whole rows of an image whose pixels fill no words, and one of whole pieces.
        (Epilogue::I8, [2, 132, 1], [6, 6, 0]),
        (Epilogue::Table, [8, 36, 1], [4, 2, 0]),
        // Single pixels and columns past the image, which are of whole words or pieces.
        (Epilogue::I8, [12, 132, 1], [3, 2, 1]),
        (Epilogue::I16, [16, 134, 1], [3, 1, 1]),
        (Epilogue::Residual, [36, 68, 1], [7, 3, 3]),
        (Epilogue::I32, [48, 35, 1], [2, 2, 0]),
    ];
    for gpu in matrices() {
        for (epilogue, channels, window) in convolutions {
            let kernels = conv2d_on(&gpu, epilogue, channels, window);
            assert_eq!(kernels, "wgsl+matrices", "{epilogue:?} of {channels:?}, {window:?}");
        }
    }
}

#[test]
fn windows_take_every_tile() {
    conv2d(3, 132, 1, [6, 6, 0]);
    conv2d(3, 132, 1, [3, 1, 1]);
    conv2d(8, 132, 1, [3, 2, 1]);
    conv2d(20, 132, 1, [1, 1, 0]);
}

#[test]
fn groups_of_channels_of_many_frames() {
    conv2d(24, 24, 24, [7, 1, 3]);
    conv2d(24, 24, 24, [4, 2, 1]);
    conv2d(25, 50, 25, [3, 1, 1]);
    conv2d(24, 36, 3, [3, 2, 1]);
}

/// Three heads side by side in each row of A, B and the result.
fn matmul(wide: bool, transpose_b: bool, [m, n, k]: [u32; 3], out: DType) {
    let about = format!("{m} × {n} × {k}, wide {wide}, transposed {transpose_b}, to {out:?}");
    check(gpu(), &about, &[1, 9, 64], move |b| {
        let a = input(b, wide, m * 3 * k);
        matmul_op(b, a, transpose_b, [m, n, k], out)
    });
}

fn matmul_op(b: &mut Builder, a: Act, transpose_b: bool, [m, n, k]: [u32; 3], out: DType) -> Op {
    let s = &mut Source::new(u64::from(k));
    let (b_rows, b_len) = if transpose_b { (n, k) } else { (k, n) };
    let requant = match a {
        Act::I16(_) => b.channels(s, 3, 1),
        _ => b.channels_from_scales(s, 3),
    };
    Op::MatMul(MatMul {
        batch: 3,
        m,
        n,
        k,
        a,
        a_batch: k,
        a_row: 3 * k,
        b: b.input(&(0..b_rows * 3 * b_len).map(|at| mix(at, 5) as i8).collect::<Vec<_>>()),
        b_batch: b_len,
        b_row: 3 * b_len,
        transpose_b,
        out: b.act_out(out, 3 * m * n),
        out_batch: n,
        out_row: 3 * n,
        requant,
    })
}

#[test]
fn activations_by_activations_take_every_tile() {
    matmul(false, true, [150, 148, 64], DType::I8);
    matmul(false, true, [150, 149, 33], DType::I32);
    matmul(false, false, [140, 64, 50], DType::I8);
    matmul(true, false, [140, 64, 51], DType::I8);
    matmul(true, true, [70, 66, 35], DType::I16);
}

/// Products side by side in each row of A, B and the result.
fn windows_of_attention(batch: u32, [m, n, k]: [u32; 3], scales: bool, out: DType) {
    let about = format!("{batch} products of {m} × {n} × {k} to {out:?}");
    check(gpu(), &about, &[1, 9, 64], move |b| {
        let s = &mut Source::new(u64::from(k));
        Op::MatMul(MatMul {
            batch,
            m,
            n,
            k,
            a: input(b, false, m * batch * k),
            a_batch: k,
            a_row: batch * k,
            b: b.input(&(0..n * batch * k).map(|at| mix(at, 5) as i8).collect::<Vec<_>>()),
            b_batch: k,
            b_row: batch * k,
            transpose_b: true,
            out: b.act_out(out, batch * m * n),
            out_batch: n,
            out_row: batch * n,
            requant: if scales { b.channels_from_scales(s, batch) } else { b.channels(s, batch, 1) },
        })
    });
}

#[test]
fn products_whose_rows_fill_no_words_are_taken_whole() {
    windows_of_attention(12, [49, 49, 32], true, DType::I16);
    windows_of_attention(12, [49, 49, 32], true, DType::I8);
    windows_of_attention(4, [1, 5, 4], true, DType::I16);
    windows_of_attention(8, [30, 6, 36], false, DType::I8);
    windows_of_attention(4, [3, 75, 44], false, DType::I16);
    windows_of_attention(6, [7, 9, 8], true, DType::I16);
}

/// Rows of `MAX_K` zeros but for the last ones.
fn ends(b: &mut Builder, wide: bool, rows: u32) -> Act {
    let values = (0..rows * MAX_K).map(|at| if at % MAX_K < MAX_K - 4 { 0 } else { mix(at, 6) });
    if wide {
        Act::I16(b.input(&values.map(|value| value as i16).collect::<Vec<_>>()))
    } else {
        Act::I8(b.input(&values.map(|value| value as i8).collect::<Vec<_>>()))
    }
}

/// One invocation makes the four results of a word.
#[test]
fn results_of_a_word_take_the_last_of_the_most_inputs() {
    for wide in [false, true] {
        check(gpu(), &format!("the deepest Linear, wide {wide}"), &[1], move |b| {
            let x = ends(b, wide, 2);
            linear_op(b, x, Epilogue::I8, [2, 2, MAX_K], true)
        });
        for transpose_b in [false, true] {
            let about = format!("the deepest MatMul, wide {wide}, transposed {transpose_b}");
            check(gpu(), &about, &[1], move |b| {
                let a = ends(b, wide, 6);
                matmul_op(b, a, transpose_b, [2, 2, MAX_K], DType::I8)
            });
        }
    }
}
