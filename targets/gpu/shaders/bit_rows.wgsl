// Rows of bits that say how integers compare with thresholds (`BitOut` in
// quant/src/ops/bit_rows.rs), a word an invocation: `fn integer(row: u32, channel: u32) -> i32`.
//
// Parameters: `sign` and, where TERNARY is 1, `nonzero`, first words; `rows`, `row_words`, `group`;
// `high` and `low`, thresholds of channels.

fn store_word(index: u32) {
    if (index >= P.rows * P.row_words) {
        return;
    }
    let row = index / P.row_words;
    let word = index % P.row_words;
    let group_words = (P.group + 31u) / 32u;
    let start = word % group_words * 32u;
    let channel = word / group_words * P.group + start;
    let count = min(P.group - start, 32u);
    var plus = 0u;
    var minus = 0u;
    for (var bit = 0u; bit < count; bit++) {
        let z = integer(row, channel + bit);
        plus |= select(0u, 1u, z >= constant_i32(P.high + channel + bit)) << bit;
        if (TERNARY == 1u) {
            minus |= select(0u, 1u, z <= constant_i32(P.low + channel + bit)) << bit;
        }
    }
    arena[frame + P.sign + index] = plus;
    if (TERNARY == 1u) {
        arena[frame + P.nonzero + index] = plus | minus;
    }
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
