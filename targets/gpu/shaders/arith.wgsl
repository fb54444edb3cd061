// 64-bit integers as (low, high) words, and the requantization of the specification
// (quant/src/arith). WGSL has no 64-bit integers of its own.

// The product of two unsigned words.
fn mul_u32(a: u32, b: u32) -> vec2<u32> {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let low = al * bl;
    // Neither sum overflows: (2¹⁶ − 1)² + 2¹⁶ − 1 < 2³².
    let middle = ah * bl + (low >> 16u);
    let cross = al * bh + (middle & 0xffffu);
    return vec2<u32>(a * b, ah * bh + (middle >> 16u) + (cross >> 16u));
}

// The product of two signed words.
fn mul_i32(a: i32, b: i32) -> vec2<u32> {
    let product = mul_u32(bitcast<u32>(a), bitcast<u32>(b));
    let less = select(0u, bitcast<u32>(b), a < 0) + select(0u, bitcast<u32>(a), b < 0);
    return vec2<u32>(product.x, product.y - less);
}

// The high word of the product of two signed words, from halves of which the high ones are signed.
// |ah · bl| ≤ 2³¹ − 2¹⁵: neither sum overflows.
fn mul_high(a: i32, b: i32) -> i32 {
    let al = a & 0xffff;
    let ah = a >> 16u;
    let bl = b & 0xffff;
    let bh = b >> 16u;
    let middle = ah * bl + bitcast<i32>(bitcast<u32>(al * bl) >> 16u);
    let cross = al * bh + (middle & 0xffff);
    return ah * bh + (middle >> 16u) + (cross >> 16u);
}

fn add_64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn sub_64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

// A signed word in 64 bits.
fn wide(a: i32) -> vec2<u32> {
    return vec2<u32>(bitcast<u32>(a), bitcast<u32>(a >> 31u));
}

// a < b, unsigned.
fn less_u64(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

// Shifts by 0 to 63.

fn shl_64(a: vec2<u32>, by: u32) -> vec2<u32> {
    if (by == 0u) {
        return a;
    }
    if (by >= 32u) {
        return vec2<u32>(0u, a.x << (by - 32u));
    }
    return vec2<u32>(a.x << by, (a.y << by) | (a.x >> (32u - by)));
}

fn shr_u64(a: vec2<u32>, by: u32) -> vec2<u32> {
    if (by == 0u) {
        return a;
    }
    if (by >= 32u) {
        return vec2<u32>(a.y >> (by - 32u), 0u);
    }
    return vec2<u32>((a.x >> by) | (a.y << (32u - by)), a.y >> by);
}

fn shr_i64(a: vec2<u32>, by: u32) -> vec2<u32> {
    let high = bitcast<i32>(a.y);
    if (by == 0u) {
        return a;
    }
    if (by >= 32u) {
        return vec2<u32>(bitcast<u32>(high >> (by - 32u)), bitcast<u32>(high >> 31u));
    }
    return vec2<u32>((a.x >> by) | (a.y << (32u - by)), bitcast<u32>(high >> by));
}

// The number of zero bits above the highest one.
fn leading_zeros_64(a: vec2<u32>) -> u32 {
    if (a.y != 0u) {
        return countLeadingZeros(a.y);
    }
    return 32u + countLeadingZeros(a.x);
}

// A signed 64-bit integer, saturated to a word.
fn saturate_i32(a: vec2<u32>) -> i32 {
    let high = bitcast<i32>(a.y);
    if (high == (bitcast<i32>(a.x) >> 31u)) {
        return bitcast<i32>(a.x);
    }
    return select(0x7fffffff, bitcast<i32>(0x80000000u), high < 0);
}

// floor(z · mantissa / 2^shift + 1/2), for shifts from 1 to 62: exact in 64 bits.
fn requantize_64(z: i32, mantissa: i32, shift: u32) -> vec2<u32> {
    let half = shl_64(vec2<u32>(1u, 0u), shift - 1u);
    return shr_i64(add_64(mul_i32(z, mantissa), half), shift);
}

// The same for shifts of 33 and more, of which the result is a word. The rounding term has no low
// word then, so that the high word of the product is enough.
fn requantize_high(z: i32, mantissa: i32, shift: u32) -> i32 {
    // The product is at least -2³⁰ and at most 2³⁰, the term at most 2²⁹.
    return (mul_high(z, mantissa) + bitcast<i32>(1u << (shift - 33u))) >> (shift - 32u);
}

// The same for all shifts, saturated to a word.
fn requantize(z: i32, mantissa: i32, shift: u32) -> i32 {
    if (shift >= 33u) {
        return requantize_high(z, mantissa, shift);
    }
    return saturate_i32(requantize_64(z, mantissa, shift));
}

fn saturate_i8(z: i32) -> i32 {
    return clamp(z, -128, 127);
}

fn saturate_i16(z: i32) -> i32 {
    return clamp(z, -32768, 32767);
}

// Saturates to the signed integer of `bytes` bytes: 1, 2 or 4.
fn saturate_to(bytes: u32, z: i32) -> i32 {
    if (bytes == 1u) {
        return saturate_i8(z);
    }
    if (bytes == 2u) {
        return saturate_i16(z);
    }
    return z;
}

// The sum of two int16 values, each requantized with a multiplier of its own, saturated to int16.
fn residual(x: i32, x_mantissa: i32, x_shift: u32, y: i32, y_mantissa: i32, y_shift: u32) -> i32 {
    let sum = add_64(requantize_64(x, x_mantissa, x_shift), requantize_64(y, y_mantissa, y_shift));
    return saturate_i16(saturate_i32(sum));
}
