// Attention of QUERIES queries of one head of one frame a workgroup, over all keys, with nothing of
// the scores outside the workgroup's own memory. Rows of queries, keys, values and results begin at
// words, and a head has WORDS words of 4 channels, the last filled with zeros.
//
// Parameters: `q`, `k`, `v`, `result`, first words; `q_stride`, `kv_stride`, `out_stride`, words from
// row to row; `queries`, `keys`, `heads`; `exp`, the exponentials; `requant`, of each head the
// multiplier of scores and that of results.
// Constants: QUERIES; WORDS; COLUMNS, pieces of 4 words of a head; CHUNK, columns of keys in
// shared memory at once; Q_COLUMNS, those of queries, all or CHUNK; STORED, 1 where the scores of
// all keys are kept, 0 where those of one tile are and each pass computes them anew; SCORE_STRIDE,
// words of a row of kept scores; VALUES, words of channels that are summed at once; SPLIT, parts
// into which the keys of a tile are divided, each for invocations of its own; THREADS, those of all
// parts; REGION; HIGH_SHIFTS, 1 where every shift is 33 or more.

// Keys of a tile of scores; those of a tile of probabilities and values.
const KEYS = 64u * SPLIT;
const PART = 32u * SPLIT;
// Invocations that have all results among them.
const BASE = THREADS / SPLIT;
// Four queries and four keys an invocation.
const MICRO = QUERIES / 4u * (KEYS / 4u);
const Q_STRIDE = QUERIES + 1u;
const K_STRIDE = KEYS + 1u;
// Where keys, probabilities (high bytes, low bytes) and values lie in `tiles`. Where scores are
// kept, keys are done with before the first probability.
const K_AT = Q_COLUMNS * Q_STRIDE;
const HIGH_AT = (1u - STORED) * (K_AT + CHUNK * K_STRIDE);
const LOW_AT = HIGH_AT + PART / 16u * QUERIES;
const V_AT = LOW_AT + PART / 16u * QUERIES;

var<workgroup> scores: array<u32, QUERIES * SCORE_STRIDE>;
var<workgroup> exponentials: array<u32, 256>;
var<workgroup> tiles: array<vec4<u32>, REGION>;
var<workgroup> row_max: array<atomic<i32>, QUERIES>;
// The sum of a row's exponentials, then the factor that makes probabilities of them.
var<workgroup> row_sum: array<atomic<u32>, QUERIES>;
var<private> t: u32;
var<private> head: u32;

fn dot16(a: vec4<u32>, b: vec4<u32>, z: i32) -> i32 {
    return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w) + z;
}

fn dots(a: vec4<u32>, b0: vec4<u32>, b1: vec4<u32>, b2: vec4<u32>, b3: vec4<u32>, z: vec4<i32>) -> vec4<i32> {
    return vec4<i32>(dot16(a, b0, z.x), dot16(a, b1, z.y), dot16(a, b2, z.z), dot16(a, b3, z.w));
}

fn scaled(z: i32, mantissa: i32, shift: u32) -> i32 {
    if (HIGH_SHIFTS == 1u) {
        return requantize_high(z, mantissa, shift);
    }
    return requantize(z, mantissa, shift);
}

fn requantized(z: vec4<i32>, at: u32) -> u32 {
    let mantissa = constant_i32(at);
    let shift = constants[at + 1u];
    let y = vec4<i32>(
        scaled(z.x, mantissa, shift),
        scaled(z.y, mantissa, shift),
        scaled(z.z, mantissa, shift),
        scaled(z.w, mantissa, shift),
    );
    return pack4xI8(clamp(y, vec4<i32>(-128), vec4<i32>(127)));
}

// Four words of a row of a head from word `word` on; what is past the head is 0.
fn four_words(row: u32, word: u32) -> vec4<u32> {
    let at = frame + row + head * WORDS + word;
    if (WORDS % 4u == 0u || word + 4u <= WORDS) {
        return vec4<u32>(arena[at], arena[at + 1u], arena[at + 2u], arena[at + 3u]);
    }
    var words = vec4<u32>(arena[at], 0u, 0u, 0u);
    if (word + 1u < WORDS) {
        words.y = arena[at + 1u];
    }
    if (word + 2u < WORDS) {
        words.z = arena[at + 2u];
    }
    return words;
}

// CHUNK columns of the queries from column `begin` on; a row past the last is the last.
fn stage_queries(first: u32, begin: u32, at: u32) {
    for (var i = t; i < QUERIES * CHUNK; i += THREADS) {
        let row = i / CHUNK;
        let c = i % CHUNK;
        if (begin + c < COLUMNS) {
            let words = four_words(P.q + min(first + row, P.queries - 1u) * P.q_stride, (begin + c) * 4u);
            tiles[(at + c) * Q_STRIDE + row] = words;
        }
    }
}

// Pieces of the next tile of keys that an invocation has loaded ahead.
const AHEAD = (KEYS * CHUNK + THREADS - 1u) / THREADS;
var<private> keys_ahead: array<vec4<u32>, AHEAD>;

// Loads CHUNK columns of KEYS keys from key `first` and column `begin` on.
fn load_keys(first: u32, begin: u32) {
    for (var unit = 0u; unit < AHEAD; unit++) {
        let i = unit * THREADS + t;
        let key = first + i / CHUNK;
        let column = begin + i % CHUNK;
        var words = vec4<u32>();
        if (i < KEYS * CHUNK && column < COLUMNS && key < P.keys) {
            words = four_words(P.k + key * P.kv_stride, column * 4u);
        }
        keys_ahead[unit] = words;
    }
}

// Brings them to where all invocations see them. Key 4·a + b of a tile is in row b · KEYS / 4 + a,
// so that neighbours read neighbours.
fn stage_keys() {
    for (var unit = 0u; unit < AHEAD; unit++) {
        let i = unit * THREADS + t;
        let key = i / CHUNK;
        if (i < KEYS * CHUNK) {
            tiles[K_AT + i % CHUNK * K_STRIDE + key % 4u * (KEYS / 4u) + key / 4u] = keys_ahead[unit];
        }
    }
}

// Scores of the keys from `first` on, into words `at` and following of every row; -128 for keys
// past the last. `again`: whether all columns of the queries are there from an earlier tile.
fn score(query: u32, first: u32, at: u32, again: bool) {
    let kw = t % (KEYS / 4u);
    let row = t / (KEYS / 4u) * 4u;
    var z0 = vec4<i32>();
    var z1 = vec4<i32>();
    var z2 = vec4<i32>();
    var z3 = vec4<i32>();
    if (first == 0u) {
        load_keys(0u, 0u);
    }
    for (var begin = 0u; begin < COLUMNS; begin += CHUNK) {
        let place = select(0u, begin, Q_COLUMNS == COLUMNS);
        workgroupBarrier();
        if (Q_COLUMNS != COLUMNS || !again) {
            stage_queries(query, begin, place);
        }
        stage_keys();
        workgroupBarrier();
        if (begin + CHUNK < COLUMNS) {
            load_keys(first, begin + CHUNK);
        } else {
            load_keys(first + KEYS, 0u);
        }
        if (t < MICRO) {
            // Columns past the last are 0 in keys, whatever is read for queries.
            for (var c = 0u; c < CHUNK; c++) {
                let k = K_AT + c * K_STRIDE + kw;
                let k0 = tiles[k];
                let k1 = tiles[k + KEYS / 4u];
                let k2 = tiles[k + KEYS / 2u];
                let k3 = tiles[k + KEYS / 4u * 3u];
                let q = (place + c) * Q_STRIDE + row;
                z0 = dots(tiles[q], k0, k1, k2, k3, z0);
                z1 = dots(tiles[q + 1u], k0, k1, k2, k3, z1);
                z2 = dots(tiles[q + 2u], k0, k1, k2, k3, z2);
                z3 = dots(tiles[q + 3u], k0, k1, k2, k3, z3);
            }
        }
    }
    let key = first + kw * 4u;
    if (t < MICRO && key < P.keys) {
        let keep = 0xffffffffu >> (4u - min(P.keys - key, 4u)) * 8u;
        let past = 0x80808080u & ~keep;
        let requant = P.requant + head * 4u;
        let word = row * SCORE_STRIDE + at + kw;
        scores[word] = (requantized(z0, requant) & keep) | past;
        scores[word + SCORE_STRIDE] = (requantized(z1, requant) & keep) | past;
        scores[word + SCORE_STRIDE * 2u] = (requantized(z2, requant) & keep) | past;
        scores[word + SCORE_STRIDE * 3u] = (requantized(z3, requant) & keep) | past;
    }
}

// Invocations of a row where maxima and sums are taken.
const SHARE = THREADS / QUERIES;

// The maximum of the first `words` words of every row of scores.
fn note_max(words: u32) {
    let row = t / SHARE;
    if (row < QUERIES) {
        var most = -128;
        for (var w = t % SHARE; w < words; w += SHARE) {
            let s = unpack4xI8(scores[row * SCORE_STRIDE + w]);
            most = max(most, max(max(s.x, s.y), max(s.z, s.w)));
        }
        atomicMax(&row_max[row], most);
    }
}

// The exponentials of four scores.
fn four(most: i32, word: u32) -> vec4<u32> {
    let s = vec4<i32>(most) - unpack4xI8(word);
    return vec4<u32>(exponentials[s.x], exponentials[s.y], exponentials[s.z], exponentials[s.w]);
}

// The sum of the exponentials of the same.
fn note_sum(words: u32) {
    let row = t / SHARE;
    if (row < QUERIES) {
        let most = atomicLoad(&row_max[row]);
        var sum = 0u;
        for (var w = t % SHARE; w < words; w += SHARE) {
            let e = four(most, scores[row * SCORE_STRIDE + w]);
            sum += e.x + e.y + e.z + e.w;
        }
        atomicAdd(&row_sum[row], sum);
    }
}

// Makes factors of the sums, which count keys past the last.
fn note_factor() {
    if (t < QUERIES) {
        let past = (0u - P.keys) % 4u;
        let sum = atomicLoad(&row_sum[t]) - past * exponentials[atomicLoad(&row_max[t]) + 128];
        // The sum is at least 1.
        atomicStore(&row_sum[t], 0x7fffffffu / max(sum, 1u));
    }
}

// Invocations that make probabilities of 16 keys of a row, and behind them those that turn values.
const MAKERS = PART / 16u * QUERIES;
const TURNERS = PART / 16u * VALUES;

// Probabilities of four keys in 16 bits. The scores of keys past the last may be anything, and so
// may their probabilities, because values are 0 there.
fn probabilities(most: i32, factor: u32, word: u32) -> vec4<u32> {
    let s = min(vec4<u32>(vec4<i32>(most) - unpack4xI8(word)), vec4<u32>(255u));
    let e = vec4<u32>(exponentials[s.x], exponentials[s.y], exponentials[s.z], exponentials[s.w]);
    return (e * factor) >> vec4<u32>(16u);
}

// Of the PART keys whose scores begin at word `at`: high bytes, and low bytes less 128.
fn stage_probabilities(at: u32) {
    let row = t % QUERIES;
    let begin = at + t / QUERIES * 4u;
    let factor = atomicLoad(&row_sum[row]);
    let most = atomicLoad(&row_max[row]);
    // Rows of scores are a multiple of 4 words.
    let word = row * SCORE_STRIDE + min(begin, SCORE_STRIDE - 4u);
    let a = probabilities(most, factor, scores[word]);
    let b = probabilities(most, factor, scores[word + 1u]);
    let c = probabilities(most, factor, scores[word + 2u]);
    let d = probabilities(most, factor, scores[word + 3u]);
    let eight = vec4<u32>(8u);
    let low = vec4<u32>(255u);
    tiles[HIGH_AT + t] = vec4<u32>(
        pack4xU8(a >> eight),
        pack4xU8(b >> eight),
        pack4xU8(c >> eight),
        pack4xU8(d >> eight),
    );
    let bytes = vec4<u32>(pack4xU8(a & low), pack4xU8(b & low), pack4xU8(c & low), pack4xU8(d & low));
    tiles[LOW_AT + t] = bytes ^ vec4<u32>(0x80808080u);
}

fn value(key: u32, word: u32) -> u32 {
    if (key < P.keys && word < WORDS) {
        return arena[frame + P.v + key * P.kv_stride + head * WORDS + word];
    }
    return 0u;
}

// Words of 16 keys that an invocation has loaded ahead.
var<private> values_ahead: array<u32, 16>;

fn load_values(turner: u32, first: u32, block: u32) {
    let key = first + turner / VALUES * 16u;
    for (var i = 0u; i < 16u; i++) {
        values_ahead[i] = value(key + i, block + turner % VALUES);
    }
}

// A word of four keys as a word of four keys for each of its channels.
fn turned(i: u32) -> vec4<u32> {
    return transpose_bytes(vec4<u32>(values_ahead[i], values_ahead[i + 1u], values_ahead[i + 2u], values_ahead[i + 3u]));
}

// Brings them to where all invocations see them: channel b of word `w` of VALUES words is in row
// b · VALUES + w. Returns the sums of the four channels.
fn stage_values(turner: u32) -> vec4<i32> {
    let a = turned(0u);
    let b = turned(4u);
    let c = turned(8u);
    let d = turned(12u);
    let v0 = vec4<u32>(a.x, b.x, c.x, d.x);
    let v1 = vec4<u32>(a.y, b.y, c.y, d.y);
    let v2 = vec4<u32>(a.z, b.z, c.z, d.z);
    let v3 = vec4<u32>(a.w, b.w, c.w, d.w);
    let place = V_AT + turner / VALUES * 4u * VALUES + turner % VALUES;
    tiles[place] = v0;
    tiles[place + VALUES] = v1;
    tiles[place + VALUES * 2u] = v2;
    tiles[place + VALUES * 3u] = v3;
    return dots(vec4<u32>(0x01010101u), v0, v1, v2, v3, vec4<i32>());
}

fn store(query: u32, word: u32, z: vec4<i32>) {
    if (query < P.queries) {
        arena[frame + P.result + query * P.out_stride + head * WORDS + word] =
            requantized(z, P.requant + head * 4u + 2u);
    }
}

// The results of the VALUES words from `block` on.
fn weigh(query: u32, block: u32) {
    let part = t / BASE;
    let w = t % BASE % VALUES;
    let row = t % BASE / VALUES * 4u;
    let turner = t - MAKERS;
    let turns = t >= MAKERS && turner < TURNERS;
    var h0 = vec4<i32>();
    var h1 = vec4<i32>();
    var h2 = vec4<i32>();
    var h3 = vec4<i32>();
    var l0 = vec4<i32>();
    var l1 = vec4<i32>();
    var l2 = vec4<i32>();
    var l3 = vec4<i32>();
    var sums = vec4<i32>();
    if (turns) {
        load_values(turner, 0u, block);
    }
    for (var first = 0u; first < P.keys; first += PART) {
        var at = first / 4u;
        if (STORED == 0u) {
            at = first % KEYS / 4u;
            if (at == 0u) {
                score(query, first, 0u, true);
            }
        }
        workgroupBarrier();
        if (t < MAKERS) {
            stage_probabilities(at);
        } else if (turns) {
            sums += stage_values(turner);
        }
        workgroupBarrier();
        if (turns) {
            load_values(turner, first + PART, block);
        }
        if (row < QUERIES) {
            for (var i = 0u; i < PART / 16u / SPLIT; i++) {
                let c = part * (PART / 16u / SPLIT) + i;
                let v = V_AT + c * 4u * VALUES + w;
                let v0 = tiles[v];
                let v1 = tiles[v + VALUES];
                let v2 = tiles[v + VALUES * 2u];
                let v3 = tiles[v + VALUES * 3u];
                let high = HIGH_AT + c * QUERIES + row;
                h0 = dots(tiles[high], v0, v1, v2, v3, h0);
                h1 = dots(tiles[high + 1u], v0, v1, v2, v3, h1);
                h2 = dots(tiles[high + 2u], v0, v1, v2, v3, h2);
                h3 = dots(tiles[high + 3u], v0, v1, v2, v3, h3);
                let low = LOW_AT + c * QUERIES + row;
                l0 = dots(tiles[low], v0, v1, v2, v3, l0);
                l1 = dots(tiles[low + 1u], v0, v1, v2, v3, l1);
                l2 = dots(tiles[low + 2u], v0, v1, v2, v3, l2);
                l3 = dots(tiles[low + 3u], v0, v1, v2, v3, l3);
            }
        }
    }
    var z0 = h0 * 256 + l0;
    var z1 = h1 * 256 + l1;
    var z2 = h2 * 256 + l2;
    var z3 = h3 * 256 + l3;
    // The values give way to their sums.
    workgroupBarrier();
    if (turns) {
        tiles[V_AT + turner] = bitcast<vec4<u32>>(sums);
    }
    workgroupBarrier();
    var sum = vec4<i32>();
    for (var group = 0u; group < PART / 16u; group++) {
        sum += bitcast<vec4<i32>>(tiles[V_AT + group * VALUES + w]);
    }
    // The sums of the other parts join those of the first.
    let place = HIGH_AT + t % BASE;
    for (var giver = 1u; giver < SPLIT; giver++) {
        workgroupBarrier();
        if (part == giver) {
            tiles[place] = bitcast<vec4<u32>>(z0);
            tiles[place + BASE] = bitcast<vec4<u32>>(z1);
            tiles[place + BASE * 2u] = bitcast<vec4<u32>>(z2);
            tiles[place + BASE * 3u] = bitcast<vec4<u32>>(z3);
        }
        workgroupBarrier();
        if (part == 0u) {
            z0 += bitcast<vec4<i32>>(tiles[place]);
            z1 += bitcast<vec4<i32>>(tiles[place + BASE]);
            z2 += bitcast<vec4<i32>>(tiles[place + BASE * 2u]);
            z3 += bitcast<vec4<i32>>(tiles[place + BASE * 3u]);
        }
    }
    if (part == 0u && row < QUERIES && block + w < WORDS) {
        store(query + row, block + w, z0 + sum * 128);
        store(query + row + 1u, block + w, z1 + sum * 128);
        store(query + row + 2u, block + w, z2 + sum * 128);
        store(query + row + 3u, block + w, z3 + sum * 128);
    }
    workgroupBarrier();
}

// The scores of a tile, whose words are counted once where all are kept.
fn pass_max(query: u32) {
    for (var first = 0u; first < P.keys; first += KEYS) {
        score(query, first, STORED * (first / 4u), first > 0u);
        if (STORED == 0u) {
            workgroupBarrier();
            note_max((min(P.keys - first, KEYS) + 3u) / 4u);
        }
    }
    workgroupBarrier();
    if (STORED == 1u) {
        note_max((P.keys + 3u) / 4u);
        workgroupBarrier();
    }
}

fn pass_sum(query: u32) {
    if (STORED == 1u) {
        note_sum((P.keys + 3u) / 4u);
    } else {
        for (var first = 0u; first < P.keys; first += KEYS) {
            score(query, first, 0u, true);
            workgroupBarrier();
            note_sum((min(P.keys - first, KEYS) + 3u) / 4u);
        }
    }
    workgroupBarrier();
    note_factor();
    workgroupBarrier();
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group.y * groups.x + group.x;
    let blocks = (P.queries + QUERIES - 1u) / QUERIES;
    if (number >= P.heads * blocks) {
        return;
    }
    frame = group.z * P.frame_words;
    t = lane;
    head = number / blocks;
    let query = number % blocks * QUERIES;
    for (var i = t; i < 256u; i += THREADS) {
        exponentials[i] = constants[P.exp + i];
    }
    if (t < QUERIES) {
        atomicStore(&row_max[t], -128);
        atomicStore(&row_sum[t], 0u);
    }
    pass_max(query);
    pass_sum(query);
    for (var block = 0u; block < WORDS; block += VALUES) {
        weigh(query, block);
    }
}
