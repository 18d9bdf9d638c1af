"""Exact robustness of formulas over batches of traces, with gradients.

The value at every sample is that of rtamt's offline monitor in discrete time: windows are cut at both ends of the
trace, and over an empty window ``always`` is inf and ``eventually`` -inf.
"""

import threading
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from stl.errors import StlError, closest
from stl.formula import Formula
from stl.kernels import LANES, TILE, tiles
from stl.program import Program, compile_formula
from stl.text import to_text

DT = 0.1
"""Sampling period [s] where none is given."""

_kept = threading.local()


def robustness(formula: Formula, signals: Mapping[str, Tensor], dt: float = DT) -> Tensor:
    """Robustness at every sample; >= 0 where the formula holds.

    Time and memory grow linearly with batch and time, whatever the windows; equal sub-formulas are evaluated once.
    The gradient goes to the one sample that decides; of equal ones to the first. It can be taken once.

    Args:
        formula: Without parameters: :func:`stl.formula.bind` puts numbers in their place.
        signals: By name, each ``[batch, time]``, all of one shape, dtype (float32 or float64) and device, in the
            formula's own units. Signals that the formula does not name are not looked at but for the shape.
        dt: Sampling period [s].

    Returns:
        ``[batch, time]`` of the signals' dtype, on their device. The evaluation itself runs on the processor.

    Raises:
        StlError: A signal is missing, has another shape or holds NaN; arithmetic has no value; an interval is not a
            multiple of ``dt``.
    """
    program = compile_formula(formula, float(dt))
    used = check_signals(program.signals, signals)
    some = next(iter(signals.values()))
    if torch.is_grad_enabled() and any(signal.requires_grad for signal in used):
        result: Tensor = _Exact.apply(program, some, *used)
        return result
    return returned(run(program, pack(program, used, some), some)[0], some)


class _Exact(torch.autograd.Function):
    """Keeps the packed signals and nothing else; what decided is found again, tile by tile."""

    @staticmethod
    def forward(ctx: FunctionCtx, program: Program, some: Tensor, *signals: Tensor) -> Tensor:
        ctx.program, ctx.packed = program, pack(program, signals, some)  # type: ignore[attr-defined]
        return returned(run(program, ctx.packed, some)[0], some)  # type: ignore[attr-defined]

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, upstream: Tensor) -> tuple[Tensor | None, ...]:
        program: Program = ctx.program  # type: ignore[attr-defined]
        packed: np.ndarray = ctx.packed  # type: ignore[attr-defined]
        given = upstream.cpu().numpy()
        gradients = np.empty((len(program.signals), *given.shape), given.dtype)
        tiles.backward(
            packed,
            program.code,
            program.fills,
            program.checks,
            program.own_slots,
            program.constants,
            program.outputs[0],
            program.wanted,
            given,
            _scratch(2 * len(program.slots) + 4, packed, packed.dtype),
            _scratch(len(program.code) + 4, packed, np.dtype(np.int32)),
            gradients,
        )
        return None, None, *(returned(gradient, upstream) for gradient in gradients)


def check_signals(names: tuple[str, ...], signals: Mapping[str, Tensor]) -> list[Tensor]:
    """The signals of the given names, after a look at the shapes, types and devices of all signals.

    Raises:
        StlError: See :func:`robustness`.
    """
    first = None
    for name, signal in signals.items():
        if first is None:
            first = signal
            if signal.dtype not in (torch.float32, torch.float64):
                raise StlError(f"signal '{name}' is {signal.dtype}, expected float32 or float64")
            if signal.ndim != 2 or signal.shape[1] == 0:
                raise StlError(f"signal '{name}' has shape {list(signal.shape)}, expected [batch, time] with a sample")
        elif (signal.shape, signal.dtype, signal.device) != (first.shape, first.dtype, first.device):
            raise StlError(
                f"signal '{name}' is {list(signal.shape)} {signal.dtype} on {signal.device}, the others are "
                f"{list(first.shape)} {first.dtype} on {first.device}"
            )
    if first is None:
        raise StlError("no signal is given")
    for name in names:
        if name not in signals:
            raise StlError(f"no signal '{name}' is given", suggestion=closest(name, signals))
    return [signals[name] for name in names]


def pack(program: Program, used: "list[Tensor] | tuple[Tensor, ...]", some: Tensor) -> np.ndarray:
    """The program's signals in the layout of the kernels; ``some`` is any signal.

    Raises:
        StlError: A signal holds NaN.
    """
    batch, time = some.shape
    samples = program.before + time + program.after
    dtype = np.float32 if some.dtype == torch.float32 else np.float64
    lanes = max(1, min(batch, LANES, TILE // samples))
    packed = np.empty((-(-batch // lanes), len(used), samples, lanes), dtype)
    for number, signal in enumerate(used):
        found = tiles.pack(signal.detach().cpu().numpy(), packed, number, program.before)
        if found >= 0:
            trace, sample = divmod(found, time)
            raise StlError(
                f"signal '{program.signals[number]}' is NaN in trace {trace} of the batch at sample {sample}"
            )
    return packed


def run(program: Program, packed: np.ndarray, some: Tensor, whole: bool = False) -> np.ndarray:
    """Values of the program's outputs ``[outputs, batch, time]`` from packed signals.

    With ``whole``, time includes the samples that the program adds to the recording.

    Raises:
        StlError: Arithmetic has no value (0 / 0, the root of a negative number, inf - inf).
    """
    batch, time = some.shape
    first, length = (0, packed.shape[2]) if whole else (program.before, time)
    results = np.empty((len(program.outputs), batch, length), packed.dtype)
    for slots, size in ((program.slots, program.size), (program.own_slots, len(program.slots))):
        failed, trace, sample = tiles.forward(
            packed,
            program.code,
            program.fills,
            program.checks,
            slots,
            program.constants,
            program.outputs,
            program.before,
            time,
            first,
            _scratch(size + 4, packed, packed.dtype),
            results,
        )
        if failed < 0:
            return results
    node = program.sources[len(program.slots) - len(program.code) + failed]
    raise StlError(f"{to_text(node)} has no value in trace {trace} of the batch at sample {sample}")


def _scratch(rows: int, packed: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Memory for one tile ``[rows, samples, lanes]``, of any content.

    Each thread keeps its own from call to call: to get fresh pages from the system takes longer than the evaluation.
    """
    shape = (rows, *packed.shape[2:])
    size = int(np.prod(shape))
    kept: np.ndarray | None = getattr(_kept, dtype.name, None)
    if kept is None or len(kept) < size:
        kept = np.empty(size, dtype)
        setattr(_kept, dtype.name, kept)
    return kept[:size].reshape(shape)


def returned(values: np.ndarray, like: Tensor) -> Tensor:
    """The array as a tensor on the device of ``like``."""
    return torch.from_numpy(values).to(like.device)
