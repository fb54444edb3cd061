#version 450 core

// LayerNorm and RmsNorm of int16 to int8, a row a subgroup: what shaders/norm.wgsl does, which has
// neither subgroups nor the high word of a product. `cargo xtask shaders` compiles this file to
// norm.spv.
//
// Rows are whole fours of channels on both sides. An invocation keeps its fours of the row in
// registers, and loads what belongs to them before sums are exchanged, so that memory is waited for
// once.

#extension GL_KHR_shader_subgroup_arithmetic : require

#include "common.glsl"

// Of the instruction: channels of a row, and 1 where the mean is taken off.
layout(constant_id = 16) const uint WIDTH = 384;
layout(constant_id = 17) const uint CENTERED = 1;

layout(set = 0, binding = 2, std140) uniform Params {
    uint frame_words;
    uint x;
    uint result;
    uint rows;
    uint eps_low;
    uint eps_high;
    uint mantissa;
    uint offset;
    uint shift;
} P;

layout(set = 0, binding = 0, std430) readonly buffer Arena2 { uvec2 arena2[]; };
layout(set = 0, binding = 1, std430) readonly buffer ConstantWords { uint constant_words[]; };

// Fours of a row, and of an invocation.
const uint FOURS = WIDTH / 4;
const uint EACH = (FOURS + SUBGROUP - 1) / SUBGROUP;

int leading_zeros_64(uvec2 a) {
    return a.y != 0u ? 31 - findMSB(a.y) : 63 - findMSB(a.x);
}

// For shifts below 64.
uvec2 shift_left_64(uvec2 a, uint by) {
    if (by == 0u) {
        return a;
    }
    return by >= 32u ? uvec2(0u, a.x << (by - 32u)) : uvec2(a.x << by, (a.y << by) | (a.x >> (32u - by)));
}

// floor(√a) for a > 0: the high half by floating point, which is put right, and the low half by one
// division, see shaders/root.wgsl.
uint root_64(uvec2 a) {
    uint up = uint(leading_zeros_64(a)) / 2u;
    uvec2 n = shift_left_64(a, 2u * up);
    // From 2¹⁵ to 2¹⁶, of which floating point is off by less than one.
    uint root = min(uint(sqrt(float(n.y))), 0xffffu);
    root -= root * root > n.y ? 1u : 0u;
    uint rest = n.y - root * root;
    if (rest > 2u * root) {
        rest -= 2u * root + 1u;
        ++root;
    }
    uint half_rest = (rest << 15u) | (n.x >> 17u);
    uint digit = half_rest / root;
    uint left = ((half_rest - digit * root) << 1u) | ((n.x >> 16u) & 1u);
    uint low = (left << 16u) | (n.x & 0xffffu);
    bool large = left < 0x10000u && (digit > 0xffffu || digit * digit > low);
    return ((root << 16u) + digit - (large ? 1u : 0u)) >> up;
}

// Mean and factor of a row with the sum `sum` and squares that add up to `energy`.
ivec2 statistics(int sum, uvec2 energy) {
    int mean = 0;
    if (CENTERED == 1u) {
        int count = int(WIDTH);
        // 2¹⁵ is added to the mean, so that what is divided is not negative, and below 2³².
        mean = int((uint(2 * sum + count) + (WIDTH << 16u)) / (2u * WIDTH)) - 32768;
        int high, low;
        imulExtended(mean, count * mean - 2 * sum, high, low);
        energy = add_64(energy, uvec2(uint(low), uint(high)));
    }
    energy = add_64(energy, uvec2(P.eps_low, P.eps_high));
    if ((energy.x | energy.y) == 0u) {
        return ivec2(mean, 0);
    }
    uint up = uint(max(leading_zeros_64(energy), 44) - 44) / 2u;
    uint deviation = root_64(shift_left_64(energy, 2u * up));
    return ivec2(mean, int((0x7fffffffu / deviation) << up));
}

void main() {
    const uint id = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    const uint row = id * (THREADS / SUBGROUP) + gl_SubgroupID;
    if (row >= P.rows) {
        return;
    }
    const uint frame = gl_WorkGroupID.z * P.frame_words;
    const uint from = (frame + P.x / 4u) / 2u + row * FOURS;
    const uint to = frame + P.result / 4u + row * FOURS;
    ivec4 x[EACH];
    uvec4 mantissas[EACH];
    uvec4 offsets[EACH];
    uint shifts[EACH];
    [[unroll]] for (uint i = 0; i < EACH; ++i) {
        uint four = gl_SubgroupInvocationID + i * SUBGROUP;
        x[i] = ivec4(0);
        if (four < FOURS) {
            uvec2 words = arena2[from + four];
            ivec2 low = bitfieldExtract(ivec2(words), 0, 16);
            x[i] = ivec4(low.x, int(words.x) >> 16, low.y, int(words.y) >> 16);
            mantissas[i] = constants4[P.mantissa / 4u + four];
            offsets[i] = constants4[P.offset / 4u + four];
            shifts[i] = constant_words[P.shift + four];
        }
    }
    // Σx, and Σx² as that of the low and that of the high halves.
    int sum = 0;
    uvec2 squares = uvec2(0);
    [[unroll]] for (uint i = 0; i < EACH; ++i) {
        [[unroll]] for (uint j = 0; j < 4; ++j) {
            sum += x[i][j];
            uint square = uint(x[i][j] * x[i][j]);
            squares += uvec2(square & 0xffffu, square >> 16u);
        }
    }
    sum = subgroupAdd(sum);
    squares = subgroupAdd(squares);
    uvec2 energy = add_64(uvec2(squares.x, 0u), uvec2(squares.y << 16u, squares.y >> 16u));
    const ivec2 found = statistics(sum, energy);
    [[unroll]] for (uint i = 0; i < EACH; ++i) {
        uint four = gl_SubgroupInvocationID + i * SUBGROUP;
        if (four < FOURS) {
            uint word = 0u;
            [[unroll]] for (int j = 0; j < 4; ++j) {
                int high, low;
                imulExtended((x[i][j] - found.x) * found.y, int(mantissas[i][j]), high, low);
                // 1 to 30, behind the high word of a product.
                int t = (high + int(offsets[i][j])) >> bitfieldExtract(shifts[i], 8 * j, 8);
                word |= (uint(saturate_i8(t)) & 0xffu) << (8 * j);
            }
            arena[to + four] = word;
        }
    }
}
