"""Scalars as the network reads them: piecewise linear between quantiles of the log."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["PiecewiseLinear"]

KNOTS = 8


class PiecewiseLinear(nn.Module):
    """Piecewise-linear encoding of scalars between quantiles of the log (Gorishniy et al. 2022); NaN gives zero."""

    def __init__(self, n_scalars: int, width: int) -> None:
        super().__init__()
        self.borders: Tensor
        self.register_buffer("borders", torch.linspace(-1, 1, KNOTS).repeat(n_scalars, 1))
        self.out = nn.Linear(n_scalars * KNOTS, width, bias=False)

    def learn_borders(self, values: Tensor) -> None:
        """Quantiles of the values, (n, n_scalars), as borders; scalars that are never known keep theirs."""
        for row, column in zip(self.borders, values.T, strict=True):
            known = column[~column.isnan()]
            if len(known):
                row.copy_(torch.quantile(known[:1_000_000].double(), torch.linspace(0, 1, KNOTS).double()))

    def forward(self, x: Tensor) -> Tensor:
        """(..., n_scalars) to (..., C)."""
        begin, end = self.borders[:, :-1], self.borders[:, 1:]
        part = ((x[..., None] - begin) / (end - begin).clamp(min=1e-6)).clamp(0, 1)  # (..., n_scalars, knots - 1)
        known = ~x.isnan()[..., None]
        code = torch.cat([known.to(part.dtype), torch.where(known, part, 0.0)], dim=-1)
        encoded: Tensor = self.out(code.flatten(-2))
        return encoded
