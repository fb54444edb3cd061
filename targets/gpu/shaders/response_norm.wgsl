// Lengths of channels from the sums of their squares, and their shares: see
// quant/src/ops/response_norm.rs for the steps and their bounds. One workgroup; an invocation
// takes words of the result, and the lengths of the channels in them.

const THREADS = 256u;

var<workgroup> totals: array<vec2<u32>, THREADS>;

fn length_of(channel: u32) -> u32 {
    var squares = vec2<u32>(0u, 0u);
    for (var strip = 0u; strip < P.strips; strip += 1u) {
        let at = frame + (P.sums >> 2u) + strip * 3u * P.width + channel;
        let high = shl_64(vec2<u32>(arena[at + 2u * P.width], 0u), 16u);
        squares = add_64(squares, add_64(vec2<u32>(arena[at + P.width], 0u), high));
    }
    return isqrt_64(shl_64(squares, P.up));
}

fn share(length: u32, divisor: vec2<u32>) -> u32 {
    if ((divisor.x | divisor.y) == 0u) {
        return 0u;
    }
    let twice = add_64(shl_64(mul_u32(length, P.unit), 1u), divisor);
    // At most `unit`, 2³⁰, and a half.
    return min(div_u64(twice, shl_64(divisor, 1u)).x, 32767u);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    frame = group.z * P.frame_words;
    let skew = (P.out >> 1u) & 1u;
    let words = (skew + P.width + 1u) / 2u;
    let lengths = frame + (P.lengths >> 2u);
    var total = vec2<u32>(0u, 0u);
    for (var word = lane; word < words; word += THREADS) {
        for (var i = 0u; i < 2u; i += 1u) {
            // Wraps around before channel 0.
            let channel = word * 2u + i - skew;
            if (channel < P.width) {
                let length = length_of(channel);
                arena[lengths + channel] = length;
                total = add_64(total, vec2<u32>(length, 0u));
            }
        }
    }
    totals[lane] = total;
    for (var half = THREADS / 2u; half > 0u; half >>= 1u) {
        workgroupBarrier();
        if (lane < half) {
            totals[lane] = add_64(totals[lane], totals[lane + half]);
        }
    }
    workgroupBarrier();
    let divisor = add_64(totals[0], vec2<u32>(P.eps_low, P.eps_high));
    for (var word = lane; word < words; word += THREADS) {
        let at = frame + (P.out >> 2u) + word;
        var value = arena[at];
        for (var i = 0u; i < 2u; i += 1u) {
            let channel = word * 2u + i - skew;
            if (channel < P.width) {
                value = insertBits(value, share(arena[lengths + channel], divisor), i * 16u, 16u);
            }
        }
        arena[at] = value;
    }
}
