// What all tiled products share; ops/gemm/generate.rs makes the main function. It stands on the
// operands of the op: `locate`, `a_row`, `a_word` and `a_pair`, `b_four`, `record`, `out_row`.
//
// Results fill whole words. Constants are read by four words here.

@group(0) @binding(1) var<storage, read> constants4: array<vec4<u32>>;

fn constant_word(at: u32) -> u32 {
    return constants4[at >> 2u][at & 3u];
}

// Rows `first` to `end` of which a tile takes some, in frame `base` (a word) where that is one,
// and of batch element `batch` where there are any.
struct Place {
    first: u32,
    end: u32,
    base: u32,
    batch: u32,
}

// A row of A: its frame's first word, its first byte there; a window's first row and column.
struct Row {
    base: u32,
    byte: u32,
    y: u32,
    x: u32,
}

// Four bytes from byte `byte` of a frame on, which is a multiple of 4 where `aligned` is 1.
fn fetch(aligned: u32, base: u32, byte: u32) -> u32 {
    let at = base + (byte >> 2u);
    let low = arena[at];
    let shift = (byte & 3u) * 8u;
    if (aligned == 1u || shift == 0u) {
        return low;
    }
    return (low >> shift) | (arena[at + 1u] << (32u - shift));
}

// Four sums of one row from column `column` on, which is less than `P.n`; `k0` to `k3` are the
// records of their channels, and `row` is what `out_row` gives.
fn store_four(row: vec2<u32>, column: u32, z: vec4<i32>, k0: vec4<u32>, k1: vec4<u32>, k2: vec4<u32>, k3: vec4<u32>) {
    let at = row.x + ((row.y + column * OUT_BYTES) >> 2u);
    if (OUT_BYTES == 1u) {
        arena[at] = pack4xI8(vec4<i32>(plain(z.x, k0), plain(z.y, k1), plain(z.z, k2), plain(z.w, k3)));
    } else if (OUT_BYTES == 2u) {
        store_two(at, z.xy, k0, k1);
        if (column + 2u < P.n) {
            store_two(at + 1u, z.zw, k2, k3);
        }
    } else {
        arena[at] = bitcast<u32>(plain(z.x, k0));
        if (column + 1u < P.n) {
            arena[at + 1u] = bitcast<u32>(plain(z.y, k1));
        }
        if (column + 2u < P.n) {
            arena[at + 2u] = bitcast<u32>(plain(z.z, k2));
        }
        if (column + 3u < P.n) {
            arena[at + 3u] = bitcast<u32>(plain(z.w, k3));
        }
    }
}

fn plain(z: i32, k: vec4<u32>) -> i32 {
    return finish(z, bitcast<i32>(k.y), k.z, 0);
}

fn store_two(at: u32, z: vec2<i32>, k0: vec4<u32>, k1: vec4<u32>) {
    var old = 0;
    if (RESIDUAL != 0u) {
        old = bitcast<i32>(arena[at]);
    }
    let low = finish(z.x, bitcast<i32>(k0.y), k0.z, extractBits(old, 0u, 16u));
    let high = finish(z.y, bitcast<i32>(k1.y), k1.z, old >> 16u);
    arena[at] = (bitcast<u32>(low) & 0xffffu) | (bitcast<u32>(high) << 16u);
}
