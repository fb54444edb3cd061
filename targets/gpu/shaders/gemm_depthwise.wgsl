// A convolution of every channel by itself: an invocation makes four channels of a pixel, which
// share a word in the image, in the weights and in the result. The weights are a word of four
// channels after another, for one tap after another.

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let base = group.z * P.frame_words;
    let fours = P.n >> 2u;
    let id = (group.y * groups.x + group.x) * 64u + lane;
    let pixel = id / fours;
    if (pixel >= P.rows) {
        return;
    }
    let four = id - pixel * fours;
    // Rows and columns above and left of the image are huge numbers.
    let top = (pixel / P.out_width) * P.stride_h - P.pad_top;
    let left = (pixel % P.out_width) * P.stride_w - P.pad_left;
    let image = base + (P.x >> 2u) + four;
    var w = P.weights + four;
    var sums = vec4<i32>();
    for (var down = 0u; down < P.kernel_h; down++) {
        let y = top + down;
        for (var across = 0u; across < P.runs; across++) {
            let x = left + across;
            if (y < P.in_height && x < P.in_width) {
                let values = unpack4xI8(arena[image + (y * P.in_width + x) * fours]);
                sums += values * unpack4xI8(constant_word(w));
            }
            w += fours;
        }
    }
    let record = (P.requant >> 2u) + four * 4u;
    let k0 = constants4[record];
    let k1 = constants4[record + 1u];
    let k2 = constants4[record + 2u];
    let k3 = constants4[record + 3u];
    let z = sums + bitcast<vec4<i32>>(vec4<u32>(k0.x, k1.x, k2.x, k3.x));
    let row = vec2<u32>(base, P.out + pixel * P.n * OUT_BYTES);
    store_four(row, four * 4u, z, k0, k1, k2, k3);
}
