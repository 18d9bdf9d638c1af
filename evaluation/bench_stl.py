"""Lines of ``drive bench`` about STL: rates of one core times the number of workers, beside rtamt and stlcgpp.

The peers run in the same process on the same traces where they are installed, in fewer of them where they are slow.
"""

import importlib.util
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import Any

import torch
from torch import Tensor

from evaluation.bench import REPEATS, WORKERS, Line
from stl.grammar import parse
from stl.online import Monitor
from stl.robustness import robustness
from stl.text import to_rtamt

RESPONSE = "always ((distance > 2) implies (eventually[0:2] (speed < 5)))"
UNTIL = "(distance > 2) until[0:2] (speed < 5)"
WINDOW = 20  # samples of 2 s
BATCH = 1024


def stl_lines() -> Iterator[Line]:
    """Forward and with gradients, short traces and long ones; about twenty seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from _short()
        yield from _long()
        yield from _online()
        yield _memory()
    finally:
        torch.set_num_threads(before)


def _short() -> Iterator[Line]:
    traces = _traces(BATCH, 40)
    response, until = parse(RESPONSE), parse(UNTIL)
    ours = _rate(lambda: robustness(response, traces), BATCH, 20)
    name = f"robustness of always(p -> eventually[0:2] q), 40 samples, {BATCH} traces"
    yield from _beside(
        name, ours, {"rtamt": _rtamt(RESPONSE, traces, 16), "stlcgpp": _stlcgpp(_response, traces, BATCH)}
    )
    both = _rate(lambda: _descend(lambda given: robustness(response, given), traces), BATCH, 20)
    peer = _stlcgpp(_response, traces, BATCH, gradient=True)
    yield from _beside("  with gradients", both, {"stlcgpp": peer})
    ours = _rate(lambda: robustness(until, traces), BATCH, 20)
    peers = {"rtamt": _rtamt(UNTIL, traces, 4), "stlcgpp": _stlcgpp(_until, traces, 64)}
    yield from _beside("  of p until[0:2] q", ours, peers)


def _long() -> Iterator[Line]:
    traces = _traces(64, 2000)
    formula = parse(RESPONSE)
    ours = _rate(lambda: robustness(formula, traces), 64, 2)
    name = "robustness of always(p -> eventually[0:2] q), 2,000 samples"
    yield from _beside(name, ours, {"rtamt": _rtamt(RESPONSE, traces, 2), "stlcgpp": _stlcgpp(_response, traces, 1)})


def _online() -> Iterator[Line]:
    """One sample after the other, as while driving."""
    text = "(distance > 2) implies (eventually[0:2] (speed < 5))"
    traces = _traces(1, 2000)
    samples = [
        {"distance": float(d), "speed": float(s)}
        for d, s in zip(traces["distance"][0], traces["speed"][0], strict=True)
    ]
    monitor = Monitor(parse(text))

    def ours() -> None:
        monitor.reset()
        for sample in samples:
            monitor.update(sample)

    spent = 1e6 / _rate(ours, len(samples), 3) * WORKERS
    name = "online monitor of p -> eventually[0:2] q"
    if importlib.util.find_spec("rtamt") is None:
        yield Line(name, spent, "us/sample")
        return
    import rtamt

    peer = rtamt.StlDiscreteTimeOnlineSpecification()
    for signal in ("distance", "speed"):
        peer.declare_var(signal, "float")
    peer.spec = to_rtamt(parse(text))
    peer.set_sampling_period(100, "ms", 0.1)
    peer.parse()
    peer.pastify()
    clock = iter(range(10**9))

    def theirs() -> None:
        for sample in samples:
            peer.update(next(clock), list(sample.items()))

    peer_spent = 1e6 / _rate(theirs, len(samples), 1) * WORKERS
    yield Line(name, spent, "us/sample", "rtamt", peer_spent, peer_spent / spent)


def _memory() -> Line:
    """What evaluation takes beside the traces and the result."""
    traces, formula = _traces(256, 2000), parse(RESPONSE)
    robustness(formula, traces)
    tracemalloc.start()
    robustness(formula, traces)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    name = "memory of always(p -> eventually[0:2] q), 256 traces of 2,000 samples"
    return Line(name, peak / (256 * 2000), "bytes/sample")


def _traces(batch: int, samples: int) -> dict[str, Tensor]:
    noise = torch.Generator().manual_seed(0)
    return {name: 5.0 * torch.rand(batch, samples, generator=noise) + 1.0 for name in ("distance", "speed")}


def _rate(work: Callable[[], object], traces: int, calls: int) -> float:
    """Traces a second on all cores: CPU time of this process, median, after one call that is not counted."""
    work()
    spent = []
    for _ in range(REPEATS):
        began = time.process_time()
        for _ in range(calls):
            work()
        spent.append((time.process_time() - began) / calls)
    return WORKERS * traces / median(spent)


def _beside(name: str, ours: float, peers: Mapping[str, float | None]) -> Iterator[Line]:
    found = {peer: rate for peer, rate in peers.items() if rate is not None}
    if not found:
        yield Line(name, ours, "traces/s")
    for peer, rate in found.items():
        yield Line(name, ours, "traces/s", peer, rate, ours / rate)


def _descend(value: Callable[[dict[str, Tensor]], Tensor], traces: Mapping[str, Tensor]) -> None:
    given = {name: trace.detach().requires_grad_() for name, trace in traces.items()}
    value(given)[:, 0].sum().backward()


def _rtamt(text: str, traces: Mapping[str, Tensor], count: int) -> float | None:
    """Evaluations alone: the formula is parsed once."""
    if importlib.util.find_spec("rtamt") is None:
        return None
    import rtamt

    specification = rtamt.StlDiscreteTimeOfflineSpecification()
    for name in traces:
        specification.declare_var(name, "float")
    specification.spec = to_rtamt(parse(text))
    specification.set_sampling_period(100, "ms", 0.1)
    specification.parse()
    samples = next(iter(traces.values())).shape[1]
    some = [
        {"time": [0.1 * t for t in range(samples)], **{name: trace[i].tolist() for name, trace in traces.items()}}
        for i in range(count)
    ]
    return _rate(lambda: [specification.evaluate(one) for one in some], count, 1)


def _stlcgpp(
    make: Callable[[Any], Any], traces: Mapping[str, Tensor], count: int, gradient: bool = False
) -> float | None:
    if importlib.util.find_spec("stlcgpp") is None:
        return None
    from stlcgpp import formula as stlcgpp

    batched = torch.vmap(make(stlcgpp))
    some = {name: trace[:count] for name, trace in traces.items()}

    def value(given: dict[str, Tensor]) -> Tensor:
        result: Tensor = batched(torch.stack((given["distance"], given["speed"]), -1))
        return result

    calls = 5 if count > 1 else 1
    return _rate((lambda: _descend(value, some)) if gradient else (lambda: value(some)), count, calls)


def _response(stlcgpp: Any) -> Any:
    far, slow = _predicates(stlcgpp)
    return stlcgpp.Always(stlcgpp.Implies(far, stlcgpp.Eventually(slow, interval=[0, WINDOW])))


def _until(stlcgpp: Any) -> Any:
    far, slow = _predicates(stlcgpp)
    return stlcgpp.Until(far, slow, interval=[0, WINDOW])


def _predicates(stlcgpp: Any) -> tuple[Any, Any]:
    far = stlcgpp.Predicate("distance", predicate_function=lambda trace: trace[..., 0]) > 2.0
    slow = stlcgpp.Predicate("speed", predicate_function=lambda trace: trace[..., 1]) < 5.0
    return far, slow
