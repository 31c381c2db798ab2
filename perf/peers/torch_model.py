"""The MS-Resampler model as PyTorch modules."""

import math

import torch
import torch.nn.functional as F

from torch_checkpoint import InputError
from torch_scopes import anchors, resolve_scope, sincos


class DenseAttention(torch.nn.Module):
    """Attention over all patches, with a mask for windows and Gaussians."""

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
        """Takes query [A, M, d] and keys and values [B, N, A, d]. Returns the weighted sums [B, M, A·d]."""
        batch = keys.shape[0]
        sums = F.scaled_dot_product_attention(query.expand(batch, -1, -1, -1), keys.transpose(1, 2),
                                              values.transpose(1, 2), attn_mask=self.mask)
        return sums.transpose(1, 2).flatten(2)


class WindowAttention(torch.nn.Module):
    """Attention over the gathered keys of each query's window. Queries with windows of one size form a group."""

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
            # [B·group, A, window, d]: each query of the group is an element of the batch.
            group_keys = keys[:, places].flatten(0, 1).transpose(1, 2)
            group_values = values[:, places].flatten(0, 1).transpose(1, 2)
            group_queries = query[:, queries].transpose(0, 1).unsqueeze(2).repeat(batch, 1, 1, 1)
            if mask is not None:
                mask = mask.repeat(batch, 1, 1, 1)
            group_sums = F.scaled_dot_product_attention(group_queries, group_keys, group_values, attn_mask=mask)
            sums.append(group_sums.reshape(batch, len(queries), heads * size))
        return torch.cat(sums, dim=1)[:, self.places]


class FlexAttention(torch.nn.Module):
    """flex_attention: windows are a block mask, Gaussians are a score_mod."""

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
    """The forward pass for images of one grid: features [B, N, C] to tokens [B, M, L]."""

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
        """Position tables that are added before the key projection, [N, D], and to the queries, [M, D], or None."""
        position = config["position_embedding"]
        width = config["hidden_size"]
        rows, columns = config["query_grid"]
        height, patch_columns = grid
        if "type" in position:
            sides = {side: position["type"] if position.get(side) else "none" for side in ("keys", "queries")}
        else:
            sides = {side: position.get(side, "none") for side in ("keys", "queries")}
        for side, kind in sides.items():
            if kind not in ("sincos2d", "stored", "none"):
                raise InputError(f"position_embedding.{side}: expected sincos2d, stored or none, found {kind}")
        stored = weights.take("pos_embed", rows * columns, width) if "stored" in sides.values() else None
        keys, queries = None, None
        if sides["keys"] == "sincos2d":
            patch = torch.arange(height * patch_columns)
            keys = sincos((patch // patch_columns).double(), (patch % patch_columns).double(), width)
        elif sides["keys"] == "stored":
            table = stored.float().reshape(1, rows, columns, width).permute(0, 3, 1, 2)
            keys = F.interpolate(table, size=grid, mode="bicubic", align_corners=False)
            keys = keys.permute(0, 2, 3, 1).reshape(height * patch_columns, width).double()
        if sides["queries"] == "sincos2d":
            query = torch.arange(rows * columns)
            queries = sincos(anchors(rows, height)[query // columns], anchors(columns, patch_columns)[query % columns],
                             width)
        elif sides["queries"] == "stored":
            queries = stored
        return keys, queries

    def _queries(self, config, weights, scope, positions):
        """The projected queries of a scope, [A, M, d], in double precision."""
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
