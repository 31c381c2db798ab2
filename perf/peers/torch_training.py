#!/usr/bin/env python3
"""Trains a model in PyTorch for some steps: the model as a module whose parameters have the names and shapes of a
checkpoint, with autograd and torch.optim.AdamW.

    python3 perf/peers/torch_training.py DIR --out DIR [--steps N] [--rate R]

DIR is a model folder (config.json, model.safetensors) with a file batch.safetensors: features.0, features.1, ... of the
images, [H, W, C] each, and targets, [B, M, L]. The loss is the mean squared difference of tokens and targets. The folder
--out becomes a model folder with the trained weights; its file steps.safetensors holds the losses, the gradients of the
first step, of parameters as gradients.NAME and of features as gradients.features.0, ..., and the tokens after the last
step. Everything is computed in double precision. PyTorch 1.13 or later.
"""

import argparse
import json
import math
import pathlib
import shutil

import torch
import torch.nn.functional as F

from torch_checkpoint import read_checkpoint, read_safetensors, write_safetensors
from torch_scopes import anchors, resolve_scope, sincos


class Attention(torch.nn.Module):
    """The projections of a scope. Keys and values of scope 0 may serve all scopes."""

    def __init__(self, width, has_key_values):
        super().__init__()
        self.q_proj = torch.nn.Linear(width, width)
        if has_key_values:
            self.k_proj = torch.nn.Linear(width, width)
            self.v_proj = torch.nn.Linear(width, width)
        self.out_proj = torch.nn.Linear(width, width)


class ScopeBranch(torch.nn.Module):
    """A scope: its attention, its queries unless all scopes share them, and its sigmas if they are learned."""

    def __init__(self, config, index, learns_sigma):
        super().__init__()
        width = config["hidden_size"]
        self.attn = Attention(width, index == 0 or not config["share_kv"])
        if not config["share_queries"]:
            self.query = torch.nn.Parameter(torch.empty(math.prod(config["query_grid"]), width))
        if learns_sigma:
            self.log_sigma = torch.nn.Parameter(torch.empty(config["num_attention_heads"], 2))


class Gate(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        scopes, gate = len(config["scopes"]), config["gate"]
        groups = config["num_attention_heads"] if gate["granularity"] == "head" else 1
        self.scopes = scopes
        self.fc1 = torch.nn.Linear(scopes * config["hidden_size"], gate["hidden_size"])
        self.fc2 = torch.nn.Linear(gate["hidden_size"], scopes * groups)

    def forward(self, outputs):
        """Takes the outputs of all scopes, each [M, D]. Returns their weighted sum, [M, D]."""
        logits = self.fc2(F.gelu(self.fc1(torch.cat(outputs, dim=-1))))
        weights = logits.unflatten(-1, (self.scopes, -1)).softmax(dim=-2)  # [M, S, R]
        stacked = torch.stack(outputs, dim=-2).unflatten(-1, (weights.shape[-1], -1))  # [M, S, R, D/R]
        return (weights.unsqueeze(-1) * stacked).sum(dim=-3).flatten(-2)


class MsResampler(torch.nn.Module):
    """The model. state_dict() has the names and shapes of a checkpoint."""

    def __init__(self, config, names):
        """Takes config.json and the names of a checkpoint's tensors, which say what is optional in it."""
        super().__init__()
        self.config = config
        width, epsilon = config["hidden_size"], config["layer_norm_eps"]
        query_count = math.prod(config["query_grid"])
        if "kv_proj.weight" in names:
            self.kv_proj = torch.nn.Linear(config["vision_hidden_size"], width, bias=False)
        self.ln_kv = torch.nn.LayerNorm(width, epsilon)
        self.ln_q = torch.nn.LayerNorm(width, epsilon)
        self.ln_post = torch.nn.LayerNorm(width, epsilon)
        if "pos_embed" in names:
            self.pos_embed = torch.nn.Parameter(torch.empty(query_count, width))
        if config["share_queries"]:
            self.query = torch.nn.Parameter(torch.empty(query_count, width))
        self.scopes = torch.nn.ModuleList(ScopeBranch(config, index, f"scopes.{index}.log_sigma" in names)
                                          for index in range(len(config["scopes"])))
        if len(config["scopes"]) > 1:
            self.gate = Gate(config)
        self.proj = torch.nn.Linear(width, config["output_size"], bias="proj.bias" in names)
        self.double()

    def forward(self, features):
        """Takes the features of an image, [H, W, C]. Returns its tokens, [M, L]."""
        grid, x = features.shape[:2], features.flatten(0, 1)
        z = self.ln_kv(self.kv_proj(x) if hasattr(self, "kv_proj") else x)
        keys_input = z + self._key_positions(grid)
        outputs = [self._attend(index, keys_input, z, grid) for index in range(len(self.scopes))]
        return self.proj(self.ln_post(self.gate(outputs) if len(outputs) > 1 else outputs[0]))

    def _attend(self, index, keys_input, values_input, grid):
        scope, source = self.scopes[index], self.scopes[0 if self.config["share_kv"] else index].attn
        queries = self.ln_q(self.query if self.config["share_queries"] else scope.query)
        heads = self.config["num_attention_heads"]
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(0, 1) for x in (
            scope.attn.q_proj(queries + self._query_positions(grid)), source.k_proj(keys_input),
            source.v_proj(values_input)))
        prior = resolve_scope(self.config, self.config["scopes"][index], grid, getattr(scope, "log_sigma", None))
        logits = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        bias = prior.bias()
        if bias is not None:
            logits = logits + bias
        weights = logits.masked_fill(~prior.sees(), -math.inf).softmax(dim=-1)
        return scope.attn.out_proj((weights @ v).transpose(0, 1).flatten(1))

    def _positions(self, side):
        position = self.config["position_embedding"]
        return (position["type"] if position[side] else "none") if "type" in position else position.get(side, "none")

    def _key_positions(self, grid):
        kind, (height, width), depth = self._positions("keys"), grid, self.config["hidden_size"]
        if kind == "sincos2d":
            patch = torch.arange(height * width)
            return sincos(torch.div(patch, width, rounding_mode="floor").double(), (patch % width).double(), depth)
        if kind == "stored":
            table = self.pos_embed.reshape(1, *self.config["query_grid"], depth).permute(0, 3, 1, 2)
            table = F.interpolate(table, size=tuple(grid), mode="bicubic", align_corners=False)
            return table.permute(0, 2, 3, 1).reshape(height * width, depth)
        return torch.zeros((), dtype=torch.float64)

    def _query_positions(self, grid):
        kind, (rows, columns) = self._positions("queries"), self.config["query_grid"]
        if kind == "sincos2d":
            y, x = anchors(rows, grid[0]), anchors(columns, grid[1])
            return sincos(y.repeat_interleave(columns), x.repeat(rows), self.config["hidden_size"])
        return self.pos_embed if kind == "stored" else torch.zeros((), dtype=torch.float64)


def optimiser(model, rate):
    """AdamW that decays the matrices of linear layers, as MsResampler.Training does. PyTorch's default for epsilon,
    1e-8, would make a step of the sign of rounding errors where a gradient is 0."""
    matrices = [parameter for name, parameter in model.named_parameters()
                if name.endswith(".weight") and parameter.dim() == 2]
    others = [parameter for name, parameter in model.named_parameters()
              if not (name.endswith(".weight") and parameter.dim() == 2)]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                             lr=rate, betas=(0.9, 0.98), eps=1e-4)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rate", type=float, default=1e-2)
    arguments = parser.parse_args()

    config = json.loads((arguments.folder / "config.json").read_text())
    tensors = read_checkpoint(arguments.folder)
    batch = read_safetensors(arguments.folder / "batch.safetensors")
    targets = batch.pop("targets").double()
    images = [batch[f"features.{index}"].double().requires_grad_() for index in range(len(batch))]
    model = MsResampler(config, tensors.keys())
    model.load_state_dict({name: tensor.double() for name, tensor in tensors.items()})
    update = optimiser(model, arguments.rate)
    results, losses = {}, []
    for step in range(arguments.steps):
        update.zero_grad()
        loss = (torch.stack([model(image) for image in images]) - targets).square().mean()
        loss.backward()
        losses.append(loss.detach())
        if step == 0:
            named = dict(model.named_parameters()) | {f"features.{i}": image for i, image in enumerate(images)}
            results = {f"gradients.{name}": tensor.grad.clone() for name, tensor in named.items()}
        update.step()

    with torch.no_grad():
        results |= {"losses": torch.stack(losses), "tokens": torch.stack([model(image) for image in images])}
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_safetensors(arguments.out / "model.safetensors", model.state_dict())
    shutil.copy(arguments.folder / "config.json", arguments.out / "config.json")
    write_safetensors(arguments.out / "steps.safetensors", results)


if __name__ == "__main__":
    main()
