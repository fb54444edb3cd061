// Ops that reduce each row to two words and compute every element of the row from them. The op
// has, where a row takes `TURNS` reductions one after another:
//
// fn neutral(turn: u32) -> vec3<i32>                          where a reduction begins
// fn take(turn: u32, found: vec2<i32>, sum: vec3<i32>, x: i32) -> vec3<i32>
// fn combine(turn: u32, a: vec3<i32>, b: vec3<i32>) -> vec3<i32>
// fn finish(turn: u32, found: vec2<i32>, total: vec3<i32>) -> vec2<i32>
// fn result(found: vec2<i32>, x: i32, channel: u32) -> i32    not saturated
//
// `found` is what the former turn has found. A team of `LANES` invocations takes a row, and a
// workgroup is `TEAMS` teams. Parameters: `rows`, `width`, `x`, `out`. Constants besides: `X_BYTES`
// and `OUT_BYTES`; `WIDTH`, which is not 0 where rows are whole words and then the width;
// `ROW_WORDS`, words of such a row; `CACHED`, whether it is held in `cache` of `CACHE` words.

const THREADS = LANES * TEAMS;
const FAN = 8u;
const FANS = THREADS / FAN;

var<workgroup> parts: array<vec3<i32>, THREADS>;
var<workgroup> fans: array<vec3<i32>, FANS>;
var<workgroup> finished: array<vec2<i32>, TEAMS>;
var<workgroup> cache: array<u32, CACHE>;

// Reduces `sum` of all lanes of each team, eight at a time; one lane a team finishes, so that rows
// finish side by side.
fn reduce(turn: u32, sum: vec3<i32>, lane: u32) -> vec2<i32> {
    parts[(lane % FAN) * FANS + lane / FAN] = sum;
    workgroupBarrier();
    if (lane < FANS) {
        var all = parts[lane];
        for (var i = 1u; i < FAN; i += 1u) {
            all = combine(turn, all, parts[i * FANS + lane]);
        }
        fans[lane] = all;
    }
    workgroupBarrier();
    if (lane < TEAMS) {
        let first = lane * (LANES / FAN);
        var all = fans[first];
        for (var i = 1u; i < LANES / FAN; i += 1u) {
            all = combine(turn, all, fans[first + i]);
        }
        var found = vec2<i32>(0, 0);
        if (turn > 0u) {
            found = finished[lane];
        }
        finished[lane] = finish(turn, found, all);
    }
    workgroupBarrier();
    return finished[lane / LANES];
}

// Word `at` of a row that begins in the word `first` of the arena.
fn row_word(team: u32, first: u32, at: u32, again: bool) -> u32 {
    if (CACHED == 1u && again) {
        return cache[team * ROW_WORDS + at];
    }
    let word = arena[frame + first + at];
    if (CACHED == 1u) {
        cache[team * ROW_WORDS + at] = word;
    }
    return word;
}

// What the turns find of `row`; all invocations of the workgroup come here together.
fn statistics(row: u32, lane: u32) -> vec2<i32> {
    let team = lane / LANES;
    let begin = P.x + row * P.width * X_BYTES;
    let end = begin + P.width * X_BYTES;
    let first = begin >> 2u;
    let words = select(((end + 3u) >> 2u) - first, ROW_WORDS, WIDTH != 0u);
    var found = vec2<i32>(0, 0);
    for (var turn = 0u; turn < TURNS; turn += 1u) {
        var sum = neutral(turn);
        for (var at = lane % LANES; at < words; at += LANES) {
            let word = bitcast<i32>(row_word(team, first, at, turn > 0u));
            for (var i = 0u; i < 4u; i += X_BYTES) {
                let byte = (first + at) * 4u + i;
                if (WIDTH != 0u || (byte >= begin && byte < end)) {
                    sum = take(turn, found, sum, extractBits(word, i * 8u, X_BYTES * 8u));
                }
            }
        }
        found = reduce(turn, sum, lane);
    }
    return found;
}
