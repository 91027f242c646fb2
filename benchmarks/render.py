"""How many pictures a second the simulator renders: ``python -m benchmarks.render [--json]``.

Method. Each repeat renders the same mixed scenes (all classes, 1 to 3 confounders each, all five
sites in turn) after a warm-up that is thrown away; scenes are drawn once, before. Reported are the
median over repeats with the quartiles, of wall-clock time and of processor time: on a busy machine
only the latter says what a picture costs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time

import torch

from deconfound.simulation import SITES, Scenes, render, sample_classes, sample_strengths


def measure(size: int, count: int, repeats: int) -> dict[str, float | int | str]:
    """Render ``count`` pictures of every site, ``repeats`` times.

    Args:
        size: pixels along each side.
        count: pictures of each site in one repeat.
        repeats: how often; the warm-up comes on top.
    """
    work = []
    for site in SITES:
        classes = sample_classes(0, range(count), site)
        scenes = Scenes.sample(0, range(count), site, classes)
        work.append((scenes, sample_strengths(0, range(count), site, classes)))
    walls, costs = [], []
    for repeat in range(repeats + 1):
        wall, cost = time.perf_counter(), time.process_time()
        for scenes, strengths in work:
            render(scenes, strengths, size)
        if repeat:
            walls.append(time.perf_counter() - wall)
            costs.append(time.process_time() - cost)
    total = count * len(SITES)
    low, middle, high = statistics.quantiles([total / wall for wall in walls], n=4)
    return {
        "images_per_second": round(middle, 1),
        "quartile_low": round(low, 1),
        "quartile_high": round(high, 1),
        "cpu_ms_per_image": round(1000 * statistics.median(costs) / total, 3),
        "size": size,
        "images_per_repeat": total,
        "repeats": repeats,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count() or 0,
        "load_before": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def main() -> None:
    """Read the flags and print the measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.render", description=__doc__)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--count", type=int, default=64, help="pictures of each site in one repeat")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    flags = parser.parse_args()
    if flags.repeats < 2 or flags.count < 1:
        parser.error("--repeats must be 2 or more and --count 1 or more")
    result = measure(flags.size, flags.count, flags.repeats)
    if flags.json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        print(f"{key:>18}  {value}")


if __name__ == "__main__":
    main()
