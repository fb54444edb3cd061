// Shiftmax: see quant/src/ops/shiftmax.rs for the steps and their bounds. Setting: `TABLE`,
// whether all exponentials are constants.

const TURNS = 2u;

fn neutral(turn: u32) -> vec3<i32> {
    return vec3<i32>(select(0, -32768, turn == 0u), 0, 0);
}

// The largest score, then the sum of all exponentials.
fn take(turn: u32, found: vec2<i32>, sum: vec3<i32>, x: i32) -> vec3<i32> {
    if (turn == 0u) {
        return vec3<i32>(max(sum.x, x), 0, 0);
    }
    return vec3<i32>(sum.x + bitcast<i32>(exponential(bitcast<u32>(found.x - x))), 0, 0);
}

fn combine(turn: u32, a: vec3<i32>, b: vec3<i32>) -> vec3<i32> {
    return vec3<i32>(select(a.x + b.x, max(a.x, b.x), turn == 0u), 0, 0);
}

// The largest score, and the factor of all exponentials.
fn finish(turn: u32, found: vec2<i32>, total: vec3<i32>) -> vec2<i32> {
    if (turn == 0u) {
        return vec2<i32>(total.x, 0);
    }
    return vec2<i32>(found.x, bitcast<i32>(0x7fffffffu / bitcast<u32>(total.x)));
}

fn result(found: vec2<i32>, x: i32, channel: u32) -> i32 {
    let product = exponential(bitcast<u32>(found.x - x)) * bitcast<u32>(found.y);
    if (OUT_BYTES == 1u) {
        return bitcast<i32>((product + 0x800000u) >> 24u);
    }
    return bitcast<i32>(product >> 16u);
}

// Of minus `distance`. Shift-exp as in quant/src/arith/shift_exp.rs; `unit` shifted by `bits` is
// below 2³¹, so that twice that is no more than a word.
fn exponential(distance: u32) -> u32 {
    if (TABLE == 1u) {
        return constants[P.table + distance];
    }
    let x = -bitcast<i32>(distance);
    let p = bitcast<u32>(-(x + (x >> 1u) - (x >> 4u)));
    let octave = p / P.unit;
    if (octave >= P.bits) {
        return P.unit;
    }
    return ((2u * P.unit - (p - octave * P.unit)) << (P.bits - octave)) >> 1u;
}
