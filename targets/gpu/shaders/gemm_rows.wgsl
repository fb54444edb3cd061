// A is rows of activations. What lies behind a row's end meets weights of 0.

fn a_row(place: Place, row: u32) -> Row {
    let in_frame = row / P.rows;
    return Row(in_frame * P.frame_words, P.x + (row - in_frame * P.rows) * P.k * X_BYTES, 0u, 0u);
}

fn a_word(row: Row, i: u32) -> u32 {
    return fetch(A_ALIGNED, row.base, row.byte + min(i, P.k_words - 1u) * 4u);
}

fn a_pair(row: Row, i: u32) -> vec2<u32> {
    let byte = row.byte + min(i, P.k_words - 1u) * 8u;
    return split_i16(fetch(A_ALIGNED, row.base, byte), fetch(A_ALIGNED, row.base, byte + 4u));
}
