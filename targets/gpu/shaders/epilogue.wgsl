// What stands behind the sums of a matrix product (`Destination` in quant/src/ops/linear.rs): the
// requantization, and a table or the addition to a stream.
//
// Constants of the variant: `OUT_BYTES`, bytes of a result; `HIGH_SHIFTS`, 1 where every shift is
// 33 or more; `TABLE`, 1 with a table; `RESIDUAL`, 1 with a stream, 2 where both of its shifts are
// from 18 to 48. Parameters: `table`, its first word; `branch_…` and `stream_…`, the stream's
// multipliers. The kernel says how a word of constants is read: `fn constant_word(at: u32) -> u32`.

// `z` with its bias, requantized and stored as `OUT_BYTES` hold it; `old` is what the stream holds.
fn finish(z: i32, mantissa: i32, shift: u32, old: i32) -> i32 {
    var t = 0;
    if (HIGH_SHIFTS == 1u) {
        t = requantize_high(z, mantissa, shift);
    } else {
        t = requantize(z, mantissa, shift);
    }
    if (OUT_BYTES == 1u) {
        return through_table(saturate_i8(t));
    }
    if (OUT_BYTES == 2u) {
        return into_stream(saturate_i16(t), old);
    }
    return t;
}

fn through_table(t: i32) -> i32 {
    if (TABLE == 0u) {
        return t;
    }
    let index = bitcast<u32>(t + 128);
    return extractBits(bitcast<i32>(constant_word(P.table + (index >> 2u))), (index & 3u) * 8u, 8u);
}

fn into_stream(t: i32, old: i32) -> i32 {
    if (RESIDUAL == 0u) {
        return t;
    }
    let branch = bitcast<i32>(P.branch_mantissa);
    let stream = bitcast<i32>(P.stream_mantissa);
    if (RESIDUAL == 2u) {
        // 15 bits to the left 16 bits still fit a word, and shifts from 18 on become 33 or more.
        let from_branch = requantize_high(t << 15u, branch, P.branch_shift + 15u);
        return saturate_i16(from_branch + requantize_high(old << 15u, stream, P.stream_shift + 15u));
    }
    return residual(t, branch, P.branch_shift, old, stream, P.stream_shift);
}
