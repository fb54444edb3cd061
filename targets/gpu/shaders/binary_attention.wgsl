// Binary attention of QUERIES queries, 1 or 4, of one head of one frame a workgroup
// (quant/src/ops/binary_attention.rs). Of scores only how many bits differ is looked at: the
// fewer, the higher.
//
// Parameters: `q`, `k`, `v`, first words; `q_stride`, `k_stride`; `queries`, `keys`, `heads`;
// `blocks`, workgroups of a head; `head_dim`; `words` of a head's queries; `key_words` of a row of
// values; `out_stride`, words from row to row of results, and `head_words` of a head there; `out`,
// integers or signs, and `nonzero`, first words; `distance`, that of each head.
// Constants: QUERIES; SELECTED, words that the keys of a query find room in; TERNARY.

const THREADS = 64u;
// Words of queries in shared memory; what is longer is read where it lies.
const STAGED = 64u;

var<workgroup> staged: array<vec4<u32>, STAGED>;
var<workgroup> selected: array<atomic<u32>, SELECTED * QUERIES>;
var<workgroup> nearest: array<atomic<u32>, 4>;
var<workgroup> count: array<atomic<u32>, 4>;
// The results of THREADS channels, of one query after another.
var<workgroup> results: array<i32, THREADS * QUERIES>;
var<private> t: u32;
var<private> head: u32;

fn query_word(row: u32, word: u32) -> u32 {
    return arena[frame + P.q + min(row, P.queries - 1u) * P.q_stride + head * P.words + word];
}

// Word `word` of four queries; of one where there is room for no more.
fn load_queries(row: u32, word: u32) -> vec4<u32> {
    if (QUERIES == 1u) {
        return vec4<u32>(query_word(row, word));
    }
    return vec4<u32>(
        query_word(row, word),
        query_word(row + 1u, word),
        query_word(row + 2u, word),
        query_word(row + 3u, word),
    );
}

// In how many bits each query differs from a key.
fn differ(row: u32, key: u32) -> vec4<u32> {
    var bits = vec4<u32>();
    let k = frame + P.k + key * P.k_stride + head * P.words;
    for (var word = 0u; word < min(P.words, STAGED); word++) {
        bits += countOneBits(staged[word] ^ vec4<u32>(arena[k + word]));
    }
    for (var word = STAGED; word < P.words; word++) {
        bits += countOneBits(load_queries(row, word) ^ vec4<u32>(arena[k + word]));
    }
    return bits;
}

fn find_nearest(row: u32) {
    var fewest = vec4<u32>(0xffffffffu);
    for (var key = t; key < P.keys; key += THREADS) {
        fewest = min(fewest, differ(row, key));
    }
    for (var i = 0u; i < QUERIES; i++) {
        atomicMin(&nearest[i], fewest[i]);
    }
}

// A bit for each key that a query attends to, and their number.
fn choose(row: u32) {
    let distance = vec4<u32>(constants[P.distance + head]);
    let near = vec4<u32>(
        atomicLoad(&nearest[0]),
        atomicLoad(&nearest[1]),
        atomicLoad(&nearest[2]),
        atomicLoad(&nearest[3]),
    );
    var counts = vec4<u32>();
    for (var key = t; key < P.keys; key += THREADS) {
        // Twice what bits differ is at most 2¹⁷.
        let attends = (differ(row, key) - near) * 2u <= distance;
        let bits = select(vec4<u32>(), vec4<u32>(1u), attends);
        counts += bits;
        for (var i = 0u; i < QUERIES; i++) {
            atomicOr(&selected[key / 32u * QUERIES + i], bits[i] << (key % 32u));
        }
    }
    for (var i = 0u; i < QUERIES; i++) {
        atomicAdd(&count[i], counts[i]);
    }
}

fn chosen(word: u32) -> vec4<u32> {
    if (QUERIES == 1u) {
        return vec4<u32>(atomicLoad(&selected[word]));
    }
    let at = word * QUERIES;
    return vec4<u32>(
        atomicLoad(&selected[at]),
        atomicLoad(&selected[at + 1u]),
        atomicLoad(&selected[at + 2u]),
        atomicLoad(&selected[at + 3u]),
    );
}

// The sums of this invocation's channel of the THREADS from `block` on; 0 past the last.
fn sum(block: u32) {
    var both = vec4<u32>();
    let inside = block + t < P.head_dim;
    if (inside) {
        let v = frame + P.v + (head * P.head_dim + block + t) * P.key_words;
        for (var word = 0u; word < P.key_words; word++) {
            both += countOneBits(chosen(word) & vec4<u32>(arena[v + word]));
        }
    }
    for (var i = 0u; i < QUERIES; i++) {
        let y = bitcast<i32>(both[i]) * 2 - bitcast<i32>(atomicLoad(&count[i]));
        results[i * THREADS + t] = select(0, y, inside);
    }
}

fn store_integers(row: u32, block: u32) {
    for (var i = t; i < THREADS / 2u * QUERIES; i += THREADS) {
        let query = row + i / (THREADS / 2u);
        let pair = i % (THREADS / 2u);
        let word = block / 2u + pair;
        if (query < P.queries && word < P.head_words) {
            let low = bitcast<u32>(results[i * 2u]) & 0xffffu;
            let value = low | (bitcast<u32>(results[i * 2u + 1u]) << 16u);
            arena[frame + P.out + query * P.out_stride + head * P.head_words + word] = value;
        }
    }
}

fn store_bits(row: u32, block: u32) {
    let query = row + t / (THREADS / 32u);
    let word = block / 32u + t % (THREADS / 32u);
    if (t < THREADS / 32u * QUERIES && query < P.queries && word < P.head_words) {
        var plus = 0u;
        var nonzero = 0u;
        for (var bit = 0u; bit < 32u; bit++) {
            let y = results[t * 32u + bit];
            plus |= select(0u, 1u, y > 0) << bit;
            nonzero |= select(0u, 1u, y != 0) << bit;
        }
        let at = frame + query * P.out_stride + head * P.head_words + word;
        arena[P.out + at] = plus;
        arena[P.nonzero + at] = nonzero;
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group.y * groups.x + group.x;
    if (number >= P.heads * P.blocks) {
        return;
    }
    frame = group.z * P.frame_words;
    t = lane;
    head = number / P.blocks;
    let row = number % P.blocks * QUERIES;
    for (var word = t; word < min(P.words, STAGED); word += THREADS) {
        staged[word] = load_queries(row, word);
    }
    for (var i = t; i < P.key_words * QUERIES; i += THREADS) {
        atomicStore(&selected[i], 0u);
    }
    if (t < 4u) {
        atomicStore(&nearest[t], 0xffffffffu);
        atomicStore(&count[t], 0u);
    }
    workgroupBarrier();
    find_nearest(row);
    workgroupBarrier();
    choose(row);
    workgroupBarrier();
    for (var block = 0u; block < P.head_dim; block += THREADS) {
        sum(block);
        workgroupBarrier();
        if (TERNARY == 1u) {
            store_bits(row, block);
        } else {
            store_integers(row, block);
        }
        workgroupBarrier();
    }
}
