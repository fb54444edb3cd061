// A result of which every element is computed by itself: `fn element(index: u32) -> i32`, saturated
// here to the type of the result. One invocation writes one word of memory, so that a result may
// begin and end within a word; the other bytes of that word stay as they are.
//
// Parameters: `out`, the first byte; `len`, elements. Constant: `OUT_BYTES`, bytes of an element.

fn store_word(word: u32) {
    let byte = (P.out & ~3u) + word * 4u;
    let end = P.out + P.len * OUT_BYTES;
    if (byte >= end) {
        return;
    }
    let at = frame + (byte >> 2u);
    if (OUT_BYTES == 4u) {
        arena[at] = bitcast<u32>(element((byte - P.out) >> 2u));
        return;
    }
    var value = arena[at];
    for (var lane = 0u; lane < 4u; lane += OUT_BYTES) {
        let here = byte + lane;
        if (here >= P.out && here < end) {
            let z = bitcast<u32>(saturate_to(OUT_BYTES, element((here - P.out) / OUT_BYTES)));
            value = insertBits(value, z, lane * 8u, OUT_BYTES * 8u);
        }
    }
    arena[at] = value;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    frame = group.z * P.frame_words;
    store_word((group.y * groups.x + group.x) * 64u + lane);
}
