#version 450 core

// Attention of QUERIES queries of one head of one frame a workgroup, by cooperative matrices: what
// shaders/attention.wgsl does with packed dot products. `cargo xtask shaders` compiles this file to
// attention.spv.
//
// A workgroup takes KEYS keys a turn. Matrices of scores go through shared memory to the LANES
// invocations of each row, which find its maximum, the sum of its exponentials and the probabilities;
// these and the values are multiplied again. There are three passes over the turns, one for each of
// the three. Where there is one turn (WHOLE), its scores stay where they are. Where there are several,
// they are kept as bytes (KEPT), or computed anew in each pass.

#extension GL_KHR_shader_subgroup_shuffle : require

#include "common.glsl"

// Of the form: queries, and subgroups that share each matrix of them.
layout(constant_id = 16) const uint QUERIES = 32;
layout(constant_id = 17) const uint ACROSS = 4;

// Of the instruction: channels of a head, and keys of a turn, which are MATRIX_DEPTH or more; 1 where
// there is one turn; words of the scores of a row that are kept, 0 where none are; where scores begin
// in shared memory; and keys that every turn has.
layout(constant_id = 18) const uint HEAD = 64;
layout(constant_id = 19) const uint KEYS = 208;
layout(constant_id = 20) const uint WHOLE = 1;
layout(constant_id = 21) const uint KEPT = 0;
layout(constant_id = 22) const uint SCORES_AT = 1200;
layout(constant_id = 23) const uint SURE = 197;

// Words of the arena where rows begin, and from row to row; what `Dispatch::constants` says.
layout(set = 0, binding = 2, std140) uniform Params {
    uint frame_words;
    uint q;
    uint k;
    uint v;
    uint result;
    uint q_stride;
    uint kv_stride;
    uint out_stride;
    uint queries;
    uint keys;
    uint heads;
    uint exp;
    uint requant;
} P;

#define SUMS coopmat<int32_t, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLUMNS, gl_MatrixUseAccumulator>
#define LEFT coopmat<int8_t, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_DEPTH, gl_MatrixUseA>
#define RIGHT coopmat<int8_t, gl_ScopeSubgroup, MATRIX_DEPTH, MATRIX_COLUMNS, gl_MatrixUseB>

// A piece is 16 bytes: channels of a query or a key, keys of a row of probabilities or of a channel of
// values, or four scores. What is multiplied is filled with pieces of 0 to whole matrices. Rows are an
// odd number of pieces apart, so that neighbouring rows begin in other banks.
const uint MATRIX_PIECES = MATRIX_DEPTH / 16;
const uint PIECES = HEAD / 16;
const uint DEEP = (HEAD + MATRIX_DEPTH - 1) / MATRIX_DEPTH * MATRIX_PIECES;
const uint STRIDE = DEEP | 1;
const uint VALUE_PIECES = (KEYS + MATRIX_DEPTH - 1) / MATRIX_DEPTH * MATRIX_PIECES;
const uint VALUE_STRIDE = VALUE_PIECES | 1;
const uint SCORE_STRIDE = KEYS / 4 | 1;
const uint RESULT_STRIDE = MATRIX_COLUMNS / 4 | 1;
// Shared memory begins with queries. Keys and values follow each other in one place, and so do scores,
// probabilities and results. The high bytes of a row's probabilities lie where its scores were, and
// their low bytes less 128 behind them.
const uint KEYS_AT = QUERIES * STRIDE;

// Invocations of a row of scores, and fours of scores that each of them has.
const uint LANES = THREADS / QUERIES;
const uint FOURS = (VALUE_PIECES * 4 + LANES - 1) / LANES;
// Matrices of scores and of results that a subgroup makes.
const uint SCORE_MATRICES = (KEYS / MATRIX_COLUMNS + ACROSS - 1) / ACROSS;
const uint RESULT_MATRICES = (HEAD / MATRIX_COLUMNS + ACROSS - 1) / ACROSS;
// Pieces of keys that an invocation loads, and blocks of four keys and 16 channels of values.
const uint KEY_LOADS = (KEYS * DEEP + THREADS - 1) / THREADS;
const uint VALUE_LOADS = (VALUE_PIECES * 4 * PIECES + THREADS - 1) / THREADS;

shared uint exponentials[256];
shared uint kept[QUERIES * KEPT + 1];

// The head at hand, the first word of its frame, its multipliers, and the workgroup's first query.
uint head;
uint frame;
uvec4 scales;
uint first_query;
// The invocation's number, and what it has of its row.
uint lane;
uvec4 keys_ahead[KEY_LOADS];
uvec4 values_ahead[VALUE_LOADS][4];
ivec4 scores[FOURS];

// Piece number `piece` of the head of the row that begins at word `row`; 0 behind the head.
uvec4 load(uint row, uint piece) {
    if (piece >= PIECES) {
        return uvec4(0);
    }
    return piece_at(frame + row + head * (HEAD / 4u) + piece * 4u);
}

// A query past the last is the last.
void stage_queries() {
    for (uint i = lane; i < QUERIES * DEEP; i += THREADS) {
        uint query = min(first_query + i / DEEP, P.queries - 1u);
        staged[i / DEEP * STRIDE + i % DEEP] = load(P.q + query * P.q_stride, i % DEEP);
    }
}

void load_keys(uint first) {
    [[unroll]] for (uint i = 0; i < KEY_LOADS; ++i) {
        uint at = lane + i * THREADS;
        uint key = min(first + at / DEEP, P.keys - 1u);
        keys_ahead[i] = load(P.k + key * P.kv_stride, at % DEEP);
    }
}

void stage_keys() {
    [[unroll]] for (uint i = 0; i < KEY_LOADS; ++i) {
        uint at = lane + i * THREADS;
        if (at < KEYS * DEEP) {
            staged[KEYS_AT + at / DEEP * STRIDE + at % DEEP] = keys_ahead[i];
        }
    }
}

// The probability of a key past the last is 0, whatever its values.
void load_values(uint first) {
    [[unroll]] for (uint i = 0; i < VALUE_LOADS; ++i) {
        uint at = lane + i * THREADS;
        uint key = first + at % (VALUE_PIECES * 4u) * 4u;
        [[unroll]] for (uint j = 0; j < 4; ++j) {
            uint row = P.v + min(key + j, P.keys - 1u) * P.kv_stride;
            values_ahead[i][j] = load(row, at / (VALUE_PIECES * 4u));
        }
    }
}

// Four rows of four bytes as four columns.
uvec4 transpose_bytes(uint a, uint b, uint c, uint d) {
    uint even = 0x00ff00ffu;
    uvec4 pairs = uvec4(
        (a & even) | ((b & even) << 8u),
        ((a >> 8u) & even) | (b & ~even),
        (c & even) | ((d & even) << 8u),
        ((c >> 8u) & even) | (d & ~even)
    );
    uint low = 0xffffu;
    return uvec4(
        (pairs.x & low) | (pairs.z << 16u),
        (pairs.y & low) | (pairs.w << 16u),
        (pairs.x >> 16u) | (pairs.z & ~low),
        (pairs.y >> 16u) | (pairs.w & ~low)
    );
}

// Stages them as rows of keys, one for each channel.
void stage_values() {
    [[unroll]] for (uint i = 0; i < VALUE_LOADS; ++i) {
        uint at = lane + i * THREADS;
        uint word = at % (VALUE_PIECES * 4u);
        uint channel = at / (VALUE_PIECES * 4u) * 16u;
        if (channel < HEAD) {
            [[unroll]] for (uint j = 0; j < 4; ++j) {
                uvec4 four = transpose_bytes(
                    values_ahead[i][0][j], values_ahead[i][1][j], values_ahead[i][2][j], values_ahead[i][3][j]
                );
                [[unroll]] for (uint c = 0; c < 4; ++c) {
                    staged[KEYS_AT + (channel + j * 4u + c) * VALUE_STRIDE + word / 4u][word % 4u] = four[c];
                }
            }
        }
    }
}

// The matrices of scores of staged keys, requantized.
void multiply_keys() {
    const uint down = gl_SubgroupID / ACROSS * MATRIX_ROWS;
    LEFT left[DEEP / MATRIX_PIECES];
    [[unroll]] for (uint d = 0; d < DEEP / MATRIX_PIECES; ++d) {
        uint at = down * STRIDE + d * MATRIX_PIECES;
        coopMatLoad(left[d], staged, at, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }
    [[unroll]] for (uint i = 0; i < SCORE_MATRICES; ++i) {
        uint column = (gl_SubgroupID % ACROSS + i * ACROSS) * MATRIX_COLUMNS;
        if (column < KEYS) {
            SUMS sums = SUMS(0);
            [[unroll]] for (uint d = 0; d < DEEP / MATRIX_PIECES; ++d) {
                RIGHT right;
                uint at = KEYS_AT + column * STRIDE + d * MATRIX_PIECES;
                coopMatLoad(right, staged, at, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                sums = coopMatMulAdd(left[d], right, sums);
            }
            [[unroll]] for (uint j = 0; j < sums.length(); ++j) {
                sums[j] = saturate_i8(requantize(sums[j], int(scales.x), scales.y));
            }
            uint at = SCORES_AT + down * SCORE_STRIDE + column / 4u;
            coopMatStore(sums, staged, at, SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        }
    }
}

// The row of scores of this invocation, and its number among those of the row.
uint row() {
    return lane / LANES;
}

uint in_row() {
    return lane % LANES;
}

// Whether the last key may be in front of fours number `i` of a row's invocations.
bool may_end(uint i) {
    return (i + 1u) * LANES * 4u > SURE;
}

// Takes the scores of this turn, whose first key is `first`; -128 past the last key.
void take_scores(uint first) {
    [[unroll]] for (uint i = 0; i < FOURS; ++i) {
        uint four = in_row() + i * LANES;
        uint key = first + four * 4u;
        // Words behind the scores of a turn belong to other rows.
        scores[i] = ivec4(staged[SCORES_AT + row() * SCORE_STRIDE + min(four, KEYS / 4u - 1u)]);
        if (may_end(i) && key + 4u > P.keys) {
            [[unroll]] for (uint j = 0; j < 4; ++j) {
                scores[i][j] = key + j < P.keys ? scores[i][j] : -128;
            }
        }
    }
}

uint pack(uvec4 bytes) {
    return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}

void keep_scores(uint first) {
    [[unroll]] for (uint i = 0; i < FOURS; ++i) {
        uint four = first / 4u + in_row() + i * LANES;
        kept[row() * KEPT + four] = pack(uvec4(scores[i]) & 0xffu);
    }
}

void recall_scores(uint first) {
    [[unroll]] for (uint i = 0; i < FOURS; ++i) {
        int word = int(kept[row() * KEPT + first / 4u + in_row() + i * LANES]);
        [[unroll]] for (int j = 0; j < 4; ++j) {
            scores[i][j] = bitfieldExtract(word, 8 * j, 8);
        }
    }
}

// Finds the scores of the turn whose first key is `first`. The keys of the first turn of a pass have
// been loaded, where they are wanted.
void find_scores(uint first, bool again) {
    if (again && KEPT > 0u) {
        recall_scores(first);
        return;
    }
    // What was there before has been read.
    if (WHOLE == 0u) {
        barrier();
    }
    stage_keys();
    barrier();
    if (WHOLE == 0u) {
        load_keys(first + KEYS < P.keys ? first + KEYS : 0u);
    }
    multiply_keys();
    barrier();
    take_scores(first);
    if (KEPT > 0u) {
        keep_scores(first);
    }
}

// Turns scores into exponentials, which are 0 past the last key.
void exponentiate(uint first, int most) {
    [[unroll]] for (uint i = 0; i < FOURS; ++i) {
        uint key = first + (in_row() + i * LANES) * 4u;
        [[unroll]] for (uint j = 0; j < 4; ++j) {
            scores[i][j] = int(exponentials[most - scores[i][j]]);
        }
        if (may_end(i) && key + 4u > P.keys) {
            [[unroll]] for (uint j = 0; j < 4; ++j) {
                scores[i][j] = key + j < P.keys ? scores[i][j] : 0;
            }
        }
    }
}

int pass_max() {
    int most = -128;
    for (uint first = 0; first < P.keys; first += KEYS) {
        find_scores(first, false);
        [[unroll]] for (uint i = 0; i < FOURS; ++i) {
            most = max(most, max(max(scores[i].x, scores[i].y), max(scores[i].z, scores[i].w)));
        }
    }
    [[unroll]] for (uint by = 1; by < LANES; by *= 2) {
        most = max(most, subgroupShuffleXor(most, by));
    }
    return most;
}

// The factor that makes probabilities of exponentials, of which one at least is not 0.
uint pass_sum(int most) {
    uint sum = 0;
    for (uint first = 0; first < P.keys; first += KEYS) {
        if (WHOLE == 0u) {
            find_scores(first, true);
        }
        exponentiate(first, most);
        [[unroll]] for (uint i = 0; i < FOURS; ++i) {
            sum += uint(scores[i].x + scores[i].y + scores[i].z + scores[i].w);
        }
    }
    [[unroll]] for (uint by = 1; by < LANES; by *= 2) {
        sum += subgroupShuffleXor(sum, by);
    }
    return 0x7fffffffu / sum;
}

// Makes probabilities in 16 bits of the exponentials of this turn.
void stage_probabilities(uint factor) {
    // All of a row's scores have been taken, which its own subgroup does.
    subgroup_barrier();
    [[unroll]] for (uint i = 0; i < FOURS; ++i) {
        uint four = in_row() + i * LANES;
        if (four < VALUE_PIECES * 4u) {
            uvec4 p = (uvec4(scores[i]) * factor) >> 16u;
            uint at = SCORES_AT + row() * SCORE_STRIDE + four / 4u;
            staged[at][four % 4u] = pack(p >> 8u);
            staged[at + VALUE_PIECES][four % 4u] = pack(p & 0xffu) ^ 0x80808080u;
        }
    }
}

// Stores a matrix of results from channel `channel` on, by way of a place of the subgroup's own.
void store(SUMS sums, uint channel) {
    [[unroll]] for (uint j = 0; j < sums.length(); ++j) {
        sums[j] = saturate_i8(requantize(sums[j], int(scales.z), scales.w));
    }
    const uint place = SCORES_AT + gl_SubgroupID * MATRIX_ROWS * RESULT_STRIDE;
    coopMatStore(sums, staged, place, RESULT_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    subgroup_barrier();
    const uint fours = MATRIX_COLUMNS / 4u;
    for (uint i = gl_SubgroupInvocationID; i < MATRIX_ROWS * fours; i += SUBGROUP) {
        uint query = first_query + gl_SubgroupID / ACROSS * MATRIX_ROWS + i / fours;
        if (query < P.queries) {
            uint at = frame + P.result + query * P.out_stride + head * (HEAD / 4u) + channel / 4u;
            arena[at + i % fours] = pack(staged[place + i / fours * RESULT_STRIDE + i % fours] & 0xffu);
        }
    }
    subgroup_barrier();
}

// Sums of values weighed with probabilities.
void pass_values(int most, uint factor) {
    const uint down = SCORES_AT + gl_SubgroupID / ACROSS * MATRIX_ROWS * SCORE_STRIDE;
    SUMS high[RESULT_MATRICES];
    SUMS low[RESULT_MATRICES];
    SUMS ones[RESULT_MATRICES];
    [[unroll]] for (uint i = 0; i < RESULT_MATRICES; ++i) {
        high[i] = SUMS(0);
        low[i] = SUMS(0);
        ones[i] = SUMS(0);
    }
    for (uint first = 0; first < P.keys; first += KEYS) {
        if (WHOLE == 0u) {
            load_values(first);
            find_scores(first, true);
            exponentiate(first, most);
            // The last turn's probabilities have been read.
            barrier();
        }
        stage_probabilities(factor);
        stage_values();
        barrier();
        [[unroll]] for (uint piece = 0; piece < VALUE_PIECES; piece += MATRIX_PIECES) {
            LEFT p, q;
            coopMatLoad(p, staged, down + piece, SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            coopMatLoad(q, staged, down + VALUE_PIECES + piece, SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint i = 0; i < RESULT_MATRICES; ++i) {
                uint channel = (gl_SubgroupID % ACROSS + i * ACROSS) * MATRIX_COLUMNS;
                if (channel < HEAD) {
                    RIGHT right;
                    uint at = KEYS_AT + channel * VALUE_STRIDE + piece;
                    coopMatLoad(right, staged, at, VALUE_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                    high[i] = coopMatMulAdd(p, right, high[i]);
                    low[i] = coopMatMulAdd(q, right, low[i]);
                    ones[i] = coopMatMulAdd(LEFT(int8_t(1)), right, ones[i]);
                }
            }
        }
    }
    barrier();
    [[unroll]] for (uint i = 0; i < RESULT_MATRICES; ++i) {
        uint channel = (gl_SubgroupID % ACROSS + i * ACROSS) * MATRIX_COLUMNS;
        if (channel < HEAD) {
            store(high[i] * 256 + low[i] + ones[i] * 128, channel);
        }
    }
}

void main() {
    const uint id = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    const uint blocks = (P.queries + QUERIES - 1u) / QUERIES;
    if (id >= P.heads * blocks) {
        return;
    }
    head = id / blocks;
    first_query = id % blocks * QUERIES;
    frame = gl_WorkGroupID.z * P.frame_words;
    scales = constants4[P.requant / 4u + head];
    lane = gl_SubgroupID * SUBGROUP + gl_SubgroupInvocationID;
    load_keys(0u);
    if (WHOLE == 1u) {
        load_values(0u);
    }
    stage_queries();
    for (uint i = lane; i < 256u; i += THREADS) {
        exponentials[i] = constants4[(P.exp + i) / 4u][i % 4u];
    }
    int most = pass_max();
    uint factor = pass_sum(most);
    pass_values(most, factor);
}
