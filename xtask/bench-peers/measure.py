#!/usr/bin/env python3
"""Shiftformer beside OpenVINO, ONNX Runtime and tract on this machine's processor.

    python measure.py                                      # all prepared models
    python measure.py --models deit-tiny --threads 1 --batch 1
    python measure.py --isa avx512vnni,avx2 --json results.json

`cargo xtask bench-peers` fills a scratch folder and copies this file into it. The folder is all that
a machine needs beside a Python of the version that filled it: packages, programs and models are
read from it, and nothing is installed or downloaded.

Every contestant is a process of its own. They take turns, round after round, so that whatever else
the machine does meets all of them alike; within a turn the first batch is not counted. Every batch
has frames of its own, which are made before the clock starts: 8-bit pixels for Shiftformer,
normalized floats for the others. Times are medians of batches.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "packages"))

import numpy as np  # noqa: E402  (from the folder)

PAUSE_SECONDS = 0.02
"""Between turns, so that threads that spin after a batch are asleep when the next contestant runs."""

MOST_BATCHES = 50
"""Of a turn."""

BLOCK = 16
"""Pixels of the blocks of one colour that frames are made of."""

ONEDNN_ISA = {
    "amx": "AVX512_CORE_AMX",
    "avx512vnni": "AVX512_CORE_VNNI",
    "avxvnni": "AVX2_VNNI",
    "avx2": "AVX2",
}
"""Of each kernel set, what OpenVINO's library of kernels calls the same instructions."""


class LeftOut(Exception):
    """Why a contestant cannot take part."""


def pixels(number, shape):
    """Frame `number`, channels x height x width: blocks of random colours under noise."""
    random = np.random.default_rng(number)
    channels, height, width = shape
    blocks = random.integers(0, 256, (channels, -(-height // BLOCK), -(-width // BLOCK)), dtype=np.int16)
    blocks = blocks.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2)[:, :height, :width]
    noise = random.integers(-32, 33, shape, dtype=np.int16)
    return np.clip(blocks + noise, 0, 255).astype(np.uint8)


def normalized(frames, model):
    """Frames as a float model takes them."""
    mean, std = (np.array(model[key], np.float32).reshape(-1, 1, 1) for key in ("mean", "std"))
    return np.ascontiguousarray((frames.astype(np.float32) / 255 - mean) / std)


class Floats:
    """A contestant that takes normalized floats."""

    def frames(self, frames):
        return normalized(frames, self.job["about"])


class Shiftformer:
    """The container, with the kernels that the job names or the fastest."""

    def __init__(self, job, path):
        import shiftformer

        self.batch = job["batch"]
        try:
            self.session = shiftformer.open(path).session(threads=job["threads"], kernels=job["isa"])
        except shiftformer.ShiftformerError as error:
            raise LeftOut(str(error)) from error

    def what(self):
        return f"{self.session.kernels} kernels"

    def frames(self, frames):
        return np.ascontiguousarray(frames.transpose(0, 2, 3, 1))

    def run(self, frames):
        begin = time.perf_counter()
        if self.batch == 1:
            self.session.run_frame(frames.reshape(-1))
        else:
            self.session.run_batch(frames)
        return time.perf_counter() - begin


class OpenVino(Floats):
    """OpenVINO, tuned for latency, in the precision that is asked for."""

    def __init__(self, job, path, precision):
        import openvino

        self.job = job
        core = openvino.Core()
        model = core.read_model(path)
        model.reshape({0: [job["batch"], *job["about"]["shape"]]})
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": job["threads"],
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": precision,
        }
        self.compiled = core.compile_model(model, "CPU", settings)
        found = self.compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        wanted = {"f32": "float", "bf16": "bfloat16"}[precision]
        if found not in (precision, wanted):
            raise LeftOut(f"OpenVINO runs {precision} as {found} here")
        self.request = self.compiled.create_infer_request()

    def what(self):
        return f"limited to {os.environ['ONEDNN_MAX_CPU_ISA']}" if self.job["isa"] else "all instructions"

    def run(self, frames):
        begin = time.perf_counter()
        self.request.infer([frames], share_inputs=True, share_outputs=True)
        return time.perf_counter() - begin


class OnnxRuntime(Floats):
    """ONNX Runtime with all optimisations of the graph."""

    def __init__(self, job, path):
        import onnxruntime

        self.job = job
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = job["threads"]
        options.inter_op_num_threads = 1
        options.add_free_dimension_override_by_name("batch", job["batch"])
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def what(self):
        return "all instructions"

    def run(self, frames):
        begin = time.perf_counter()
        self.session.run(None, {self.input: frames})
        return time.perf_counter() - begin


class Tract(Floats):
    """tract, in a program that takes frames and gives nanoseconds."""

    def __init__(self, job, path):
        self.job = job
        sizes = [job["threads"], job["batch"], *job["about"]["shape"]]
        self.program = subprocess.Popen(
            [HERE / "tract", path, *map(str, sizes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if not self.program.stdout.readline():
            raise LeftOut("tract does not run the model; the log says why")

    def what(self):
        return "all instructions"

    def run(self, frames):
        self.program.stdin.write(frames.tobytes())
        self.program.stdin.flush()
        return int(self.program.stdout.readline()) / 1e9


CONTESTANTS = {
    "ours int8": ("container", Shiftformer, ()),
    "ours int8, row maximum": ("row_maximum", Shiftformer, ()),
    "OpenVINO fp32": ("float", OpenVino, ("f32",)),
    "OpenVINO bf16": ("float", OpenVino, ("bf16",)),
    "OpenVINO int8": ("nncf", OpenVino, ("f32",)),
    "OpenVINO int8 + bf16": ("nncf", OpenVino, ("bf16",)),
    "ONNX Runtime fp32": ("float", OnnxRuntime, ()),
    "ONNX Runtime int8": ("qdq", OnnxRuntime, ()),
    "tract fp32": ("float", Tract, ()),
}
"""Of each: the file of the model, what runs it, and with which arguments."""


def serve(job):
    """A contestant's process: it says that it is ready, and then times batches as it is told."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print goes to the log.

    def answer(value):
        print(json.dumps(value), file=answers, flush=True)

    file, runner, arguments = CONTESTANTS[job["contestant"]]
    path = HERE / "models" / job["model"] / job["about"]["files"][file]
    try:
        contestant = runner(job, str(path), *arguments)
    except Exception as error:  # noqa: BLE001  (whatever a library raises is the reason)
        return answer({"left_out": str(error).strip().splitlines()[-1]})
    answer({"what": contestant.what()})
    shape, batch = job["about"]["shape"], job["batch"]
    for line in sys.stdin:
        first, batches = map(int, line.split())
        numbers = range(first, first + batch * batches)
        made = [contestant.frames(np.stack([pixels(n, shape) for n in numbers[at : at + batch]]))
                for at in range(0, len(numbers), batch)]
        answer([contestant.run(frames) * 1e3 for frames in made])


class Contestant:
    """A contestant's process, as the one that gives turns sees it."""

    def __init__(self, name, cell, about):
        self.name, self.times, self.turn_batches = name, [], 1
        job = cell | {"contestant": name, "about": about}
        environment = dict(os.environ)
        if cell["isa"]:
            environment["ONEDNN_MAX_CPU_ISA"] = ONEDNN_ISA[cell["isa"]]
        command = [sys.executable, __file__, "--serve", json.dumps(job)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with open(HERE / "log.txt", "a") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log, **pipes)
        ready = self.answer()
        self.what, self.left_out = ready.get("what"), ready.get("left_out")

    def answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"left_out": "its process ended; log.txt says why"}

    def turn(self, first):
        """A batch that is not counted and those that are; returns how many frames they took."""
        batches = self.turn_batches + 1
        print(first, batches, file=self.process.stdin, flush=True)
        times = self.answer()
        if isinstance(times, dict):
            self.left_out = times["left_out"]
            return 0
        self.times += times[1:]
        time.sleep(PAUSE_SECONDS)
        return batches

    def plan(self, seconds):
        """Forgets what was measured, and chooses the batches that fill `seconds`."""
        if self.times:
            fitting = int(seconds * 1e3 / statistics.median(self.times))
            self.turn_batches, self.times = min(max(fitting, 1), MOST_BATCHES), []

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def result(self):
        times = sorted(self.times)
        return {
            "contestant": self.name,
            "what": self.what,
            "median_ms": statistics.median(times),
            "min_ms": times[0],
            "quartiles_ms": [times[len(times) // 4], times[3 * len(times) // 4]],
            "batches": len(times),
        }


class Words:
    """One line on the terminal that says what goes on; in a file, a line now and then."""

    QUIET_SECONDS = 10

    def __init__(self):
        self.drawn, self.last = sys.stderr.isatty(), 0.0

    def say(self, words):
        if self.drawn:
            print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.last > self.QUIET_SECONDS:
            self.last = time.monotonic()
            print(words, file=sys.stderr, flush=True)

    def clear(self):
        if self.drawn:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def measure(cell, about, options, counter, words):
    """The results of one model, threads, batch and instruction set."""
    title = f"{cell['model']}, {cell['isa'] or 'all'} instructions, threads {cell['threads']}, batch {cell['batch']}"
    left_out = {name: about["missing"].get(file, "it was not prepared")
                for name, (file, _, _) in CONTESTANTS.items() if file not in about["files"]}
    contestants = []
    for name in CONTESTANTS:
        if name not in left_out:
            words.say(f"{title}: starting {name}")
            contestants.append(Contestant(name, cell, about))
    for number in range(-1, options.rounds):
        for contestant in contestants:
            if contestant.left_out is None:
                words.say(f"{title}: round {max(number + 1, 0)} of {options.rounds}, {contestant.name}")
                counter[0] += cell["batch"] * contestant.turn(counter[0])
        if number < 0:
            for contestant in contestants:
                contestant.plan(options.turn)
    for contestant in contestants:
        contestant.end()
    left_out |= {each.name: each.left_out for each in contestants if each.left_out is not None}
    results = [each.result() for each in contestants if each.left_out is None]
    return cell | {"results": results, "left_out": left_out}


def machine():
    """The processor, what of its instructions matters here, and the system."""
    name, flags = platform.processor() or platform.machine(), []
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        text = cpuinfo.read_text()
        name = (re.search(r"^model name\s*:\s*(.*)$", text, re.M) or ["", name])[1]
        known = (re.search(r"^flags\s*:\s*(.*)$", text, re.M) or ["", ""])[1].split()
        kinds = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512vbmi", "avx512_bf16", "amx_int8", "amx_bf16")
        flags = [kind for kind in kinds if kind in known]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"processor": name, "flags": flags, "cores": cores, "system": f"{platform.system()} {platform.release().split('-')[0]}"}


def cells(options, abouts):
    for model in options.models:
        for isa in options.isa:
            for threads in options.threads:
                for batch in options.batch:
                    yield {"model": model, "isa": isa, "threads": threads, "batch": batch}, abouts[model]


PEERS = [name for name in CONTESTANTS if not name.startswith("ours")]


def times_table(measured):
    """A row for each cell: every median, and the fastest peer's over that of ours."""
    rows = [["model", "instructions", "threads", "batch", *CONTESTANTS, "fastest peer", "its time over ours"]]
    for cell in measured:
        medians = {result["contestant"]: result["median_ms"] for result in cell["results"]}
        cells = [f"{medians[name]:.2f}" if name in medians else "–" for name in CONTESTANTS]
        best = min((name for name in PEERS if name in medians), key=medians.get, default=None)
        ours = medians.get("ours int8")
        ratio = f"{medians[best] / ours:.2f}" if best and ours else "–"
        row = [cell["model"], cell["isa"] or "all", str(cell["threads"]), str(cell["batch"])]
        rows.append([*row, *cells, best or "–", ratio])
    return rows


def machine_table(found, versions, frames):
    rows = [["what", "which"], ["processor", found["processor"]]]
    rows += [["instruction sets", ", ".join(found["flags"]) or "unknown"]]
    rows += [["cores that the programs may use", str(found["cores"])], ["system", found["system"]]]
    rows += [[name, version] for name, version in versions.items()]
    return [*rows, ["frames", f"{frames:,}, each another"]]


def left_out_table(measured):
    """Which contestant is left out of which model, and why."""
    rows = {(cell["model"], cell["isa"] or "all", name, why): None
            for cell in measured for name, why in cell["left_out"].items()}
    return [["model", "instructions", "left out", "why"], *map(list, rows)]


def markdown(rows):
    head, *rest = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])


def list_of(kind):
    return lambda text: [kind(part) for part in text.split(",")]


def isa(name):
    if name == "all":
        return None
    if name not in ONEDNN_ISA:
        raise argparse.ArgumentTypeError(f"there is no `{name}`; there are: all, {', '.join(ONEDNN_ISA)}")
    return name


def arguments(prepared):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=list_of(str), default=prepared, help="names with commas [default: all prepared]")
    parser.add_argument("--threads", type=list_of(int), default=[1, 2], metavar="N,N", help="[default: 1,2]")
    parser.add_argument("--batch", type=list_of(int), default=[1, 8], metavar="N,N", help="[default: 1,8]")
    parser.add_argument("--isa", type=list_of(isa), default=[None], metavar="SET,SET",
                        help="all, or kernel sets of ours to which OpenVINO is limited too: "
                             f"{', '.join(ONEDNN_ISA)} [default: all]")
    parser.add_argument("--rounds", type=int, default=30, help="turns of each contestant [default: 30]")
    parser.add_argument("--turn", type=float, default=0.25, metavar="SECONDS", help="of a turn [default: 0.25]")
    parser.add_argument("--json", metavar="FILE", help="write all results to a file")
    parser.add_argument("--serve", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [model for model in options.models if model not in prepared]
    if unknown and not options.serve:
        parser.error(f"{', '.join(unknown)} is not prepared; there are: {', '.join(prepared) or 'none'}")
    return options


def main():
    abouts = {path.parent.name: json.loads(path.read_text()) for path in sorted(HERE.glob("models/*/about.json"))}
    options = arguments(list(abouts))
    if options.serve:
        return serve(options.serve)
    counter, words, measured = [0], Words(), []
    versions = json.loads((HERE / "versions.json").read_text())
    tables = {}
    for cell, about in cells(options, abouts):
        measured.append(measure(cell, about, options, counter, words))
        tables["machine"] = machine_table(machine(), versions, counter[0])
        tables["times"] = times_table(measured)
        tables["left-out"] = left_out_table(measured)
        if options.json:  # After each, so that a run that is interrupted leaves what it has.
            pathlib.Path(options.json).write_text(json.dumps({"tables": tables, "measured": measured}, indent=1))
    words.clear()
    print("\n\n".join(markdown(rows) for rows in tables.values()))


if __name__ == "__main__":
    main()
