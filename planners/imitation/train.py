"""Training: samples in, one safetensors file and a JSON card beside it out; killed, it goes on from its last epoch."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from drive.errors import PlannerError
from planners.imitation.net import ImitationNet, Sees
from planners.imitation.windows import Windows

WEIGHTS, CARD, STATE = "imitation.safetensors", "imitation.json", "state.pt"


@dataclass(frozen=True)
class Config:
    """How to train. ``steps`` is the number of gradient steps, whatever the number of samples: sets of different size
    get the same training. ``past_dropout``: share of samples whose past speeds are replaced by the present one, so
    that the network does not just go on as before (causal confusion, de Haan et al. 2019)."""

    sees: Sees = "all"
    width: int = 128
    batch: int = 256
    steps: int = 12_000
    rate: float = 1.5e-3
    decay: float = 1e-4
    past_dropout: float = 0.5
    seed: int = 0

    @property
    def epochs(self) -> int:
        """Checkpoints are written at the end of each."""
        return max(1, self.steps // 1000)


def train_imitation(
    windows: Windows, config: Config, out: Path, about: dict[str, Any], report: Callable[[int, int, float], None]
) -> Path:
    """Train on the samples; ``report`` gets epoch, epochs and mean loss. Same samples and config, same weights.

    Raises:
        PlannerError: ``out`` holds a training with another config or of other samples.
    """
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    net = ImitationNet(config.sees, config.width)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=config.steps, pct_start=0.1)
    told = {"config": asdict(config), "windows": len(windows.arc), **about}
    first = _resume(out, told, net, optimizer, schedule)
    tensors = [torch.from_numpy(values) for values in (*windows.features, windows.arc, windows.lateral)]
    for epoch in range(first, config.epochs):
        rng = np.random.default_rng((config.seed, epoch))
        begin, end = (config.steps * number // config.epochs for number in (epoch, epoch + 1))
        losses = [_step(net, optimizer, schedule, tensors, config, rng) for _ in range(begin, end)]
        _save(out, told | {"epoch": epoch + 1, "loss": float(np.mean(losses))}, net, optimizer, schedule)
        report(epoch + 1, config.epochs, float(np.mean(losses)))
    return out / WEIGHTS


def _step(
    net: ImitationNet,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    tensors: list[Tensor],
    config: Config,
    rng: np.random.Generator,
) -> float:
    rows = torch.from_numpy(rng.integers(0, len(tensors[0]), config.batch))
    ego, past, route, lines, agents, arc, lateral = (values[rows] for values in tensors)
    forget = torch.from_numpy(rng.random(config.batch) < config.past_dropout)[:, None]
    past = torch.where(forget, ego[:, :1], past)
    planned, offset = net(ego, past, route, lines, agents)
    # a metre matters more when it is near
    weight = 1.0 / torch.arange(1, planned.shape[1] + 1)
    loss = (weight * nn.functional.smooth_l1_loss(planned, arc, reduction="none")).mean()
    loss = loss + nn.functional.smooth_l1_loss(offset, lateral)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    return float(loss.detach())


def _save(out: Path, card: dict[str, Any], net: ImitationNet, optimizer: Any, schedule: Any) -> None:
    """State, then weights, then the card: whatever is there has everything that it needs."""
    parts = {"net": net, "optimizer": optimizer, "schedule": schedule}
    state = {name: part.state_dict() for name, part in parts.items()} | {"card": card}
    torch.save(state, out / f"{STATE}.new")
    os.replace(out / f"{STATE}.new", out / STATE)
    # One entry only: safetensors writes several in random order, and equal weights are to give equal files.
    meta = json.dumps({"sees": card["config"]["sees"], "width": card["config"]["width"]})
    save_file(net.state_dict(), out / f"{WEIGHTS}.new", metadata={"net": meta})
    os.replace(out / f"{WEIGHTS}.new", out / WEIGHTS)
    (out / CARD).write_text(json.dumps(card, indent=2) + "\n")


def _resume(out: Path, told: dict[str, Any], net: ImitationNet, optimizer: Any, schedule: Any) -> int:
    if not (out / STATE).exists():
        return 0
    parts = torch.load(out / STATE, weights_only=True)
    for name, value in told.items():
        if parts["card"].get(name) != value:
            raise PlannerError(f"{out} holds a training with {name} {parts['card'].get(name)}, not {value}")
    net.load_state_dict(parts["net"])
    optimizer.load_state_dict(parts["optimizer"])
    schedule.load_state_dict(parts["schedule"])
    return int(parts["card"]["epoch"])


def read_weights(path: Path) -> ImitationNet:
    """The trained network of a file.

    Raises:
        PlannerError: The file cannot be read, or holds something else.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            meta = json.loads((file.metadata() or {})["net"])
        sees: Sees = "route" if meta["sees"] == "route" else "all"
        net = ImitationNet(sees, int(meta["width"]))
        net.load_state_dict(load_file(path))
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise PlannerError(
            f"{path} holds no weights of the imitation planner: {' '.join(str(error).split())}"
        ) from None
    return net.eval()
