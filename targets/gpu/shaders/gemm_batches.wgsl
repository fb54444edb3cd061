// Activations by activations: each batch element of each frame is a product of its own. B is
// `P.n` rows of `P.k` where `TRANSPOSED` is 1, otherwise `P.k` rows of `P.n`; behind its end are
// zeros, which meet whatever lies behind the ends of rows of A.

fn locate(tile: u32, frames: u32) -> Place {
    let tiles = (P.m + TILE_ROWS - 1u) / TILE_ROWS;
    let product = tile / tiles;
    let in_frame = product / P.batch;
    let batch = product - in_frame * P.batch;
    let end = select(0u, P.m, in_frame < frames);
    return Place((tile - product * tiles) * TILE_ROWS, end, in_frame * P.frame_words, batch);
}

fn a_row(place: Place, row: u32) -> Row {
    return Row(place.base, P.a + (place.batch * P.a_batch + row * P.a_row) * X_BYTES, 0u, 0u);
}

fn a_word(row: Row, i: u32) -> u32 {
    return fetch(A_ALIGNED, row.base, row.byte + min(i * 4u, (P.k - 1u) & ~3u));
}

fn a_pair(row: Row, i: u32) -> vec2<u32> {
    let byte = row.byte + min(i * 4u, (P.k - 1u) & ~3u) * 2u;
    return split_i16(fetch(A_ALIGNED, row.base, byte), fetch(A_ALIGNED, row.base, byte + 4u));
}

fn b_four(place: Place, column: u32, i: u32) -> vec4<u32> {
    let k = i * 4u;
    if (k >= P.k) {
        return vec4<u32>(0u);
    }
    let b = P.b + place.batch * P.b_batch;
    if (TRANSPOSED == 1u) {
        let four = vec4<u32>(column, column + 1u, column + 2u, column + 3u);
        let at = vec4<u32>(b + k) + min(four, vec4<u32>(P.n - 1u)) * P.b_row;
        return vec4<u32>(
            first_bytes(fetch(B_ALIGNED, place.base, at.x), P.k - k),
            first_bytes(fetch(B_ALIGNED, place.base, at.y), P.k - k),
            first_bytes(fetch(B_ALIGNED, place.base, at.z), P.k - k),
            first_bytes(fetch(B_ALIGNED, place.base, at.w), P.k - k),
        );
    }
    let at = b + k * P.b_row + min(column, (P.n - 1u) & ~3u);
    var rows = vec4<u32>(fetch(B_ALIGNED, place.base, at), 0u, 0u, 0u);
    if (k + 1u < P.k) {
        rows.y = fetch(B_ALIGNED, place.base, at + P.b_row);
    }
    if (k + 2u < P.k) {
        rows.z = fetch(B_ALIGNED, place.base, at + P.b_row * 2u);
    }
    if (k + 3u < P.k) {
        rows.w = fetch(B_ALIGNED, place.base, at + P.b_row * 3u);
    }
    return transpose_bytes(rows);
}

fn record(place: Place, column: u32) -> vec4<u32> {
    return constants4[(P.requant >> 2u) + place.batch];
}

fn out_row(place: Place, row: u32) -> vec2<u32> {
    return vec2<u32>(place.base, P.out + (place.batch * P.batch_step + row * P.row_step) * OUT_BYTES);
}
