// Roots, quotients and products of 64 bits.

// floor(√a): digit by digit for the high word, one division for the low word
// (P. Zimmermann, Karatsuba Square Root, 1999).
fn isqrt_64(a: vec2<u32>) -> u32 {
    if ((a.x | a.y) == 0u) {
        return 0u;
    }
    let up = leading_zeros_64(a) / 2u;
    let n = shl_64(a, 2u * up);
    var rest = n.y;
    var root = 0u;
    for (var bit = 1u << 30u; bit != 0u; bit >>= 2u) {
        let taken = rest >= root + bit;
        rest -= select(0u, root + bit, taken);
        root = (root >> 1u) + select(0u, bit, taken);
    }
    // From here on root ≥ 2¹⁵ and rest ≤ 2 · root. The next half word of `n` joins `rest`, 33 bits,
    // which is divided by 2 · root: both halved, the lowest bit aside.
    let half = (rest << 15u) | (n.x >> 17u);
    let digit = half / root;
    let left = ((half - digit * root) << 1u) | ((n.x >> 16u) & 1u);
    // digit ≤ 2¹⁶, and one too large where its square exceeds what is left.
    let low = (left << 16u) | (n.x & 0xffffu);
    let large = left < 0x10000u && (digit > 0xffffu || digit * digit > low);
    return ((root << 16u) + digit - select(0u, 1u, large)) >> up;
}

// floor(a / b), unsigned, for b > 0: a step for each bit of the quotient.
fn div_u64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    if (less_u64(a, b)) {
        return vec2<u32>(0u, 0u);
    }
    let bits = leading_zeros_64(b) - leading_zeros_64(a);
    var part = shl_64(b, bits);
    var rest = a;
    var quotient = vec2<u32>(0u, 0u);
    for (var i = 0u; i <= bits; i += 1u) {
        quotient = vec2<u32>(quotient.x << 1u, (quotient.y << 1u) | (quotient.x >> 31u));
        if (!less_u64(rest, part)) {
            rest = sub_64(rest, part);
            quotient.x |= 1u;
        }
        part = vec2<u32>((part.x >> 1u) | (part.y << 31u), part.y >> 1u);
    }
    return quotient;
}

// The low 64 bits of a product, of signed or unsigned factors.
fn mul_64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = mul_u32(a.x, b.x);
    return vec2<u32>(low.x, low.y + a.x * b.y + a.y * b.x);
}
