"""Where the queries of a scope look: positions, windows and Gaussian biases of one patch grid."""

import dataclasses
import math

import torch


def anchors(query_count, patch_count):
    """Positions of the queries along one axis, in patches."""
    return (torch.arange(query_count, dtype=torch.float64) + 0.5) * patch_count / query_count - 0.5


def sincos(y, x, width):
    """The sine-cosine embedding of positions (y, x), [positions, width]; the first half of the width encodes x."""
    omega = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    return torch.cat([f(position[:, None] * omega) for position in (x, y) for f in (torch.sin, torch.cos)], dim=1)


def window_ranges(query_count, patch_count, window, border, is_fraction):
    """The range [first, end) of patches that each query sees along one axis."""
    if window is None:
        return [(0, patch_count)] * query_count
    extent = max(1, math.floor(window * patch_count + 0.5)) if is_fraction else int(window)
    if border == "shift":
        extent = min(extent, patch_count)
    ranges = []
    for query in range(query_count):
        # The window's middle is as near as possible to the anchor; of two windows that are equally near, the one
        # nearer to the middle of the grid is taken. Integer arithmetic makes this exact.
        first, rest = divmod((2 * query + 1) * patch_count - (extent - 1) * query_count, 2 * query_count)
        if rest == 0 and 2 * query + 1 > query_count:
            first -= 1
        if border == "shift":
            first = min(max(first, 0), patch_count - extent)
        ranges.append((max(first, 0), min(first + extent, patch_count)))
    return ranges


@dataclasses.dataclass
class Scope:
    """The windows and biases of a scope on one grid."""

    rows: list  # the range of patch rows of each query row
    columns: list  # the range of patch columns of each query column
    row_bias: torch.Tensor | None  # of a Gaussian, [A, query rows, H]; A is 1 or the head count
    column_bias: torch.Tensor | None  # of a Gaussian, [A, query columns, W]
    grid: tuple

    @property
    def is_dense(self):
        height, width = self.grid
        return all(r == (0, height) for r in self.rows) and all(c == (0, width) for c in self.columns)

    @property
    def pair_count(self):
        return sum(b - a for a, b in self.rows) * sum(b - a for a, b in self.columns)

    def bias(self):
        """The bias of a Gaussian scope, [A, M, N]; None for other scopes."""
        if self.row_bias is None:
            return None
        heads, query_rows, height = self.row_bias.shape
        _, query_columns, width = self.column_bias.shape
        bias = self.row_bias[:, :, None, :, None] + self.column_bias[:, None, :, None, :]
        return bias.reshape(heads, query_rows * query_columns, height * width)

    def sees(self):
        """The mask of the patches that each query sees, [M, N]."""
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
        # Squared distances are integers in units of (1 / (2 * queries))², relative to the nearest patch of the
        # window. So patches at the same distance have exactly the same bias, for every sigma.
        unit = 2 * len(ranges)
        excess = torch.zeros(len(ranges), patch_count, dtype=torch.float64)
        for query, (start, end) in enumerate(ranges):
            squares = [(unit * patch - (2 * query + 1) * patch_count + len(ranges)) ** 2
                       for patch in range(patch_count)]
            least = min(squares[start:end])
            excess[query] = torch.tensor([(square - least) / unit ** 2 for square in squares], dtype=torch.float64)
        bias = -excess / (2 * sigma[:, None, None] ** 2)
        return torch.where(excess == 0, 0.0, bias).clamp(min=torch.finfo(torch.float32).min / 4)

    return Scope(rows, columns, axis(rows, height, sigma[:, 0]), axis(columns, width, sigma[:, 1]), grid)
