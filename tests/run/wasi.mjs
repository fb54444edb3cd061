#!/usr/bin/env -S node --no-warnings
// Runs a program for wasm32-wasip1 in node: `wasi.mjs PROGRAM ARGUMENT...`. It sees all files, by their
// whole paths.
import { readFile } from "node:fs/promises";
import { argv, env, exit } from "node:process";
import { WASI } from "node:wasi";

const args = argv.slice(2);
const wasi = new WASI({ version: "preview1", args, env, preopens: { "/": "/" } });
const imports = { wasi_snapshot_preview1: wasi.wasiImport };
const { instance } = await WebAssembly.instantiate(await readFile(args[0]), imports);
exit(wasi.start(instance));
