#!/usr/bin/env python3
"""Times MS-Resampler models in PyTorch, from the same config.json and safetensors as the engine.

Each model is computed in several ways, every way first in eager mode or compiled and then, on CUDA, also as a replayed
CUDA graph:

  dense           scaled_dot_product_attention over all patches, windows and Gaussians as a dense mask
  window          scaled_dot_product_attention over the keys of each window, gathered, where windows are small enough
                  (--gather-limit); queries whose windows have one size make one call
  compile-dense   torch.compile of dense
  compile-window  torch.compile of window
  compile-flex    torch.compile with flex_attention: windows as block masks, Gaussians as score_mod

What does not depend on the image (projected queries, position tables, masks, indices) is computed once and not timed,
as in the engine; keys of all scopes are one matrix product, values another. Every result is compared with the tokens
beside the model before it is timed; a wrong one is an error and is not timed. The fastest way is the peer.

A model folder holds config.json, model.safetensors (or an index), and, to be checked, features.safetensors with the
tensor 'features' [1,H,W,C] and tokens.safetensors with the tensor 'tokens' [1,M,L]. These commands write both:

  MsResampler.Perf models --out models       every shape of the benchmarks, with features and tokens
  msresampler run --model DIR --features DIR/features.safetensors --out DIR/tokens.safetensors

Times are device time between two CUDA events of calls that start on an idle device: "warm" right after the same call,
"cold" after a buffer larger than the second-level cache was written. "queued" is the time of a call among many that
were issued without waiting. With --device cpu times are wall-clock and say little; it is there to check the arithmetic.

usage: torch_peer.py MODEL_DIR... [--dtype float16] [--batch 1 8 64] [--json FILE] [--markdown FILE]
"""

import argparse
import dataclasses
import functools
import json
import math
import pathlib
import platform
import statistics
import struct
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    sys.exit(f"torch_peer: PyTorch cannot be imported ({error}); pip install torch")

EXIT_CHECK_FAILED = 1
EXIT_BAD_INPUT = 2

# Largest relative L2 difference from the engine's float32 tokens. float32: two implementations, each within 5e-6 of
# exact arithmetic. Others: twice what the engine is allowed in that precision, because libraries also round between the
# steps of a layer where the engine does not.
TOLERANCES = {"float32": 1e-5, "tf32": 2e-3, "float16": 3e-3, "bfloat16": 2e-2}

STORED_TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
MAX_HEADER_BYTES = 100 << 20


class InputError(Exception):
    """Something that the user gave is wrong; the message says what and how to mend it."""


def read_safetensors(path):
    """All tensors of one file, by name."""
    content = bytearray(path.read_bytes())
    if len(content) < 8:
        raise InputError(f"{path}: expected a safetensors file, found {len(content)} bytes")
    (header_bytes,) = struct.unpack_from("<Q", content)
    if header_bytes > min(MAX_HEADER_BYTES, len(content) - 8):
        raise InputError(f"{path}: expected a header within the file, found one of {header_bytes} bytes")
    try:
        header = json.loads(content[8 : 8 + header_bytes])
    except ValueError as error:
        raise InputError(f"{path}: the header is no JSON: {error}") from error
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in STORED_TYPES:
            raise InputError(f"{path}: tensor '{name}': expected {', '.join(STORED_TYPES)}, found {entry['dtype']}")
        dtype = STORED_TYPES[entry["dtype"]]
        start, end = (8 + header_bytes + offset for offset in entry["data_offsets"])
        count = math.prod(entry["shape"])
        if end > len(content) or end - start != count * dtype.itemsize:
            raise InputError(f"{path}: tensor '{name}': expected {count * dtype.itemsize} bytes, found {end - start}, "
                             f"of which the file has {max(0, min(end, len(content)) - start)}")
        # A tensor may start anywhere; frombuffer wants whole elements from the start of its buffer.
        tensors[name] = torch.frombuffer(content[start:end], dtype=dtype).reshape(entry["shape"]) if count else \
            torch.empty(entry["shape"], dtype=dtype)
    return tensors


def read_checkpoint(folder):
    """All tensors of a model folder."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        return functools.reduce(lambda all, name: all | read_safetensors(folder / name), names, {})
    files = [folder / "model.safetensors"]
    if not files[0].exists():
        files = sorted(file for file in folder.glob("*.safetensors")
                       if file.stem not in ("features", "tokens"))
    if len(files) != 1:
        raise InputError(f"{folder}: expected model.safetensors, found {[file.name for file in files] or 'none'}")
    return read_safetensors(files[0])


def read_tensor(path, name):
    """One tensor of a file, as float32."""
    tensors = read_safetensors(path)
    if name not in tensors:
        raise InputError(f"{path}: expected a tensor '{name}', found {', '.join(sorted(tensors)) or 'none'}")
    return tensors[name].float()


class Weights:
    """Finds tensors under the names of the native layout and of published single-scope resamplers."""

    def __init__(self, folder, config):
        self._folder = folder
        self._tensors = read_checkpoint(folder)
        self._width = config["hidden_size"]
        candidates = [name[: -len("ln_kv.weight")] for name in self._tensors if name.endswith("ln_kv.weight")]
        if len(candidates) != 1:
            raise InputError(f"{folder}: expected one tensor '...ln_kv.weight', found {len(candidates)}")
        self._prefix = candidates[0]
        # Published checkpoints have ln_post and proj one level up.
        self._outer = self._prefix.removesuffix("attn_pool.")

    def find(self, name):
        """The tensor in double precision, or None."""
        tensor = self._tensors.get(self._prefix + name, self._tensors.get(self._outer + name))
        return None if tensor is None else tensor.double()

    def take(self, name, *shape):
        tensor = self.find(name)
        if tensor is None or tuple(tensor.shape) != shape:
            found = "no such tensor" if tensor is None else f"shape {list(tensor.shape)}"
            raise InputError(f"{self._folder}: tensor '{self._prefix}{name}': expected shape {list(shape)}, "
                             f"found {found}")
        return tensor

    def linear(self, name, outputs, inputs):
        return self.take(name + ".weight", outputs, inputs), self.take(name + ".bias", outputs)

    def norm(self, name):
        return self.take(name + ".weight", self._width), self.take(name + ".bias", self._width)

    def attention(self, scope, part):
        """Weight and bias of a scope's q, k or v projection."""
        width = self._width
        name = f"scopes.{scope}.attn."
        if self.find(name + "out_proj.weight") is None:
            name = "attn."
        if self.find(name + "in_proj_weight") is None:
            return self.linear(f"{name}{part}_proj", width, width)
        first = "qkv".index(part) * width
        return (self.take(name + "in_proj_weight", 3 * width, width)[first : first + width],
                self.take(name + "in_proj_bias", 3 * width)[first : first + width])

    def output(self, scope):
        name = f"scopes.{scope}.attn.out_proj"
        return self.linear(name if self.find(name + ".weight") is not None else "attn.out_proj", self._width,
                           self._width)

    def projection(self, output_size):
        weight = self.find("proj.weight")
        if weight is None and self.find("proj") is not None:
            weight = self.take("proj", self._width, output_size).T
        else:
            weight = self.take("proj.weight", output_size, self._width)
        return weight, self.find("proj.bias")


def anchors(query_count, patch_count):
    """Where queries stand along one axis, in patches."""
    return (torch.arange(query_count, dtype=torch.float64) + 0.5) * patch_count / query_count - 0.5


def sincos(y, x, width):
    """The sine-cosine embedding, column first, of positions y and x, [positions, width]."""
    omega = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    return torch.cat([f(position[:, None] * omega) for position in (x, y) for f in (torch.sin, torch.cos)], dim=1)


def window_ranges(query_count, patch_count, window, border, is_fraction):
    """First and past-last patch of each query along one axis, in integers."""
    if window is None:
        return [(0, patch_count)] * query_count
    extent = max(1, math.floor(window * patch_count + 0.5)) if is_fraction else int(window)
    if border == "shift":
        extent = min(extent, patch_count)
    ranges = []
    for query in range(query_count):
        # The window whose middle is nearest to the anchor; of two, the one nearer the grid's middle.
        first, rest = divmod((2 * query + 1) * patch_count - (extent - 1) * query_count, 2 * query_count)
        if rest == 0 and 2 * query + 1 > query_count:
            first -= 1
        if border == "shift":
            first = min(max(first, 0), patch_count - extent)
        ranges.append((max(first, 0), min(first + extent, patch_count)))
    return ranges


@dataclasses.dataclass
class Scope:
    """What the queries of a scope see of one grid."""

    rows: list  # for each query row the range of patch rows
    columns: list  # for each query column the range of patch columns
    row_bias: torch.Tensor | None  # [A, gh, H] of a Gaussian, else None
    column_bias: torch.Tensor | None  # [A, gw, W]
    grid: tuple

    @property
    def is_dense(self):
        height, width = self.grid
        return all(r == (0, height) for r in self.rows) and all(c == (0, width) for c in self.columns)

    @property
    def pair_count(self):
        return sum(b - a for a, b in self.rows) * sum(b - a for a, b in self.columns)

    def bias(self):
        """The Gaussian, [A, M, N]; None where the scope has none."""
        if self.row_bias is None:
            return None
        heads, query_rows, height = self.row_bias.shape
        _, query_columns, width = self.column_bias.shape
        bias = self.row_bias[:, :, None, :, None] + self.column_bias[:, None, :, None, :]
        return bias.reshape(heads, query_rows * query_columns, height * width)

    def sees(self):
        """Which patches each query sees, [M, N]."""
        height, width = self.grid
        rows = torch.tensor([[a <= i < b for i in range(height)] for a, b in self.rows])
        columns = torch.tensor([[a <= j < b for j in range(width)] for a, b in self.columns])
        return (rows[:, None, :, None] & columns[None, :, None, :]).reshape(len(rows) * len(columns), height * width)


def resolve_scope(config, scope, grid, log_sigma):
    height, width = grid
    query_rows, query_columns = config["query_grid"]
    is_fraction = scope.get("units", "patches") == "fraction"
    window = scope.get("window") or [None, None]
    border = scope.get("border", "clip")
    rows = window_ranges(query_rows, height, window[0], border, is_fraction)
    columns = window_ranges(query_columns, width, window[1], border, is_fraction)
    if scope["prior"] in ("none", "window"):
        return Scope(rows, columns, None, None, grid)
    if scope["prior"] != "gaussian":
        raise ValueError(f"scope prior {scope['prior']!r}: expected none, window or gaussian")
    sigma = torch.tensor([scope["sigma"]], dtype=torch.float64) if log_sigma is None else log_sigma.exp()
    if is_fraction:
        sigma = sigma * torch.tensor(grid, dtype=torch.float64)

    def axis(ranges, patch_count, sigma):
        # Relative to the nearest patch of the window, from integers in units of 1/(2 * queries): patches equally near
        # are exactly 0 apart, whatever the sigma.
        unit = 2 * len(ranges)
        excess = torch.zeros(len(ranges), patch_count, dtype=torch.float64)
        for query, (start, end) in enumerate(ranges):
            squares = [(unit * patch - (2 * query + 1) * patch_count + len(ranges)) ** 2 for patch in range(patch_count)]
            least = min(squares[start:end])
            excess[query] = torch.tensor([(square - least) / unit ** 2 for square in squares], dtype=torch.float64)
        bias = -excess / (2 * sigma[:, None, None] ** 2)
        return torch.where(excess == 0, 0.0, bias).clamp(min=torch.finfo(torch.float32).min / 4)

    return Scope(rows, columns, axis(rows, height, sigma[:, 0]), axis(columns, width, sigma[:, 1]), grid)


class DenseAttention(torch.nn.Module):
    """Over all patches, with a mask where the scope has one."""

    def __init__(self, scope, dtype):
        super().__init__()
        bias = scope.bias()
        mask = None
        if bias is not None:
            mask = bias.masked_fill(~scope.sees(), -math.inf).to(dtype)
        elif not scope.is_dense:
            mask = scope.sees()
        self.register_buffer("mask", mask)

    def forward(self, query, keys, values):
        """query [A, M, d], keys and values [B, N, A, d]; the weighted sums [B, M, A·d]."""
        batch = keys.shape[0]
        sums = F.scaled_dot_product_attention(query.expand(batch, -1, -1, -1), keys.transpose(1, 2),
                                              values.transpose(1, 2), attn_mask=self.mask)
        return sums.transpose(1, 2).flatten(2)


class WindowAttention(torch.nn.Module):
    """Over the gathered keys of each query's window; queries with windows of one size together."""

    def __init__(self, scope, dtype):
        super().__init__()
        groups = {}
        width = scope.grid[1]
        for row, (top, bottom) in enumerate(scope.rows):
            for column, (left, right) in enumerate(scope.columns):
                keys = [i * width + j for i in range(top, bottom) for j in range(left, right)]
                query = row * len(scope.columns) + column
                groups.setdefault((bottom - top, right - left), []).append((query, keys))
        bias = scope.bias()
        self.group_count = len(groups)
        order = []
        for index, group in enumerate(groups.values()):
            queries = torch.tensor([query for query, _ in group])
            keys = torch.tensor([keys for _, keys in group])
            order.append(queries)
            self.register_buffer(f"queries{index}", queries)
            self.register_buffer(f"keys{index}", keys)
            # [A, group, window] -> [group, A, 1, window]
            self.register_buffer(f"mask{index}", None if bias is None else
                                 bias[:, queries[:, None], keys].transpose(0, 1).unsqueeze(2).to(dtype))
        self.register_buffer("places", torch.cat(order).argsort())

    def forward(self, query, keys, values):
        batch, _, heads, size = keys.shape
        sums = []
        for index in range(self.group_count):
            queries = getattr(self, f"queries{index}")
            places = getattr(self, f"keys{index}")
            mask = getattr(self, f"mask{index}")
            # [B·group, A, window, d]; a group is a batch of one query each.
            group_keys = keys[:, places].flatten(0, 1).transpose(1, 2)
            group_values = values[:, places].flatten(0, 1).transpose(1, 2)
            group_queries = query[:, queries].transpose(0, 1).unsqueeze(2).repeat(batch, 1, 1, 1)
            if mask is not None:
                mask = mask.repeat(batch, 1, 1, 1)
            group_sums = F.scaled_dot_product_attention(group_queries, group_keys, group_values, attn_mask=mask)
            sums.append(group_sums.reshape(batch, len(queries), heads * size))
        return torch.cat(sums, dim=1)[:, self.places]


class FlexAttention(torch.nn.Module):
    """flex_attention with the windows as a block mask and the Gaussian as score_mod."""

    def __init__(self, scope, dtype, device):
        super().__init__()
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        self.flex_attention = flex_attention
        height, width = scope.grid
        columns = len(scope.columns)
        queries = len(scope.rows) * columns
        self.block_mask = None
        if not scope.is_dense:
            top, bottom = torch.tensor(scope.rows, device=device).unbind(1)
            left, right = torch.tensor(scope.columns, device=device).unbind(1)

            def sees(batch, head, query, key):
                row, column = query // columns, query % columns
                i, j = key // width, key % width
                return (i >= top[row]) & (i < bottom[row]) & (j >= left[column]) & (j < right[column])

            self.block_mask = create_block_mask(sees, B=None, H=None, Q_LEN=queries, KV_LEN=height * width,
                                                device=str(device))
        self.score_mod = None
        if scope.row_bias is not None:
            head_step = 0 if scope.row_bias.shape[0] == 1 else 1
            row_bias = scope.row_bias.float().to(device)
            column_bias = scope.column_bias.float().to(device)

            def add_prior(score, batch, head, query, key):
                row, column = query // columns, query % columns
                i, j = key // width, key % width
                return score + row_bias[head * head_step, row, i] + column_bias[head * head_step, column, j]

            self.score_mod = add_prior

    def forward(self, query, keys, values):
        sums = self.flex_attention(query.expand(keys.shape[0], -1, -1, -1), keys.transpose(1, 2),
                                   values.transpose(1, 2), score_mod=self.score_mod, block_mask=self.block_mask)
        return sums.transpose(1, 2).flatten(2)


class Resampler(torch.nn.Module):
    """The whole forward for images of one grid: features [B, N, C] to tokens [B, M, L]."""

    def __init__(self, config, weights, grid, attention, dtype, device, gather_limit):
        super().__init__()
        self.width = width = config["hidden_size"]
        self.heads = heads = config["num_attention_heads"]
        self.head_size = width // heads
        self.epsilon = config["layer_norm_eps"]
        self.scope_count = len(config["scopes"])
        share = config["share_kv"]
        self.key_scope_count = 1 if share else self.scope_count

        def keep(name, tensor):
            self.register_buffer(name, None if tensor is None else tensor.to(device, dtype).contiguous())

        vision = config["vision_hidden_size"]
        keep("kv_proj", None if vision == width and weights.find("kv_proj.weight") is None
             else weights.take("kv_proj.weight", width, vision))
        for name in ("ln_kv", "ln_post"):
            weight, bias = weights.norm(name)
            keep(name + "_weight", weight)
            keep(name + "_bias", bias)
        keys = [weights.attention(scope, "k") for scope in range(self.key_scope_count)]
        values = [weights.attention(scope, "v") for scope in range(self.key_scope_count)]
        for name, parts in (("k", keys), ("v", values)):
            keep(name + "_weight", torch.cat([weight for weight, _ in parts]))
            keep(name + "_bias", torch.cat([bias for _, bias in parts]))
        outputs = [weights.output(scope) for scope in range(self.scope_count)]
        keep("out_weight", torch.stack([weight for weight, _ in outputs]))
        keep("out_bias", torch.stack([bias for _, bias in outputs]))
        if self.scope_count > 1:
            gate = config["gate"]
            groups = heads if gate["granularity"] == "head" else 1
            for name, (weight, bias) in (
                ("fc1", weights.linear("gate.fc1", gate["hidden_size"], self.scope_count * width)),
                ("fc2", weights.linear("gate.fc2", self.scope_count * groups, gate["hidden_size"])),
            ):
                keep(name + "_weight", weight)
                keep(name + "_bias", bias)
        weight, bias = weights.projection(config["output_size"])
        keep("proj_weight", weight)
        keep("proj_bias", bias)

        key_positions, query_positions = self._positions(config, weights, grid)
        keep("key_positions", key_positions)
        queries = [self._queries(config, weights, scope, query_positions) for scope in range(self.scope_count)]
        keep("queries", torch.stack(queries))

        self.attentions = torch.nn.ModuleList()
        for index, scope_config in enumerate(config["scopes"]):
            scope = resolve_scope(config, scope_config, grid, weights.find(f"scopes.{index}.log_sigma"))
            is_small = not scope.is_dense and scope.pair_count <= gather_limit * grid[0] * grid[1]
            self.attentions.append(
                FlexAttention(scope, dtype, device) if attention == "flex"
                else WindowAttention(scope, dtype) if attention == "window" and is_small
                else DenseAttention(scope, dtype))
        self.to(device)

    @staticmethod
    def _positions(config, weights, grid):
        """What is added to Z before keys are projected, [N, D], and to queries, [M, D]; None where nothing is."""
        position = config["position_embedding"]
        width = config["hidden_size"]
        rows, columns = config["query_grid"]
        height, patch_columns = grid
        kind = position["type"]
        keys, queries = None, None
        if kind == "sincos2d":
            patch = torch.arange(height * patch_columns)
            keys = sincos((patch // patch_columns).double(), (patch % patch_columns).double(), width)
            query = torch.arange(rows * columns)
            queries = sincos(anchors(rows, height)[query // columns], anchors(columns, patch_columns)[query % columns],
                             width)
        elif kind == "stored":
            queries = weights.take("pos_embed", rows * columns, width)
            table = queries.float().reshape(1, rows, columns, width).permute(0, 3, 1, 2)
            keys = F.interpolate(table, size=grid, mode="bicubic", align_corners=False)
            keys = keys.permute(0, 2, 3, 1).reshape(height * patch_columns, width).double()
        elif kind != "none":
            raise InputError(f"position_embedding.type: expected sincos2d, stored or none, found {kind}")
        return keys if position.get("keys") else None, queries if position.get("queries") else None

    def _queries(self, config, weights, scope, positions):
        """A scope's projected queries, [A, M, d], in double precision."""
        count = math.prod(config["query_grid"])
        name = "query" if config["share_queries"] else f"scopes.{scope}.query"
        norm = F.layer_norm(weights.take(name, count, self.width), (self.width,), *weights.norm("ln_q"), self.epsilon)
        weight, bias = weights.attention(scope, "q")
        queries = F.linear(norm if positions is None else norm + positions, weight, bias)
        return queries.reshape(count, self.heads, self.head_size).transpose(0, 1)

    def forward(self, features):
        norm_shape = (self.width,)
        z = features if self.kv_proj is None else F.linear(features, self.kv_proj)
        z = F.layer_norm(z, norm_shape, self.ln_kv_weight, self.ln_kv_bias, self.epsilon)
        positioned = z if self.key_positions is None else z + self.key_positions
        shape = (*z.shape[:2], self.key_scope_count, self.heads, self.head_size)
        keys = F.linear(positioned, self.k_weight, self.k_bias).view(shape)
        values = F.linear(z, self.v_weight, self.v_bias).view(shape)
        branches = []
        for scope, attention in enumerate(self.attentions):
            own = min(scope, self.key_scope_count - 1)
            sums = attention(self.queries[scope], keys[:, :, own], values[:, :, own])
            branches.append(F.linear(sums, self.out_weight[scope], self.out_bias[scope]))
        return F.linear(self._fuse(branches), self.proj_weight, self.proj_bias)

    def _fuse(self, branches):
        fused = branches[0]
        if self.scope_count > 1:
            stacked = torch.stack(branches, dim=2)
            hidden = F.gelu(F.linear(stacked.flatten(2), self.fc1_weight, self.fc1_bias))
            logits = F.linear(hidden, self.fc2_weight, self.fc2_bias)
            gates = logits.unflatten(-1, (self.scope_count, -1)).softmax(dim=2)
            grouped = stacked.unflatten(-1, (gates.shape[-1], -1))
            fused = (gates.unsqueeze(-1) * grouped).sum(dim=2).flatten(2)
        return F.layer_norm(fused, (self.width,), self.ln_post_weight, self.ln_post_bias, self.epsilon)


@dataclasses.dataclass(frozen=True)
class Variant:
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


class Clock:
    """Times calls on one device."""

    def __init__(self, device, seconds):
        self._is_cuda = device.type == "cuda"
        self._seconds = seconds
        self._flushed = None
        if self._is_cuda:
            cache = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0) or 128 << 20
            self._flushed = torch.empty(2 * cache, dtype=torch.int8, device=device)

    def measure(self, call):
        """Milliseconds of a call: a dictionary of statistics by kind."""
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
    """The call as a CUDA graph: what replays it, and the tensor that holds the result."""
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
    """The largest relative L2 difference of an image."""
    difference = (actual.double().cpu() - expected.double()).flatten(1).norm(dim=1)
    return (difference / expected.double().flatten(1).norm(dim=1)).max().item()


@dataclasses.dataclass
class Job:
    """One model folder."""

    name: str
    config: dict
    weights: Weights
    features: torch.Tensor  # [1, H, W, C]
    tokens: torch.Tensor | None  # [1, M, L]

    @property
    def grid(self):
        return tuple(self.features.shape[1:3])


def open_job(folder, grid):
    folder = pathlib.Path(folder)
    path = folder / "config.json"
    if not path.exists():
        raise InputError(f"{folder}: expected a model folder with config.json; MsResampler.Perf models --out DIR "
                         "writes those of the benchmarks")
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if config.get("model_type") != "ms_resampler":
        raise InputError(f"{path}: model_type: expected ms_resampler, found {config.get('model_type')}")
    channels = config["vision_hidden_size"]
    feature_path, token_path = folder / "features.safetensors", folder / "tokens.safetensors"
    tokens = None
    if feature_path.exists():
        features = read_tensor(feature_path, "features")
        features = features[None] if features.dim() == 3 else features
        if features.dim() != 4 or features.shape[3] != channels:
            raise InputError(f"{feature_path}: expected [B,H,W,{channels}], found {list(features.shape)}")
        if grid and grid != tuple(features.shape[1:3]):
            raise InputError(f"--grid {grid[0]}x{grid[1]}: expected the grid of {feature_path}, "
                             f"{features.shape[1]}x{features.shape[2]}, or none")
        features = features[:1]
        if token_path.exists():
            tokens = read_tensor(token_path, "tokens")[:1]
            expected = (1, math.prod(config["query_grid"]), config["output_size"])
            if tuple(tokens.shape) != expected:
                raise InputError(f"{token_path}: expected {list(expected)}, found {list(tokens.shape)}")
    elif grid:
        features = torch.randn(1, *grid, channels, generator=torch.Generator().manual_seed(1))
    else:
        raise InputError(f"{folder}: there is no features.safetensors; give the patch grid as --grid HxW")
    return Job(folder.name, config, Weights(folder, config), features, tokens)


class Runner:
    """Runs every variant of every model."""

    def __init__(self, arguments):
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

    def run(self, job):
        for variant in VARIANTS:
            if variant.name not in self._arguments.variants:
                continue
            for batch in self._arguments.batch:
                torch.compiler.reset()
                self._run_variant(job, variant, batch)

    def _run_variant(self, job, variant, batch):
        row = {"model": job.name, "grid": f"{job.grid[0]}x{job.grid[1]}", "batch": batch,
               "dtype": self._arguments.dtype, "variant": variant.name, "graph": False}
        try:
            with torch.no_grad():
                self._measure(job, variant, batch, row)
        except InputError:
            raise
        # Whatever a variant cannot do on this machine (memory, no compiler, a head size that flex_attention refuses) is
        # that variant's result; the others are still of interest.
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self._add(row | {"status": "failed", "reason": reason[:300]})
        finally:
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _measure(self, job, variant, batch, row):
        model = Resampler(job.config, job.weights, job.grid, variant.attention, self._dtype, self._device,
                          self._arguments.gather_limit)
        features = job.features.flatten(1, 2).expand(batch, -1, -1).to(self._device, self._dtype).contiguous()
        function = model
        if variant.is_compiled:
            function = torch.compile(model, dynamic=False, fullgraph=True, mode=self._arguments.compile_mode)
        call = functools.partial(function, features)
        if not self._check(job, call(), row):
            return
        self._add(row | {"status": "ok", "ms": self._clock.measure(call)})
        if self._device.type == "cuda" and not self._arguments.no_graphs:
            replay, tokens = capture(call)
            row["graph"] = True
            replay()
            torch.cuda.synchronize()
            if self._check(job, tokens, row):
                self._add(row | {"status": "ok", "ms": self._clock.measure(replay)})

    def _check(self, job, tokens, row):
        """Whether the tokens are right; a wrong result becomes a row."""
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
        name = row["variant"] + (" graph" if row["graph"] else "")
        if row["status"] == "ok":
            outcome = f"{row['ms']['warm']['median']:.3f} ms"
        else:
            outcome = f"{row['status']}: {row['reason']}"
        print(f"{row['model']}, batch {row['batch']}, {row['dtype']}, {name}: {outcome}", file=sys.stderr)


def describe(arguments):
    """What the figures were measured on."""
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
        facts |= {"device": f"{platform.machine()} processor, {torch.get_num_threads()} threads; times say little"}
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
        "Times in ms: median (10th–90th percentile) of device time of calls that start on an idle device, with a warm "
        "and with a flushed second-level cache; queued: a call among many issued without waiting. Bold: the fastest "
        "way of a model and batch, which is the peer.",
        "",
        "| model | grid | batch | type | way | rel. L2 | warm | cold | queued |",
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
    """The engine's rows by model, batch and precision."""
    try:
        rows = json.loads(path.read_text())["rows"]
        return {(row["model"], row["batch"], row["precision"]): row["figures"] for row in rows if row["figures"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected what MsResampler.Perf gpu --json writes ({error!r})") from error


def compare(rows, engine):
    """The engine beside the peer, as Markdown and as rows for JSON."""
    lines = ["", "The engine beside the peer, device time in ms; ratio: the peer's over the engine's.", "",
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
                        help="of weights and activations; tf32 is float32 with TF32 products (default: float16)")
    parser.add_argument("--batch", nargs="+", type=positive(int), default=[1, 8, 64], metavar="N",
                        help="images in a call (default: 1 8 64)")
    parser.add_argument("--variants", nargs="+", choices=names, default=names, help="only these ways")
    parser.add_argument("--grid", type=parse_grid, metavar="HxW",
                        help="patch grid, for models without features.safetensors, whose results are then not checked")
    parser.add_argument("--gather-limit", type=positive(float), default=8, metavar="X",
                        help="'window' gathers keys where all windows together hold at most X times the patches; "
                             "other scopes take a mask (default: 8)")
    parser.add_argument("--compile-mode", default="default", choices=["default", "max-autotune-no-cudagraphs"],
                        help="of torch.compile (default: default; graphs are captured here, whatever the mode)")
    parser.add_argument("--no-graphs", action="store_true", help="do not time CUDA graphs")
    parser.add_argument("--seconds", type=positive(float), default=1, metavar="S", help="per measurement (default: 1)")
    parser.add_argument("--tolerance", type=positive(float), metavar="X",
                        help="relative L2 difference allowed from tokens.safetensors (default: "
                             + ", ".join(f"{name} {value:.0e}" for name, value in TOLERANCES.items()) + ")")
    parser.add_argument("--engine", type=pathlib.Path, metavar="FILE",
                        help="what MsResampler.Perf gpu --json wrote here: also show how the engine compares")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="write a table to this file")
    arguments = parser.parse_args(command)
    arguments.command = command
    return arguments


def main(command):
    arguments = parse_arguments(command)
    try:
        if arguments.device.startswith("cuda") and not torch.cuda.is_available():
            raise InputError("--device cuda: this PyTorch sees no CUDA device; --device cpu checks the arithmetic")
        engine = read_engine(arguments.engine) if arguments.engine else None
        jobs = [open_job(folder, arguments.grid) for folder in arguments.models]
        runner = Runner(arguments)
        for job in jobs:
            runner.run(job)
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
