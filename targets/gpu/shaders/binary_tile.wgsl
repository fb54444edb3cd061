// Sums of ROWS rows of activations by CHANNELS channels of weights of one bit a workgroup, 4 rows by
// 4 channels an invocation, of operands that begin at words
// (quant/src/ops/binary_linear.rs). What becomes of them: `fn finish_tile(row: u32, channel: u32,
// z0: vec4<i32>, …, z3: vec4<i32>)`, the sums of four channels of four rows, those past the last
// among them; it is called in uniform control flow.
//
// Constant: KIND of activations, 0 signs, 1 signs and which are not 0, 2 int8, 3 int16.
// Parameters: `x`, first byte, `nonzero_x` likewise; `rows`; `k`; `x_words`, words of a row of bits,
// and of a channel; `weights`, pieces of 4 words of `columns` channels; `sums`, of int16 alone;
// `tiles_across`, tiles of channels.

const ROWS = 32u;
const CHANNELS = 64u;
const THREADS = 128u;
// Pieces of 4 words in shared memory at once.
const PIECES = 4u;
const PLANES = 1u + KIND % 2u;
const X_STRIDE = ROWS + 1u;
const W_STRIDE = CHANNELS + 1u;
const W_AT = PLANES * PIECES * X_STRIDE;

var<workgroup> tiles: array<vec4<u32>, W_AT + PIECES * W_STRIDE>;
var<private> t: u32;

// Word `word` of a row: of bits, of four int8, of four int16 as high bytes and low bytes less 128.
fn x_planes(row: u32, word: u32) -> vec2<u32> {
    if (KIND <= 1u) {
        if (word >= P.x_words) {
            return vec2<u32>();
        }
        let at = (row * P.x_words + word) * 4u;
        if (KIND == 0u) {
            return vec2<u32>(load_u32(P.x + at), 0u);
        }
        return vec2<u32>(load_u32(P.x + at), load_u32(P.nonzero_x + at));
    }
    if (word >= P.k / 4u) {
        return vec2<u32>(0u, 0x80808080u);
    }
    if (KIND == 2u) {
        return vec2<u32>(load_u32(P.x + row * P.k + word * 4u), 0u);
    }
    let at = P.x + (row * P.k + word * 4u) * 2u;
    return split_i16(load_u32(at), load_u32(at + 4u));
}

fn stage_x(first: u32, piece: u32) {
    for (var i = t; i < ROWS * PIECES; i += THREADS) {
        let row = min(first + i / PIECES, P.rows - 1u);
        let word = (piece + i % PIECES) * 4u;
        let a = x_planes(row, word);
        let b = x_planes(row, word + 1u);
        let c = x_planes(row, word + 2u);
        let d = x_planes(row, word + 3u);
        let place = i % PIECES * X_STRIDE + i / PIECES;
        tiles[place] = vec4<u32>(a.x, b.x, c.x, d.x);
        if (PLANES == 2u) {
            tiles[PIECES * X_STRIDE + place] = vec4<u32>(a.y, b.y, c.y, d.y);
        }
    }
}

// Piece `piece` of the channel in slot `slot`.
fn w_piece(slot: u32, piece: u32) -> vec4<u32> {
    if (KIND <= 1u) {
        if (piece * 4u >= P.x_words) {
            return vec4<u32>();
        }
        let at = P.weights + (piece * P.columns + slot) * 4u;
        return vec4<u32>(constants[at], constants[at + 1u], constants[at + 2u], constants[at + 3u]);
    }
    // 16 activations: half a word of bits.
    let word = piece / 2u;
    if (word >= P.x_words) {
        return vec4<u32>();
    }
    let bits = constants[P.weights + (word / 4u * P.columns + slot) * 4u + word % 4u] >> (piece % 2u * 16u);
    return vec4<u32>(signs(bits), signs(bits >> 4u), signs(bits >> 8u), signs(bits >> 12u));
}

fn stage_w(first: u32, piece: u32) {
    for (var i = t; i < CHANNELS * PIECES; i += THREADS) {
        let part = i / CHANNELS;
        let slot = i % CHANNELS;
        tiles[W_AT + part * W_STRIDE + slot] = w_piece(first + slot, piece + part);
    }
}

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

fn ones(bits: vec4<u32>) -> i32 {
    let counts = countOneBits(bits);
    return bitcast<i32>(counts.x + counts.y + counts.z + counts.w);
}

// What a piece of one row and one channel adds: differences count twice, downwards.
fn part_of(x: vec4<u32>, y: vec4<u32>, w: vec4<u32>) -> i32 {
    if (KIND == 0u) {
        return -2 * ones(x ^ w);
    }
    if (KIND == 1u) {
        return -2 * ones((x ^ w) & y);
    }
    if (KIND == 2u) {
        return dot16(x, w);
    }
    return dot16(x, w) * 256 + dot16(y, w);
}

fn parts(place: u32, w0: vec4<u32>, w1: vec4<u32>, w2: vec4<u32>, w3: vec4<u32>) -> vec4<i32> {
    let x = tiles[place];
    var y = vec4<u32>();
    var all = 0;
    if (PLANES == 2u) {
        y = tiles[PIECES * X_STRIDE + place];
    }
    if (KIND == 1u) {
        all = ones(y);
    }
    return vec4<i32>(part_of(x, y, w0), part_of(x, y, w1), part_of(x, y, w2), part_of(x, y, w3)) + all;
}

// What all rows of four channels begin with.
fn beginning(channel: u32) -> vec4<i32> {
    if (KIND == 0u) {
        return vec4<i32>(bitcast<i32>(P.k));
    }
    if (KIND == 3u) {
        let at = P.sums + channel;
        return vec4<i32>(constant_i32(at), constant_i32(at + 1u), constant_i32(at + 2u), constant_i32(at + 3u));
    }
    return vec4<i32>();
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group.y * groups.x + group.x;
    let first_row = number / P.tiles_across * ROWS;
    let first_channel = number % P.tiles_across * CHANNELS;
    if (first_row >= P.rows) {
        return;
    }
    frame = group.z * P.frame_words;
    t = lane;
    let slot = t % 16u;
    let row = t / 16u * 4u;
    var z0 = beginning(first_channel + slot * 4u);
    var z1 = z0;
    var z2 = z0;
    var z3 = z0;
    var pieces = (P.x_words + 3u) / 4u;
    if (KIND >= 2u) {
        pieces = (P.k + 15u) / 16u;
    }
    for (var piece = 0u; piece < pieces; piece += PIECES) {
        workgroupBarrier();
        stage_x(first_row, piece);
        stage_w(first_channel, piece);
        workgroupBarrier();
        for (var part = 0u; part < PIECES; part++) {
            let w = W_AT + part * W_STRIDE + slot;
            let w0 = tiles[w];
            let w1 = tiles[w + 16u];
            let w2 = tiles[w + 32u];
            let w3 = tiles[w + 48u];
            let x = part * X_STRIDE + row;
            z0 += parts(x, w0, w1, w2, w3);
            z1 += parts(x + 1u, w0, w1, w2, w3);
            z2 += parts(x + 2u, w0, w1, w2, w3);
            z3 += parts(x + 3u, w0, w1, w2, w3);
        }
    }
    finish_tile(first_row + row, first_channel + slot * 4u, z0, z1, z2, z3);
}
