// Statistics of a group from the sums of its channels: see quant/src/ops/group_norm.rs for the steps
// and their bounds. A workgroup takes a group and leaves mean, factor and shift.

const THREADS = 64u;

// The sum of values, and that of squares.
var<workgroup> totals: array<vec4<u32>, THREADS>;

fn add_totals(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return vec4<u32>(add_64(a.xy, b.xy), add_64(a.zw, b.zw));
}

fn statistics(sum: vec2<u32>, squares: vec2<u32>) -> vec3<u32> {
    // 2¹⁵ is added to the mean, so that what is divided is not negative.
    let twice = add_64(add_64(shl_64(sum, 1u), vec2<u32>(P.count, 0u)), mul_u32(P.count, 65536u));
    let mean = bitcast<i32>(div_u64(twice, vec2<u32>(2u * P.count, 0u)).x) - 32768;
    let about = sub_64(mul_i32(bitcast<i32>(P.count), mean), shl_64(sum, 1u));
    let energy = add_64(add_64(squares, mul_64(about, wide(mean))), vec2<u32>(P.eps_low, P.eps_high));
    if ((energy.x | energy.y) == 0u) {
        return vec3<u32>(bitcast<u32>(mean), 0u, 0u);
    }
    let up = leading_zeros_64(energy) / 2u;
    let root = isqrt_64(shl_64(energy, 2u * up));
    let factor = div_u64(vec2<u32>(0u, 1u << 29u), vec2<u32>(root, 0u)).x;
    return vec3<u32>(bitcast<u32>(mean), factor, 31u - up);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    frame = group.z * P.frame_words;
    let number = group.y * groups.x + group.x;
    if (number >= P.groups) {
        return;
    }
    var total = vec4<u32>(0u);
    for (var i = lane; i < P.strips * P.channels; i += THREADS) {
        let channel = number * P.channels + i % P.channels;
        let at = frame + (P.sums >> 2u) + i / P.channels * 3u * P.width + channel;
        let low = vec2<u32>(arena[at + P.width], 0u);
        let high = shl_64(vec2<u32>(arena[at + 2u * P.width], 0u), 16u);
        total = add_totals(total, vec4<u32>(wide(bitcast<i32>(arena[at])), add_64(low, high)));
    }
    totals[lane] = total;
    for (var half = THREADS / 2u; half > 0u; half >>= 1u) {
        workgroupBarrier();
        if (lane < half) {
            totals[lane] = add_totals(totals[lane], totals[lane + half]);
        }
    }
    if (lane == 0u) {
        let found = statistics(totals[0].xy, totals[0].zw);
        let at = frame + (P.found >> 2u) + number * 4u;
        arena[at] = found.x;
        arena[at + 1u] = found.y;
        arena[at + 2u] = found.z;
    }
}
