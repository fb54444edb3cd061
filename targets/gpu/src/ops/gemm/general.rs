//! Kernels for every shape that the checker admits: an invocation makes the results of one word.
//!
//! Drivers in software end an invocation's loops after 2¹⁶ rounds in all. Four results of 65,536
//! inputs are as many words, so a round takes two.

/// A row of activations by weights of constants.
pub(super) const LINEAR: &str = "
fn element(index: u32) -> i32 {
    let row = index / P.n;
    let channel = index % P.n;
    let record = P.requant + channel * 4u;
    let bias = constant_i32(record);
    let x = P.x + row * P.k * X_BYTES;
    var sums = vec2<i32>();
    for (var i = 0u; i < P.k_words; i += 2u) {
        sums += products(x, channel, i);
        if (i + 1u < P.k_words) {
            sums += products(x, channel, i + 1u);
        }
    }
    var z = sums.x + bias;
    if (X_BYTES == 2u) {
        z = join_i16(sums.y, sums.x, constant_i32(record + 3u), bias);
    }
    return result(z, record, index);
}

// Of word number `i` of a row: by the low bytes, and by the high ones of int16.
fn products(x: u32, channel: u32, i: u32) -> vec2<i32> {
    let w = constants[P.weights + i * P.columns + channel];
    if (X_BYTES == 1u) {
        return vec2<i32>(dot4I8Packed(load_4(x + i * 4u), w), 0);
    }
    let parts = split_i16(load_4(x + i * 8u), load_4(x + i * 8u + 4u));
    return vec2<i32>(dot4I8Packed(parts.y, w), dot4I8Packed(parts.x, w));
}
";

/// What lies below a window by its weights, a run of the image after another. Windows may reach
/// past the image.
pub(super) const CONV2D: &str = "
fn element(index: u32) -> i32 {
    let pixel = index / P.n;
    let channel = index % P.n;
    let record = P.requant + channel * 4u;
    // Rows and columns above and left of the image are huge numbers here.
    let top = (pixel / P.out_width) * P.stride_h - P.pad_top;
    let left = (pixel % P.out_width) * P.stride_w - P.pad_left;
    let first = P.x + (channel / P.group_channels) * P.depth;
    var z = constant_i32(record);
    var w = P.weights + channel;
    for (var down = 0u; down < P.kernel_h; down++) {
        for (var across = 0u; across < P.runs; across++) {
            let y = top + down;
            let x = left + across;
            if (y < P.in_height && x < P.in_width) {
                let at = first + (y * P.in_width + x) * P.in_channels;
                for (var i = 0u; i < P.run_words; i += 2u) {
                    z += dot4I8Packed(load_4(at + i * 4u), constants[w + i * P.columns]);
                    if (i + 1u < P.run_words) {
                        z += dot4I8Packed(load_4(at + i * 4u + 4u), constants[w + (i + 1u) * P.columns]);
                    }
                }
            }
            w += P.run_words * P.columns;
        }
    }
    return result(z, record, index);
}
";

/// Activations by activations.
pub(super) const MATMUL: &str = "
fn element(index: u32) -> i32 {
    // Batch elements lie one after the other, or side by side in each row.
    let column = index % P.n;
    let batch = (index / P.batch_step) % P.batch;
    let row = (index / P.row_step) % P.m;
    let a = P.a + (batch * P.a_batch + row * P.a_row) * X_BYTES;
    let b = P.b + batch * P.b_batch + select(column, column * P.b_row, TRANSPOSED == 1u);
    var sums = vec3<i32>();
    for (var i = 0u; i < P.k; i += 8u) {
        sums += products(a, b, i);
        if (i + 4u < P.k) {
            sums += products(a, b, i + 4u);
        }
    }
    var z = sums.x;
    if (X_BYTES == 2u) {
        z = join_i16(sums.y, sums.x, sums.z * 128, 0);
    }
    return result(z, P.requant + batch * 4u, index);
}

// Of four elements from number `i` on: by the low bytes of A, by the high ones of int16, and the
// sum of B.
fn products(a: u32, b: u32, i: u32) -> vec3<i32> {
    let w = first_bytes(four_of_b(b, i), P.k - i);
    if (X_BYTES == 1u) {
        return vec3<i32>(dot4I8Packed(load_4(a + i), w), 0, 0);
    }
    let parts = split_i16(load_4(a + i * 2u), load_4(a + i * 2u + 4u));
    let sum = dot4I8Packed(0x01010101u, w);
    return vec3<i32>(dot4I8Packed(parts.y, w), dot4I8Packed(parts.x, w), sum);
}

fn four_of_b(b: u32, i: u32) -> u32 {
    if (TRANSPOSED == 1u) {
        return load_4(b + i);
    }
    // Without a loop, whose rounds would count.
    var word = load_u8(b + i * P.b_row);
    if (i + 1u < P.k) {
        word |= load_u8(b + (i + 1u) * P.b_row) << 8u;
    }
    if (i + 2u < P.k) {
        word |= load_u8(b + (i + 2u) * P.b_row) << 16u;
    }
    if (i + 3u < P.k) {
        word |= load_u8(b + (i + 3u) * P.b_row) << 24u;
    }
    return word;
}
";

/// Behind each of them: the epilogue of the sum `z` of result number `index`.
pub(super) const RESULT: &str = "
fn result(z: i32, record: u32, index: u32) -> i32 {
    var old = 0;
    if (RESIDUAL != 0u) {
        old = load_i16(P.out + index * 2u);
    }
    return finish(z, constant_i32(record + 1u), constants[record + 2u], old);
}
";
