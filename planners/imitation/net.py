"""The network: agents are pooled, everything else is stacked; it answers with speeds and offsets along the path."""

from typing import Literal

import torch
from torch import Tensor, nn

from planners.imitation.features import AGENT_COLUMNS, EGO_COLUMNS, LINES, PAST, ROUTE_COLUMNS, ROUTE_ROWS
from planners.imitation.windows import PLAN_STEPS

Sees = Literal["all", "route"]
DT = 0.5
ACCELERATION = 4.0  # m/s2, the largest change of speed it can ask for
OFFSET = 4.0  # m
FREE = 10.0  # a line that is not there, as the features say it


class ImitationNet(nn.Module):
    """Set encoder for agents (max-pooled MLP, after PointNet), then an MLP.

    ``sees="route"`` gets the same inputs with agents, lights and signs blanked: only the ego's past and the route.
    """

    def __init__(self, sees: Sees = "all", width: int = 128) -> None:
        super().__init__()
        self.sees = sees
        self.agent = nn.Sequential(nn.Linear(AGENT_COLUMNS, 64), nn.ReLU(), nn.Linear(64, 96), nn.ReLU())
        inputs = EGO_COLUMNS + PAST + ROUTE_ROWS * ROUTE_COLUMNS + LINES + 96
        self.head = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2 * PLAN_STEPS)
        )

    def forward(self, ego: Tensor, past: Tensor, route: Tensor, lines: Tensor, agents: Tensor) -> tuple[Tensor, Tensor]:
        """Arc and lateral offset ``[B, 8]`` [m] on the path, every 0.5 s, of :class:`Features` as tensors."""
        if self.sees == "route":
            agents, lines = torch.zeros_like(agents), torch.full_like(lines, FREE)
        there = agents[..., :1]
        pooled = (self.agent(agents) * there).amax(dim=1)
        out = self.head(torch.cat((ego, past, route.flatten(1), lines, pooled), dim=1))
        change, offset = out.split(PLAN_STEPS, dim=1)
        now = 10.0 * ego[:, :1]
        speed = torch.relu(now + torch.cumsum(ACCELERATION * DT * torch.tanh(change), dim=1))
        before = torch.cat((now, speed[:, :-1]), dim=1)
        arc = torch.cumsum(0.5 * DT * (before + speed), dim=1)
        return arc, OFFSET * torch.tanh(offset)
