// Four products of activations by activations a workgroup, whole: those whose results lie side by side in
// each row and fill no words by one product, so that a word may hold results of two. Rows of four
// products always fill words.
//
// Constants: `MEMORY`, words that a workgroup shares; `OUT_BYTES`, 1 or 2. Parameters: `a`, `a_batch`,
// `a_row`, `b`, `b_batch`, `b_row`, `out`, in bytes; `batch`, `m`, `n`, at least 4, `k_words`;
// `requant`. B is `n` rows of `k_words`.

const LANES = 256u;
const PRODUCTS = 4u;

var<workgroup> rows: array<u32, MEMORY>;

// Where row `column` of B lies among those of its product: columns that are four apart lie side by side,
// for each invocation makes four results.
fn place_of(column: u32) -> u32 {
    return (column & 3u) * ((P.n + 3u) / 4u) + (column >> 2u);
}

// Words of B of one product.
fn words_of_b() -> u32 {
    return (P.n + 3u) / 4u * 4u * (P.k_words | 1u);
}

fn stage(first: u32, lane: u32) {
    for (var i = lane; i < PRODUCTS * P.m * P.k_words; i += LANES) {
        let row = i / P.k_words;
        let product = row / P.m;
        let begin = P.a + (first + product) * P.a_batch + (row - product * P.m) * P.a_row;
        rows[i] = load_u32(begin + (i - row * P.k_words) * 4u);
    }
    let behind = PRODUCTS * P.m * P.k_words;
    for (var i = lane; i < PRODUCTS * P.n * P.k_words; i += LANES) {
        let row = i / P.k_words;
        let product = row / P.n;
        let column = row - product * P.n;
        let word = i - row * P.k_words;
        let begin = P.b + (first + product) * P.b_batch + column * P.b_row + word * 4u;
        rows[behind + product * words_of_b() + place_of(column) * (P.k_words | 1u) + word] = load_u32(begin);
    }
}

// The first word of the row of B for result number `at` of a row, counted from the first product's.
fn b_of(at: u32) -> u32 {
    let product = at / P.n;
    let behind = PRODUCTS * P.m * P.k_words + product * words_of_b();
    return behind + place_of(at - product * P.n) * (P.k_words | 1u);
}

fn result(z: i32, first: u32, at: u32) -> u32 {
    let record = P.requant + (first + at / P.n) * 4u;
    return bitcast<u32>(finish(z, constant_i32(record + 1u), constants[record + 2u], 0));
}

// Four results from number `at` of row `row` on, which are of two products at most.
fn sums_of(row: u32, at: u32) -> vec4<i32> {
    let product = at / P.n;
    let a = (product * P.m + row) * P.k_words;
    let a_next = ((at + 3u) / P.n * P.m + row) * P.k_words;
    let next = vec4<u32>(at, at + 1u, at + 2u, at + 3u) >= vec4<u32>((product + 1u) * P.n);
    let b = vec4<u32>(b_of(at), b_of(at + 1u), b_of(at + 2u), b_of(at + 3u));
    var sums = vec4<i32>();
    for (var word = 0u; word < P.k_words; word++) {
        let left = select(vec4<u32>(rows[a + word]), vec4<u32>(rows[a_next + word]), next);
        sums += vec4<i32>(
            dot4I8Packed(left.x, rows[b.x + word]),
            dot4I8Packed(left.y, rows[b.y + word]),
            dot4I8Packed(left.z, rows[b.z + word]),
            dot4I8Packed(left.w, rows[b.w + word]),
        );
    }
    return sums;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    frame = group.z * P.frame_words;
    let first = (group.y * groups.x + group.x) * PRODUCTS;
    if (first >= P.batch) {
        return;
    }
    stage(first, lane);
    workgroupBarrier();
    for (var i = lane; i < P.m * P.n; i += LANES) {
        let row = i / P.n;
        let at = (i - row * P.n) * 4u;
        let z = sums_of(row, at);
        let r0 = result(z.x, first, at);
        let r1 = result(z.y, first, at + 1u);
        let r2 = result(z.z, first, at + 2u);
        let r3 = result(z.w, first, at + 3u);
        let out = frame + (P.out + ((row * P.batch + first) * P.n + at) * OUT_BYTES) / 4u;
        if (OUT_BYTES == 1u) {
            arena[out] = (r0 & 0xffu) | ((r1 & 0xffu) << 8u) | ((r2 & 0xffu) << 16u) | (r3 << 24u);
        } else {
            arena[out] = (r0 & 0xffffu) | (r1 << 16u);
            arena[out + 1u] = (r2 & 0xffffu) | (r3 << 16u);
        }
    }
}
