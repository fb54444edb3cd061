// The sum of one row of activations by one channel of weights of one bit
// (quant/src/ops/binary_linear.rs).
//
// Constant: KIND of activations, 0 signs, 1 signs and which are not 0, 2 int8, 3 int16.
// Parameters: `x`, first byte, `nonzero_x` likewise; `k`; `x_words`, words of a row of bits, and of
// a channel; `weights`, pieces of 4 words of `columns` channels; `sums`, of int16 alone.

// Where a channel lies among those of its tile of 64 (`slot` in src/ops/binary_linear.rs).
fn slot(channel: u32) -> u32 {
    return (channel & ~63u) + channel % 4u * 16u + channel % 64u / 4u;
}

fn weight_word(channel: u32, word: u32) -> u32 {
    return constants[P.weights + (word / 4u * P.columns + slot(channel)) * 4u + word % 4u];
}

// Four bytes from byte `at` on, of which the first `count` are there; zeros for the others.
fn four_bytes(at: u32, count: i32) -> u32 {
    if (count <= 0) {
        return 0u;
    }
    return extractBits(load_4(at), 0u, min(bitcast<u32>(count), 4u) * 8u);
}

fn product(row: u32, channel: u32) -> i32 {
    if (KIND <= 1u) {
        return product_of_bits(row, channel);
    }
    var z = 0;
    for (var word = 0u; word < P.x_words; word++) {
        z += product_of_integers(row, word, weight_word(channel, word));
    }
    if (KIND == 3u) {
        z += constant_i32(P.sums + channel);
    }
    return z;
}

fn product_of_bits(row: u32, channel: u32) -> i32 {
    var differ = 0u;
    var all = P.k;
    if (KIND == 1u) {
        all = 0u;
    }
    for (var word = 0u; word < P.x_words; word++) {
        let at = (row * P.x_words + word) * 4u;
        var bits = load_u32(P.x + at) ^ weight_word(channel, word);
        if (KIND == 1u) {
            let nonzero = load_u32(P.nonzero_x + at);
            all += countOneBits(nonzero);
            bits &= nonzero;
        }
        differ += countOneBits(bits);
    }
    return bitcast<i32>(all) - bitcast<i32>(differ * 2u);
}

// Of the 32 activations of a word of weights; those past the last are 0.
fn product_of_integers(row: u32, word: u32, weights: u32) -> i32 {
    var z = 0;
    for (var four = 0u; four < 8u; four++) {
        let first = word * 32u + four * 4u;
        let left = bitcast<i32>(P.k) - bitcast<i32>(first);
        let w = signs(weights >> (four * 4u));
        let at = row * P.k + first;
        if (KIND == 2u) {
            z += dot4I8Packed(four_bytes(P.x + at, left), w);
        } else {
            let even = four_bytes(P.x + at * 2u, left * 2);
            let parts = split_i16(even, four_bytes(P.x + at * 2u + 4u, left * 2 - 4));
            z += dot4I8Packed(parts.x, w) * 256 + dot4I8Packed(parts.y, w);
        }
    }
    return z;
}
