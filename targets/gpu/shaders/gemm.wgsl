// Sums of products of bytes, four to a word, and what int16 operands and ragged ends ask for.

// Four int16 values in two words as their high bytes, and as their low bytes less 128: with `w`
// the sum is 256 · Σ high·w + Σ (low − 128)·w + 128 · Σ w, of which each part fits a word.
fn split_i16(first: u32, second: u32) -> vec2<u32> {
    let even = vec2<u32>(first & 0x00ff00ffu, second & 0x00ff00ffu);
    let odd = vec2<u32>((first >> 8u) & 0x00ff00ffu, (second >> 8u) & 0x00ff00ffu);
    return vec2<u32>(gather_even(odd), gather_even(even) ^ 0x80808080u);
}

// The lower bytes of the four halves of two words.
fn gather_even(words: vec2<u32>) -> u32 {
    let near = (words | (words >> vec2<u32>(8u))) & vec2<u32>(0xffffu);
    return near.x | (near.y << 16u);
}

// The three parts of such a sum and a bias together, saturated to a word.
fn join_i16(high: i32, low: i32, sums: i32, bias: i32) -> i32 {
    let rest = add_64(wide(low), add_64(wide(sums), wide(bias)));
    return saturate_i32(add_64(shl_64(wide(high), 8u), rest));
}

// The first `count` bytes of a word, at least 1, and zeros.
fn first_bytes(word: u32, count: u32) -> u32 {
    if (count >= 4u) {
        return word;
    }
    return word & ((1u << (count * 8u)) - 1u);
}

// Four rows of four bytes as four columns.
fn transpose_bytes(rows: vec4<u32>) -> vec4<u32> {
    let even = 0x00ff00ffu;
    let a = (rows.x & even) | ((rows.y & even) << 8u);
    let b = ((rows.x >> 8u) & even) | (rows.y & ~even);
    let c = (rows.z & even) | ((rows.w & even) << 8u);
    let d = ((rows.z >> 8u) & even) | (rows.w & ~even);
    let low = 0xffffu;
    return vec4<u32>((a & low) | (c << 16u), (b & low) | (d << 16u), (a >> 16u) | (c & ~low), (b >> 16u) | (d & ~low));
}
