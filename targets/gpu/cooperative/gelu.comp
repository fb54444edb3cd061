#version 450 core

// ShiftGelu, a row a subgroup: what `shift_gelu` does in WGSL, which has no subgroups.
// `cargo xtask shaders` compiles this file to gelu.spv.
//
// Rows are whole pieces of 16 bytes, of which an invocation keeps its own in registers. The results
// of all values with the row's maximum are a table of 256 bytes, which a subgroup takes to memory of
// its own.

#extension GL_KHR_shader_subgroup_arithmetic : require

#include "common.glsl"

// Of the instruction: elements of a row.
layout(constant_id = 16) const uint WIDTH = 1536;

layout(set = 0, binding = 2, std140) uniform Params {
    uint frame_words;
    uint x;
    uint rows;
    uint table;
} P;

// The arenas by pieces, which are read and written.
layout(set = 0, binding = 0, std430) buffer Pieces { uvec4 pieces[]; };

// Pieces of a row, and of an invocation; those of a table.
const uint PIECES = WIDTH / 16;
const uint EACH = (PIECES + SUBGROUP - 1) / SUBGROUP;
const uint TABLE_PIECES = 16;

int greatest(uvec4 piece) {
    int most = 0;
    [[unroll]] for (int i = 0; i < 4; ++i) {
        [[unroll]] for (int j = 0; j < 4; ++j) {
            most = max(most, bitfieldExtract(int(piece[i]), 8 * j, 8));
        }
    }
    return most;
}

// The results of four values, each a byte; `own` is the subgroup's first piece of a table.
uint through_table(uint own, uint word) {
    uint results = 0u;
    // 128 more than each.
    uint index = word ^ 0x80808080u;
    [[unroll]] for (int j = 0; j < 4; ++j) {
        uint at = bitfieldExtract(index, 8 * j, 8);
        uint four = staged[own + at / 16u][at / 4u % 4u];
        results |= bitfieldExtract(four, int(at % 4u) * 8, 8) << (8 * j);
    }
    return results;
}

void main() {
    const uint id = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    const uint row = id * (THREADS / SUBGROUP) + gl_SubgroupID;
    if (row >= P.rows) {
        return;
    }
    const uint first = (gl_WorkGroupID.z * P.frame_words + P.x / 4u) / 4u + row * PIECES;
    uvec4 own[EACH];
    int most = 0;
    [[unroll]] for (uint i = 0; i < EACH; ++i) {
        uint piece = gl_SubgroupInvocationID + i * SUBGROUP;
        own[i] = uvec4(0);
        if (piece < PIECES) {
            own[i] = pieces[first + piece];
        }
        most = max(most, greatest(own[i]));
    }
    most = subgroupMax(most);
    const uint table = gl_SubgroupID * TABLE_PIECES;
    for (uint i = gl_SubgroupInvocationID; i < TABLE_PIECES; i += SUBGROUP) {
        staged[table + i] = constants4[P.table / 4u + uint(most) * TABLE_PIECES + i];
    }
    subgroup_barrier();
    [[unroll]] for (uint i = 0; i < EACH; ++i) {
        uint piece = gl_SubgroupInvocationID + i * SUBGROUP;
        if (piece < PIECES) {
            [[unroll]] for (int j = 0; j < 4; ++j) {
                own[i][j] = through_table(table, own[i][j]);
            }
            pieces[first + piece] = own[i];
        }
    }
}
