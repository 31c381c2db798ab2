#!/usr/bin/env python3
"""Times MS-Resampler models in PyTorch, from the same config.json and safetensors as the engine.

Each model runs in several variants. On CUDA each variant is timed twice: called directly, and replayed as a CUDA graph.

  dense           scaled_dot_product_attention over all patches, with windows and Gaussians as a dense mask
  window          scaled_dot_product_attention over the gathered keys of each window, for scopes with small windows
                  (see --gather-limit); queries with windows of the same size share a call
  compile-dense   torch.compile of dense
  compile-window  torch.compile of window
  compile-flex    torch.compile with flex_attention: windows are block masks, Gaussians are a score_mod

Values that do not depend on the image (projected queries, position tables, masks, indices) are computed once and are
not timed; the engine does the same. One matrix product computes the keys of all scopes, another one the values. The
tokens of every variant are compared with the tokens in the model folder first; a variant with wrong tokens is an error
and is not timed. The peer of the engine is the fastest variant.

A model folder holds config.json and model.safetensors (or an index). For the check it also holds features.safetensors
with the tensor 'features' [1,H,W,C] and tokens.safetensors with the tensor 'tokens' [1,M,L]. Commands that write them:

  MsResampler.Perf models --out models       every shape of the benchmarks, with features and tokens
  msresampler run --model DIR --features DIR/features.safetensors --out DIR/tokens.safetensors

Times are device times between two CUDA events, of calls that start on an idle device: "warm" right after the same
call, "cold" after writing a buffer larger than the second-level cache. "queued" is the time of one call among many
that are issued without waiting. --device cpu measures wall-clock time; use it to check the results, not the speed.
"""

# The other files of the peer: torch_checkpoint.py reads model folders, torch_scopes.py computes windows and Gaussians,
# torch_model.py holds the modules, torch_timing.py runs, checks and times the variants, torch_results.py writes rows at
# once. Here: arguments and report.

import argparse
import json
import math
import pathlib
import platform
import sys

try:
    import torch
except ImportError as error:
    sys.exit(f"torch_peer: PyTorch cannot be imported ({error}); pip install torch")

from torch_checkpoint import InputError, open_job
from torch_results import Log
from torch_timing import TOLERANCES, VARIANTS, Runner

EXIT_CHECK_FAILED = 1
EXIT_BAD_INPUT = 2


def describe(arguments):
    """Facts about the machine and the run, for the report."""
    facts = {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "command": "torch_peer.py " + " ".join(arguments.command),
        "compile_mode": arguments.compile_mode,
        "gather_limit": arguments.gather_limit,
    }
    if arguments.device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(torch.device(arguments.device))
        facts |= {
            "device": properties.name,
            "architecture": f"sm_{properties.major}{properties.minor}",
            "cuda": torch.version.cuda,
            "memory_bytes": properties.total_memory,
            "l2_bytes": getattr(properties, "L2_cache_size", None),
        }
    else:
        facts |= {"device": f"{platform.machine()} CPU, {torch.get_num_threads()} threads; no basis to compare speed"}
    return facts


def best_rows(rows):
    """The fastest row of each model and batch."""
    best = {}
    for row in rows:
        if row["status"] == "ok":
            key = (row["model"], row["batch"])
            if key not in best or row["ms"]["warm"]["median"] < best[key]["ms"]["warm"]["median"]:
                best[key] = row
    return best


def to_markdown(facts, rows):
    def spread(times):
        return f"{times['median']:.3f} ({times['p10']:.3f}–{times['p90']:.3f})"

    lines = ["# PyTorch", ""]
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in facts.items() if value is not None]
    lines += [
        "",
        "Times are in ms: median (10th–90th percentile) of the device time of calls that start on an idle device, "
        "with a warm second-level cache or with one that other data has filled. Queued: one call among many that are "
        "issued without waiting. Bold: the fastest variant of a model and batch, which is the engine's peer.",
        "",
        "| model | grid | batch | type | variant | rel. L2 | warm | cold | queued |",
        "|---|---|--:|---|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        name = row["variant"] + (" + graph" if row["graph"] else "")
        head = f"| {row['model']} | {row['grid']} | {row['batch']} | {row['dtype']} "
        if row["status"] != "ok":
            reason = row["reason"].replace("|", "\\|")
            lines.append(f"{head}| {name} | | {row['status']}: {reason} | | |")
            continue
        mark = "**" if "is_peer" in row else ""
        error = f"{row['relative_l2']:.1e}" if "relative_l2" in row else "unchecked"
        times = row["ms"]
        cold = spread(times["cold"]) if "cold" in times else ""
        queued = f"{times['queued']['median']:.3f}" if "queued" in times else ""
        lines.append(f"{head}| {mark}{name}{mark} | {error} | {spread(times['warm'])} | {cold} | {queued} |")
    return "\n".join(lines) + "\n"


def read_engine(path):
    """The engine's figures, by model, batch and precision."""
    try:
        rows = json.loads(path.read_text())["rows"]
        return {(row["model"], row["batch"], row["precision"]): row["figures"] for row in rows if row["figures"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected a file from MsResampler.Perf gpu --json, found {error!r}") from error


def compare(rows, engine):
    """Compares the engine with its peers. Returns a Markdown table and rows for the JSON file."""
    lines = ["", "The engine and its peer, device time in ms. Ratio: the peer's time divided by the engine's.", "",
             "| model | batch | type | engine, warm | peer, warm | ratio | engine, cold | peer, cold | ratio |",
             "|---|--:|---|--:|--:|--:|--:|--:|--:|"]
    comparisons = []
    for (model, batch), row in best_rows(rows).items():
        figures = engine.get((model, batch, row["dtype"]))
        if figures is None or "cold" not in row["ms"]:
            continue
        comparison = {"model": model, "batch": batch, "dtype": row["dtype"], "variant": row["variant"],
                      "graph": row["graph"]}
        cells = ""
        for kind in ("warm", "cold"):
            ours, peer = figures[kind]["median"], row["ms"][kind]["median"]
            comparison[kind] = {"engine_ms": ours, "peer_ms": peer, "ratio": peer / ours}
            cells += f"| {ours:.3f} | {peer:.3f} | **{peer / ours:.2f}** "
        comparisons.append(comparison)
        lines.append(f"| {model} | {batch} | {row['dtype']} {cells}|")
    return "\n".join(lines) + "\n", comparisons


def parse_grid(text):
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        height = width = 0
    if height < 1 or width < 1:
        raise argparse.ArgumentTypeError(f"expected HxW in patches, such as 24x24, found '{text}'")
    return height, width


def positive(kind):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not value > 0 or value == math.inf:
            raise argparse.ArgumentTypeError(f"expected a positive number, found '{text}'")
        return value

    return parse


def parse_arguments(command):
    names = [variant.name for variant in VARIANTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL_DIR", help="model folders")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ... or cpu (default: cuda)")
    parser.add_argument("--dtype", choices=list(TOLERANCES), default="float16",
                        help="type of weights and activations; tf32 is float32 with TF32 products (default: float16)")
    parser.add_argument("--batch", nargs="+", type=positive(int), default=[1, 8, 64], metavar="N",
                        help="images in a call (default: 1 8 64)")
    parser.add_argument("--variants", nargs="+", choices=names, default=names, help="run only these variants")
    parser.add_argument("--grid", type=parse_grid, metavar="HxW",
                        help="patch grid of models without features.safetensors; their tokens are not checked")
    parser.add_argument("--gather-limit", type=positive(float), default=8, metavar="X",
                        help="the variant 'window' gathers keys if the windows of a scope together hold at most X "
                             "times the patches of the grid; other scopes use a mask (default: 8)")
    parser.add_argument("--compile-mode", default="default", choices=["default", "max-autotune-no-cudagraphs"],
                        help="mode of torch.compile (default: default); CUDA graphs are captured in every mode")
    parser.add_argument("--no-graphs", action="store_true", help="do not time CUDA graphs")
    parser.add_argument("--seconds", type=positive(float), default=1, metavar="S",
                        help="duration of each measurement (default: 1)")
    parser.add_argument("--tolerance", type=positive(float), metavar="X",
                        help="relative L2 difference allowed from tokens.safetensors (default: "
                             + ", ".join(f"{name} {value:.0e}" for name, value in TOLERANCES.items()) + ")")
    parser.add_argument("--engine", type=pathlib.Path, metavar="FILE",
                        help="a file from MsResampler.Perf gpu --json on this machine: also compare with the engine")
    parser.add_argument("--results", type=pathlib.Path, metavar="DIR",
                        help="add each row at once to results.jsonl and results.md of this folder, without those that "
                             "it has")
    parser.add_argument("--step", default="torch", help="the step of the GPU bundle to which the rows belong")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="write a table to this file")
    arguments = parser.parse_args(command)
    arguments.command = command
    return arguments


def main(command):
    arguments = parse_arguments(command)
    try:
        if arguments.device.startswith("cuda") and not torch.cuda.is_available():
            raise InputError("--device cuda: this PyTorch finds no CUDA device; use --device cpu to check the results")
        engine = read_engine(arguments.engine) if arguments.engine else None
        jobs = [open_job(folder, arguments.grid) for folder in arguments.models]
        runner = Runner(arguments, Log(arguments.results, arguments.step))
        runner.run(jobs)
    except (InputError, OSError) as error:
        print(f"torch_peer: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyError as error:
        print(f"torch_peer: config.json: expected a field {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    facts = describe(arguments)
    for row in best_rows(runner.rows).values():
        row["is_peer"] = True
    markdown = to_markdown(facts, runner.rows)
    comparisons = []
    if engine is not None:
        table, comparisons = compare(runner.rows, engine)
        markdown += table
    if arguments.json:
        content = {**facts, "rows": runner.rows, "beside_engine": comparisons}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(markdown)
    print(markdown)
    return EXIT_CHECK_FAILED if runner.has_failed_check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
