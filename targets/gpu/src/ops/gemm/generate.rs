//! WGSL of a tiled product: what depends on the tile. The rest is in `shaders/gemm_tile.wgsl`.

use std::fmt::Write as _;

use super::tile::Cut;

/// How results are divided among workgroups and their invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    /// Rows of a workgroup.
    pub rows: u32,
    /// Columns of a workgroup.
    pub columns: u32,
    /// Words of A and B that a workgroup holds of each row and column at a time.
    pub words: u32,
    /// Rows of an invocation, a multiple of 4.
    pub down: u32,
    /// Columns of an invocation, a multiple of 4.
    pub across: u32,
    /// Parts into which the words are divided, each for invocations of its own, whose sums are
    /// added up at the end; more than 1 keeps a GPU busy that has few tiles.
    pub split: u32,
    /// Whether int16 activations may take it: they take twice the sums, and more shared memory.
    pub wide: bool,
}

/// What a product asks of its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Whether A is int16: two planes of bytes, two sums for each result.
    pub wide: bool,
    /// Whether the sums of B's columns, which int16 asks for, are taken here; otherwise they are
    /// in the channels' records.
    pub column_sums: bool,
    /// Whether neighbouring invocations load neighbouring columns of B, rather than words.
    pub across: bool,
}

impl Cut for Tile {
    fn sides(&self) -> [u32; 3] {
        [self.rows, self.columns, self.words]
    }
}

impl Tile {
    /// Invocations that have all results among them.
    const fn part(self) -> u32 {
        self.rows / self.down * (self.columns / self.across)
    }

    /// Invocations of a workgroup.
    pub(super) const fn invocations(self) -> u32 {
        self.part() * self.split
    }

    /// Groups of four rows or columns that lie side by side, and one of padding, which spreads
    /// what is stored at once over the banks of the memory.
    const fn stride(side: u32) -> u32 {
        side / 4 + 1
    }

    /// Bytes of the memory that a workgroup shares.
    #[cfg(test)]
    const fn shared_bytes(self, wide: bool) -> u32 {
        let a = Self::stride(self.rows) * if wide { 2 } else { 1 };
        let sums = if self.split > 1 { self.rows * self.columns * 4 } else { 0 };
        self.words * (a + Self::stride(self.columns)) * 16 + sums
    }

    /// The text, in the order of execution.
    pub(super) fn text(self, variant: Variant) -> String {
        let mut text = String::new();
        self.head(variant, &mut text);
        self.begin(variant, &mut text);
        text.push_str("    for (var step = 0u; step < steps; step++) {\n        workgroupBarrier();\n");
        self.stage(variant, &mut text);
        text.push_str("        workgroupBarrier();\n        if (step + 1u < steps) {\n");
        self.load("step + 1u", variant, &mut text);
        text.push_str("        }\n");
        self.multiply(variant, &mut text);
        text.push_str("    }\n");
        self.join(&mut text);
        self.store(variant, &mut text);
        text.push_str("}\n");
        text
    }

    fn head(self, variant: Variant, text: &mut String) {
        let (a, b) = (self.words * Self::stride(self.rows), self.words * Self::stride(self.columns));
        let _ = writeln!(text, "const TILE_ROWS = {}u;", self.rows);
        let _ = writeln!(text, "var<workgroup> tile_a: array<vec4<u32>, {a}>;");
        if variant.wide {
            let _ = writeln!(text, "var<workgroup> tile_high: array<vec4<u32>, {a}>;");
        }
        let _ = writeln!(text, "var<workgroup> tile_b: array<vec4<u32>, {b}>;");
        if self.split > 1 {
            let sums = self.rows * self.columns / 4;
            let _ = writeln!(text, "var<workgroup> sums: array<vec4<i32>, {sums}>;");
        }
        let _ = write!(
            text,
            "@compute @workgroup_size({})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {{
    let id = (group.z * groups.y + group.y) * groups.x + group.x;
    let tiles = (P.n + {}u) / {}u;
    let first_column = (id % tiles) * {}u;
    let place = locate(id / tiles, groups.z);
    if (place.first >= place.end) {{
        return;
    }}
    let steps = (P.k_words + {}u) / {}u;
",
            self.invocations(),
            self.columns - 1,
            self.columns,
            self.columns,
            self.words - 1,
            self.words,
        );
    }

    /// Units of four rows, or columns, by a word that each invocation loads.
    const fn units(self, side: u32) -> u32 {
        side / 4 * self.words / self.invocations()
    }

    /// Which units an invocation loads, its sums, and the first loads.
    fn begin(self, variant: Variant, text: &mut String) {
        for unit in 0..self.units(self.rows) {
            let id = unit * self.invocations();
            let _ = writeln!(text, "    let a_i{unit} = (lane + {id}u) % {}u;", self.words);
            let _ = writeln!(text, "    let a_at{unit} = (lane + {id}u) / {}u;", self.words);
            for row in 0..4 {
                let _ = writeln!(
                    text,
                    "    let a_row{unit}_{row} = a_row(place, min(place.first + a_at{unit} * 4u + {row}u, place.end - 1u));"
                );
            }
            let _ = writeln!(text, "    var a{unit} = vec4<u32>();");
            if variant.wide {
                let _ = writeln!(text, "    var high{unit} = vec4<u32>();");
            }
        }
        for unit in 0..self.units(self.columns) {
            let id = unit * self.invocations();
            let (by, of) = if variant.across { (self.columns / 4, "b_at") } else { (self.words, "b_i") };
            let other = if variant.across { "b_i" } else { "b_at" };
            let _ = writeln!(text, "    let {of}{unit} = (lane + {id}u) % {by}u;");
            let _ = writeln!(text, "    let {other}{unit} = (lane + {id}u) / {by}u;");
            let _ = writeln!(text, "    var b{unit} = vec4<u32>();");
        }
        self.load("0u", variant, text);
        let across = self.columns / self.across;
        let _ = writeln!(text, "    let part = lane / {}u;\n    let x = lane % {across}u;", self.part());
        let _ = writeln!(text, "    let y = lane % {}u / {across}u;", self.part());
        for column in 0..self.across {
            for row in 0..self.down {
                let _ = writeln!(text, "    var c{row}_{column} = 0;");
                if variant.wide {
                    let _ = writeln!(text, "    var h{row}_{column} = 0;");
                }
            }
            if variant.column_sums {
                let _ = writeln!(text, "    var s{column} = 0;");
            }
        }
    }

    /// Loads step number `step` into registers.
    fn load(self, step: &str, variant: Variant, text: &mut String) {
        for unit in 0..self.units(self.rows) {
            let at = format!("({step}) * {}u + a_i{unit}", self.words);
            if variant.wide {
                for row in 0..4 {
                    let _ = writeln!(text, "    let pair{unit}_{row} = a_pair(a_row{unit}_{row}, {at});");
                }
                let part = |part| (0..4).map(|row| format!("pair{unit}_{row}.{part}")).collect::<Vec<_>>();
                let _ = writeln!(text, "    high{unit} = vec4<u32>({});", part('x').join(", "));
                let _ = writeln!(text, "    a{unit} = vec4<u32>({});", part('y').join(", "));
            } else {
                let words: Vec<_> = (0..4).map(|row| format!("a_word(a_row{unit}_{row}, {at})")).collect();
                let _ = writeln!(text, "    a{unit} = vec4<u32>({});", words.join(", "));
            }
        }
        for unit in 0..self.units(self.columns) {
            let _ = writeln!(
                text,
                "    b{unit} = b_four(place, first_column + b_at{unit} * 4u, ({step}) * {}u + b_i{unit});",
                self.words
            );
        }
    }

    /// Brings the registers to where all invocations see them.
    fn stage(self, variant: Variant, text: &mut String) {
        let (a, b) = (Self::stride(self.rows), Self::stride(self.columns));
        for unit in 0..self.units(self.rows) {
            let _ = writeln!(text, "        tile_a[a_i{unit} * {a}u + a_at{unit}] = a{unit};");
            if variant.wide {
                let _ = writeln!(text, "        tile_high[a_i{unit} * {a}u + a_at{unit}] = high{unit};");
            }
        }
        for unit in 0..self.units(self.columns) {
            let _ = writeln!(text, "        tile_b[b_i{unit} * {b}u + b_at{unit}] = b{unit};");
        }
    }

    /// Adds the products of a step: without a loop, which costs a third of the speed.
    fn multiply(self, variant: Variant, text: &mut String) {
        let (down, across) = (self.rows / self.down, self.columns / self.across);
        let (a, b) = (Self::stride(self.rows), Self::stride(self.columns));
        let words = self.words / self.split;
        let _ = writeln!(text, "        let at_a = part * {}u + y;", words * a);
        let _ = writeln!(text, "        let at_b = part * {}u + x;", words * b);
        for word in 0..words {
            text.push_str("        {\n");
            for four in 0..self.down / 4 {
                let at = word * a + four * down;
                let _ = writeln!(text, "            let a{four} = tile_a[at_a + {at}u];");
                if variant.wide {
                    let _ = writeln!(text, "            let high{four} = tile_high[at_a + {at}u];");
                }
            }
            for four in 0..self.across / 4 {
                let at = word * b + four * across;
                let _ = writeln!(text, "            let b{four} = tile_b[at_b + {at}u];");
            }
            self.dots(variant, text);
            text.push_str("        }\n");
        }
    }

    /// Adds the products of one word of each row and column.
    fn dots(self, variant: Variant, text: &mut String) {
        for column in 0..self.across {
            let b = format!("b{}", lane(column));
            for row in 0..self.down {
                let at = lane(row);
                let _ = writeln!(text, "            c{row}_{column} += dot4I8Packed(a{at}, {b});");
                if variant.wide {
                    let _ = writeln!(text, "            h{row}_{column} += dot4I8Packed(high{at}, {b});");
                }
            }
            if variant.column_sums {
                let _ = writeln!(text, "            s{column} += dot4I8Packed(0x01010101u, {b});");
            }
        }
    }

    /// Adds the sums of all parts to those of the first, which stores them.
    fn join(self, text: &mut String) {
        if self.split == 1 {
            return;
        }
        let fours = self.down * self.across / 4;
        let sum = |at: u32| {
            let (row, column) = (at / (self.across / 4), at % (self.across / 4) * 4);
            (0..4).map(|k| format!("c{row}_{}", column + k)).collect::<Vec<_>>()
        };
        let place = |at: u32| format!("sums[{}u + lane % {}u]", at * self.part(), self.part());
        let _ = writeln!(text, "    for (var giver = 1u; giver < {}u; giver++) {{", self.split);
        text.push_str("        workgroupBarrier();\n        if (part == giver) {\n");
        for at in 0..fours {
            let _ = writeln!(text, "            {} = vec4<i32>({});", place(at), sum(at).join(", "));
        }
        text.push_str("        }\n        workgroupBarrier();\n        if (part == 0u) {\n");
        for at in 0..fours {
            let _ = writeln!(text, "            let sums{at} = {};", place(at));
            for (name, lane) in sum(at).iter().zip(['x', 'y', 'z', 'w']) {
                let _ = writeln!(text, "            {name} += sums{at}.{lane};");
            }
        }
        text.push_str("        }\n    }\n    if (part > 0u) {\n        return;\n    }\n");
    }

    /// Finishes and stores the results, four columns of a row at once. A loop over rows, so that
    /// there is one copy of the epilogue for each four columns: drivers take long for many.
    fn store(self, variant: Variant, text: &mut String) {
        let (down, across) = (self.rows / self.down, self.columns / self.across);
        let _ = write!(
            text,
            "    for (var i = 0u; i < {}u; i++) {{
        let row = place.first + (i >> 2u) * {}u + y * 4u + (i & 3u);
        if (row >= place.end) {{
            continue;
        }}
        let out = out_row(place, row);
",
            self.down,
            4 * down
        );
        for four in 0..self.across / 4 {
            let column = format!("first_column + {}u + x * 4u", four * 4 * across);
            let _ = writeln!(text, "        let column{four} = {column};");
            let _ = writeln!(text, "        if (column{four} < P.n) {{");
            self.select("low", 'c', four, text);
            if variant.wide {
                self.select("high", 'h', four, text);
            }
            for k in 0..4 {
                let _ = writeln!(text, "            let k{k} = record(place, column{four} + {k}u);");
            }
            let sums: Vec<_> = (0..4).map(|k| variant.sum(four * 4 + k, k)).collect();
            let sums = sums.join(", ");
            let _ = writeln!(text, "            let sums = vec4<i32>({sums});");
            let _ = writeln!(text, "            store_four(out, column{four}, sums, k0, k1, k2, k3);");
            text.push_str("        }\n");
        }
        text.push_str("    }\n");
    }

    /// Sets `name` to four sums of row number `i`.
    fn select(self, name: &str, sums: char, four: u32, text: &mut String) {
        let of = |row| {
            let sums: Vec<_> = (0..4).map(|k| format!("{sums}{row}_{}", four * 4 + k)).collect();
            format!("vec4<i32>({})", sums.join(", "))
        };
        let _ = writeln!(text, "            var {name} = {};", of(0));
        for row in 1..self.down {
            let _ = writeln!(text, "            {name} = select({name}, {}, i == {row}u);", of(row));
        }
    }
}

impl Variant {
    /// The sum of column number `column` with its bias, of record and lane number `k`.
    fn sum(self, column: u32, k: u32) -> String {
        let (lane, bias) = (['x', 'y', 'z', 'w'][k as usize], format!("bitcast<i32>(k{k}.x)"));
        if !self.wide {
            return format!("low.{lane} + {bias}");
        }
        let sums =
            if self.column_sums { format!("s{column} * 128") } else { format!("bitcast<i32>(k{k}.w)") };
        format!("join_i16(high.{lane}, low.{lane}, {sums}, {bias})")
    }
}

/// The component of a row or column among fours: its number and letter.
fn lane(index: u32) -> String {
    format!("{}.{}", index / 4, ['x', 'y', 'z', 'w'][index as usize % 4])
}

#[cfg(test)]
mod tests {
    use super::super::tile::TILES;

    #[test]
    fn every_tile_fits_what_webgpu_guarantees() {
        for row in TILES {
            let tile = row.tile;
            assert!(tile.invocations() <= 256, "{}", row.name);
            assert!(
                tile.shared_bytes(row.tile.wide) <= 16 << 10,
                "{}: {}",
                row.name,
                tile.shared_bytes(row.tile.wide)
            );
            for (side, each) in [(tile.rows, tile.down), (tile.columns, tile.across)] {
                assert_eq!(side / 4 * tile.words % tile.invocations(), 0, "{}", row.name);
                assert_eq!((side % each, each % 4), (0, 0), "{}", row.name);
            }
            assert_eq!(tile.words % tile.split, 0, "{}", row.name);
            assert!(tile.split == 1 || !row.tile.wide, "{}", row.name);
            assert_eq!(super::super::weights::STEP_WORDS % tile.words as usize, 0, "{}", row.name);
        }
    }
}
