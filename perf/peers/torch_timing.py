"""Runs a model in every variant, checks the tokens and measures the time."""

import dataclasses
import functools
import statistics
import time

import torch

from torch_checkpoint import InputError
from torch_model import Resampler

# Largest relative L2 difference from the engine's float32 tokens. float32: both implementations are within 5e-6 of
# exact arithmetic. Other types: twice the engine's own tolerance, because PyTorch also rounds between the steps of a
# layer where the engine keeps float32.
TOLERANCES = {"float32": 1e-5, "tf32": 2e-3, "float16": 3e-3, "bfloat16": 2e-2}


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to compute a model."""

    name: str
    attention: str
    is_compiled: bool


VARIANTS = [
    Variant("dense", "dense", False),
    Variant("window", "window", False),
    Variant("compile-dense", "dense", True),
    Variant("compile-window", "window", True),
    Variant("compile-flex", "flex", True),
]

# The order of the measurements: what takes little time first. A compiled variant is also captured as a CUDA graph at
# once, because it would have to be compiled again. (compiled variants?, direct calls?, graphs?)
PASSES = [(False, True, False), (True, True, True), (False, False, True)]


class Clock:
    """Measures the time of calls on one device."""

    def __init__(self, device, seconds):
        self._is_cuda = device.type == "cuda"
        self._seconds = seconds
        self._flushed = None
        if self._is_cuda:
            cache = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0) or 128 << 20
            self._flushed = torch.empty(2 * cache, dtype=torch.int8, device=device)

    def measure(self, call):
        """Measures a call. Returns statistics in milliseconds for each kind: warm, cold, queued."""
        for _ in range(3):
            call()
        result = {"warm": self._statistics(lambda: self._once(call, is_cold=False))}
        if self._is_cuda:
            result["cold"] = self._statistics(lambda: self._once(call, is_cold=True))
            result["queued"] = self._queued(call, result["warm"]["median"])
        return result

    def _once(self, call, is_cold):
        if not self._is_cuda:
            start = time.perf_counter()
            call()
            return (time.perf_counter() - start) * 1e3
        if is_cold:
            self._flushed.zero_()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end)

    def _queued(self, call, expected_ms):
        count = max(5, min(1000, int(self._seconds * 1e3 / max(expected_ms, 1e-3))))
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        for _ in range(count):
            call()
        end.record()
        torch.cuda.synchronize()
        return {"median": start.elapsed_time(end) / count, "count": count}

    def _statistics(self, once):
        samples = []
        end = time.perf_counter() + self._seconds
        while len(samples) < 5 or (time.perf_counter() < end and len(samples) < 10000):
            samples.append(once())
        samples.sort()
        return {
            "median": statistics.median(samples),
            "p10": samples[len(samples) // 10],
            "p90": samples[-1 - len(samples) // 10],
            "count": len(samples),
        }


def capture(call):
    """Captures a call as a CUDA graph. Returns the function that replays it and the tensor with the result."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = call()
    return graph.replay, result


def relative_error(actual, expected):
    """The relative L2 difference of the image with the largest one."""
    difference = (actual.double().cpu() - expected.double()).flatten(1).norm(dim=1)
    return (difference / expected.double().flatten(1).norm(dim=1)).max().item()


class Runner:
    """Runs every variant of every model."""

    def __init__(self, arguments, log):
        self._log = log
        self._arguments = arguments
        self._device = torch.device(arguments.device)
        self._dtype = {"tf32": torch.float32}.get(arguments.dtype) or getattr(torch, arguments.dtype)
        torch.backends.cuda.matmul.allow_tf32 = arguments.dtype == "tf32"
        torch.backends.cudnn.allow_tf32 = arguments.dtype == "tf32"
        torch.manual_seed(0)
        self._clock = Clock(self._device, arguments.seconds)
        self._tolerance = arguments.tolerance or TOLERANCES[arguments.dtype]
        self.rows = []

    @property
    def has_failed_check(self):
        return any(row["status"] == "wrong" for row in self.rows)

    def run(self, jobs):
        has_graphs = self._device.type == "cuda" and not self._arguments.no_graphs
        for is_compiled, is_direct, is_graph in PASSES:
            modes = [False] * is_direct + [True] * (is_graph and has_graphs)
            for job in jobs:
                for variant in VARIANTS:
                    if variant.is_compiled == is_compiled and variant.name in self._arguments.variants:
                        for batch in self._arguments.batch:
                            self._run_variant(job, variant, batch, modes)

    def _run_variant(self, job, variant, batch, modes):
        row = {"model": job.name, "grid": f"{job.grid[0]}x{job.grid[1]}", "batch": batch,
               "dtype": self._arguments.dtype, "variant": variant.name, "graph": False}
        modes = [mode for mode in modes if not self._log.contains(row | {"graph": mode})]
        if not modes:
            return
        torch.compiler.reset()
        try:
            with torch.no_grad():
                self._measure(job, variant, batch, row, modes)
        except InputError:
            raise
        # A variant can fail on this machine: too little memory, no compiler, a head size that flex_attention does not
        # support. The failure becomes the variant's row, and the other variants still run.
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self._add(row | {"status": "failed", "reason": reason[:300]})
        finally:
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _measure(self, job, variant, batch, row, modes):
        model = Resampler(job.config, job.weights, job.grid, variant.attention, self._dtype, self._device,
                          self._arguments.gather_limit)
        features = job.features.flatten(1, 2).expand(batch, -1, -1).to(self._device, self._dtype).contiguous()
        function = model
        if variant.is_compiled:
            function = torch.compile(model, dynamic=False, fullgraph=True, mode=self._arguments.compile_mode)
        call = functools.partial(function, features)
        row["graph"] = modes[0]
        if not self._check(job, call(), row):
            return
        if False in modes:
            self._add(row | {"status": "ok", "ms": self._clock.measure(call)})
        if True in modes:
            row["graph"] = True
            replay, tokens = capture(call)
            replay()
            torch.cuda.synchronize()
            if self._check(job, tokens, row):
                self._add(row | {"status": "ok", "ms": self._clock.measure(replay)})

    def _check(self, job, tokens, row):
        """Checks the tokens. Returns False and adds a row if they are wrong."""
        if job.tokens is None:
            if not torch.isfinite(tokens).all():
                self._add(row | {"status": "wrong", "reason": "tokens are not finite"})
                return False
            return True
        error = relative_error(tokens, job.tokens.expand(tokens.shape[0], -1, -1))
        row["relative_l2"] = error
        if error <= self._tolerance:
            return True
        self._add(row | {"status": "wrong", "reason": f"relative L2 {error:.2e} is above {self._tolerance:.0e}"})
        return False

    def _add(self, row):
        self.rows.append(row)
        self._log.add(row)
