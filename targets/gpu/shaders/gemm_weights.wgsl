// B is a panel of weights (ops/gemm/weights.rs), and the rows of all frames are one matrix.

fn locate(tile: u32, frames: u32) -> Place {
    return Place(tile * TILE_ROWS, P.rows * frames, 0u, 0u);
}

fn b_four(place: Place, column: u32, i: u32) -> vec4<u32> {
    return constants4[(P.weights + i * P.columns + min(column, P.columns - 4u)) >> 2u];
}

fn record(place: Place, column: u32) -> vec4<u32> {
    return constants4[(P.requant >> 2u) + min(column, P.n - 1u)];
}

fn out_row(place: Place, row: u32) -> vec2<u32> {
    let in_frame = row / P.rows;
    return vec2<u32>(in_frame * P.frame_words, P.out + (row - in_frame * P.rows) * P.n * OUT_BYTES);
}
