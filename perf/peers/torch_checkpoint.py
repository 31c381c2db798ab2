"""Reads model folders: config.json, safetensors checkpoints, and features and tokens to check a model with."""

import dataclasses
import functools
import json
import math
import pathlib
import struct

import torch

STORED_TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
MAX_HEADER_BYTES = 100 << 20


class InputError(Exception):
    """Input from the user is invalid; the message says what was expected and found."""


def read_safetensors(path):
    """Reads all tensors of a file. Returns them by name."""
    content = bytearray(path.read_bytes())
    if len(content) < 8:
        raise InputError(f"{path}: expected a safetensors file, found {len(content)} bytes")
    (header_bytes,) = struct.unpack_from("<Q", content)
    if header_bytes > min(MAX_HEADER_BYTES, len(content) - 8):
        raise InputError(f"{path}: expected a header that ends within the file, found {header_bytes} bytes")
    try:
        header = json.loads(content[8 : 8 + header_bytes])
    except ValueError as error:
        raise InputError(f"{path}: expected a JSON header, found: {error}") from error
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in STORED_TYPES:
            raise InputError(f"{path}: tensor '{name}': expected {', '.join(STORED_TYPES)}, found {entry['dtype']}")
        dtype = STORED_TYPES[entry["dtype"]]
        start, end = (8 + header_bytes + offset for offset in entry["data_offsets"])
        count = math.prod(entry["shape"])
        size = count * torch.finfo(dtype).bits // 8  # PyTorch 1.13 has no dtype.itemsize
        if end > len(content) or end - start != size:
            raise InputError(f"{path}: tensor '{name}': expected {size} bytes, found {end - start}, "
                             f"{max(0, min(end, len(content)) - start)} of them within the file")
        # frombuffer needs an aligned start; a tensor may start at any byte of the file, so its bytes are copied.
        tensors[name] = torch.frombuffer(content[start:end], dtype=dtype).reshape(entry["shape"]) if count else \
            torch.empty(entry["shape"], dtype=dtype)
    return tensors


def write_safetensors(path, tensors):
    """Writes tensors by name, as safetensors.torch.save_file does, to a file that appears complete or not at all."""
    names = {dtype: name for name, dtype in STORED_TYPES.items()}
    header, parts, start = {}, [], 0
    for name, tensor in tensors.items():
        parts.append(tensor.detach().cpu().contiguous().numpy().tobytes())
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [start, start + len(parts[-1])]}
        start += len(parts[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(b"".join([struct.pack("<Q", len(text)), text, *parts]))
    temporary.replace(path)


def read_checkpoint(folder):
    """Reads all tensors of a model folder. Returns them by name."""
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
    """Reads one tensor of a file, as float32."""
    tensors = read_safetensors(path)
    if name not in tensors:
        raise InputError(f"{path}: expected a tensor '{name}', found {', '.join(sorted(tensors)) or 'none'}")
    return tensors[name].float()


class Weights:
    """The tensors of a model, in the native layout or in that of published single-scope resamplers."""

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
        """Returns the tensor in double precision, or None."""
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
        """Returns weight and bias of a scope's q, k or v projection."""
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


@dataclasses.dataclass
class Job:
    """A model with the features to run it on."""

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
                         "writes the models of the benchmarks")
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
