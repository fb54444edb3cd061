// LayerNorm and RmsNorm: see quant/src/ops/layer_norm.rs for the steps and their bounds. Settings:
// `CENTERED`, whether the mean is taken off; `PLANES`, those of the constants of channels.

const TURNS = 1u;

// Σx, and Σx² as that of the low and that of the high halves: 2¹⁵ of each fit.
fn neutral(turn: u32) -> vec3<i32> {
    return vec3<i32>(0, 0, 0);
}

fn take(turn: u32, found: vec2<i32>, sum: vec3<i32>, x: i32) -> vec3<i32> {
    let square = x * x;
    return sum + vec3<i32>(x, square & 0xffff, square >> 16u);
}

fn combine(turn: u32, a: vec3<i32>, b: vec3<i32>) -> vec3<i32> {
    return a + b;
}

// Mean and factor.
fn finish(turn: u32, found: vec2<i32>, total: vec3<i32>) -> vec2<i32> {
    var energy = add_64(wide(total.y), shl_64(wide(total.z), 16u));
    var mean = 0;
    if (CENTERED == 1u) {
        let count = bitcast<i32>(P.width);
        // 2¹⁵ is added to the mean, so that what is divided is not negative, and below 2³².
        let twice = bitcast<u32>(2 * total.x + count) + (P.width << 16u);
        mean = bitcast<i32>(twice / (2u * P.width)) - 32768;
        energy = add_64(energy, mul_i32(mean, count * mean - 2 * total.x));
    }
    energy = add_64(energy, vec2<u32>(P.eps_low, P.eps_high));
    if ((energy.x | energy.y) == 0u) {
        return vec2<i32>(mean, 0);
    }
    let up = (max(leading_zeros_64(energy), 44u) - 44u) / 2u;
    let deviation = isqrt_64(shl_64(energy, 2u * up));
    return vec2<i32>(mean, bitcast<i32>((0x7fffffffu / deviation) << up));
}

fn result(found: vec2<i32>, x: i32, channel: u32) -> i32 {
    let z = (x - found.x) * found.y;
    let at = (channel % PLANES) * (P.width / PLANES) + channel / PLANES;
    let shift = extractBits(constants[P.shift + (channel >> 2u)], (channel & 3u) * 8u, 8u);
    return (mul_high(z, constant_i32(P.mantissa + at)) + constant_i32(P.offset + at)) >> shift;
}
