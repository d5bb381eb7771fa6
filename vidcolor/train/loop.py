"""The training loop, top to bottom: data, network, optimiser, steps, checkpoints.

A batch is a function of the seed and the step's number alone, so a run that was killed continues
from its last checkpoint with the very batches it would have seen, and ends with the very weights:
bit by bit on a CPU, while a GPU adds in an order of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from vidcolor.device import OutOfMemory, describe, pick_dtype
from vidcolor.errors import DeviceError, ModelError, SettingsError
from vidcolor.textfile import write_text, writing
from vidcolor.train.batches import batches
from vidcolor.train.costs import Costs, terms_of
from vidcolor.train.critic import Adversary
from vidcolor.train.heldout import HeldOut
from vidcolor.train.interruption import Interruption
from vidcolor.train.journal import Log
from vidcolor.train.known import find_out
from vidcolor.train.network import (
    build_net,
    check_start,
    color_loss,
    follow,
    freeze_norms,
    prepare,
)
from vidcolor.train.optimiser import build_optimiser, rate_at
from vidcolor.train.photos import PhotoSet
from vidcolor.train.ranks import Ranks, joined
from vidcolor.train.recipe import Recipe
from vidcolor.train.results import Results
from vidcolor.train.saved import State, Trained, restore, save
from vidcolor.train.sets import photo_sets
from vidcolor.train.shares import Shares

_STALL = 10.0
"""Seconds: a step that seems longer than this was suspended, and does not use up the minutes."""


def train(recipe: Recipe, log: Log = print, photos: PhotoSet | None = None) -> Path:
    """Train, or continue training, as the recipe says; on ``photos`` alone, where they are given.

    Returns the path of the final weights; of the checkpoint to go on from, where ``stop_after``
    ended the call before the schedule was done, though weights are written then too. Started by
    torchrun, this is one of several processes on one run.

    Ctrl-C and SIGTERM end it behind the step they come in, with a checkpoint of it; a second one
    ends it at once, and so does the first where there are several processes.

    Raises SourceError when there are no photos, ModelError when weights do not fit or the loss is
    lost, TargetError when the run's folder cannot be written and DeviceError when memory is full.
    """
    with joined(recipe.device) as ranks, _folder(recipe, ranks), _torch_as_it_was():
        try:
            return _train(recipe, ranks, log if ranks.first else lambda line: None, photos)
        except OutOfMemory as error:
            raise DeviceError(
                f"{describe(ranks.device)}: not enough memory for these batches; make those in "
                "stages smaller, or set resident = 'off'"
            ) from error


@contextmanager
def _folder(recipe: Recipe, ranks: Ranks) -> Iterator[None]:
    """Make the run's folder; it is gone again where it was new and nothing came of the run."""
    if not ranks.first:
        yield
        return
    run = Path(recipe.run)
    new = not run.exists()
    with writing(run, "run"):
        run.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if new:
            # Refuses while it holds anything.
            with suppress(OSError):
                run.rmdir()


@contextmanager
def _torch_as_it_was() -> Iterator[None]:
    """Whoever called has torch's threads again as they were, and its choice of ways."""
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark


def _train(recipe: Recipe, ranks: Ranks, log: Log, given: PhotoSet | None) -> Path:
    called = time.monotonic()
    device, dtype = ranks.device, pick_dtype(ranks.device)
    on_cpu = device.type == "cpu"
    # On a CPU the threads divide the batch, not each operation: see `Shares`.
    torch.set_num_threads(1 if on_cpu else recipe.threads)
    # Sizes change but once or twice in a run: time to find out what is fastest for each.
    torch.backends.cudnn.benchmark = not on_cpu
    rows = ranks.rows(recipe.stages)
    run = Path(recipe.run)
    check_start(recipe)
    photos, held = (given, None) if given else photo_sets(recipe, recipe.threads)
    log(
        f"{len(photos.images)} photos, {len(held.images) if held else 0} held out; "
        f"left out {photos.left_out}"
    )
    where = f"{ranks.count} × {describe(device)}" if ranks.count > 1 else describe(device)
    log(f"training on {where} in {str(dtype).removeprefix('torch.')}")
    known = ranks.in_turn(lambda: find_out(recipe, photos, device, log))
    # Only now: what was found out, or found in a cache, may have drawn numbers of its own.
    torch.manual_seed(recipe.seed)
    net = build_net(recipe, photos, known.kinds).to(device)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = deepcopy(net).eval().requires_grad_(False)
    optimiser, factors = build_optimiser(net, recipe)
    adversary = Adversary(recipe, device) if recipe.adversarial else None
    trained = Trained(net, average, optimiser, terms_of(recipe), adversary)
    state, sums = State(), torch.zeros(len(trained.terms), device=device)
    last = run / "last.pt"
    goes_on = last.is_file()
    if not ranks.alike(float(goes_on)):
        raise _unshared(last)
    if goes_on:
        state, saved_sums = restore(last, trained)
        sums.copy_(saved_sums)
        if not ranks.alike(float(state.step)):
            raise _unshared(last)
        log(f"continuing from step {state.step}")
    elif recipe.start_from:
        log(f"starting from {recipe.start_from}")
    else:
        prepare(net, photos, recipe, device)
        average.load_state_dict(net.state_dict())
    if ranks.first:
        # Only now: what lies there tells of a run that was begun, and that this one may not fit.
        write_text(run / "recipe.json", json.dumps(asdict(recipe), indent=1), "recipe")
    ranks.agree(net, average, *([adversary.critic] if adversary else []))
    freeze_norms(net)
    costs = Costs(recipe, color_loss(recipe, net, photos), known, adversary, device, dtype)
    judge = HeldOut(held, recipe.val_photos) if held else None
    painted = judge or HeldOut(photos, 8)

    begun, stopped, clock = state.step, False, time.monotonic()
    progress = _progress(state.step, state.spent, recipe)
    with ExitStack() as stack:
        stream = batches(
            begun, photos, recipe, device, lambda step: _progress(step, state.spent, recipe), rows
        )
        stack.enter_context(closing(stream))
        results = Results(run, recipe, ranks, trained, dtype, log, state)
        stack.enter_context(closing(results))
        interruption = Interruption()
        if ranks.count == 1:
            stack.enter_context(interruption)
        shares = stack.enter_context(Shares(net, recipe.threads if on_cpu else 1))
        for step, batch in stream:
            if interruption.came:
                _save_sound(last, state, sums, trained)
                log(f"kept step {state.step} in {last}; the same command goes on from there")
                interruption.go_on()
            if progress >= 1 or stopped or _given_up(state, recipe):
                break
            rate = rate_at(step, progress, recipe)
            rests = False
            if adversary is not None:
                costs.opposed = adversary.opposes(progress)
                rests = adversary.learns(progress) and not costs.opposed
            if rests:
                terms = costs.look(net, batch)
            else:
                for group, factor in zip(optimiser.param_groups, factors, strict=True):
                    group["lr"] = rate * factor
                terms = shares.backward(costs, batch)
                ranks.average(net)
                if ranks.count > 1:
                    shares.take_norms()
                nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                follow(average, net, min(recipe.ema, (1 + step) / (10 + step)))
            if adversary is not None and adversary.learns(progress):
                terms = terms + costs.teach_critic(net, batch)
                ranks.average(adversary.critic)
                adversary.step(rate)

            sums += terms
            state.step = step + 1
            state.counted += 1
            seen = state.images
            state.images += len(batch.number) * ranks.count
            now = time.monotonic()
            state.spent += min(now - clock, _STALL)
            clock = now
            if recipe.minutes:
                state.spent = ranks.told(state.spent)
            progress = _progress(state.step, state.spent, recipe)
            if recipe.stop_after:
                waited = time.monotonic() - called
                stopped = ranks.told(waited) >= 60 * recipe.stop_after and progress < 1

            if state.step % recipe.log_every == 0:
                results.mark(state, ranks.mean(sums), progress, rate, batch.lightness.shape[-1])
                sums.zero_()
                state.counted = 0
            if judge and state.step % recipe.val_every == 0:
                results.validate(state, judge)
            if _sheet_due(state, seen, len(photos.images), recipe):
                results.sheet(state.step, painted)
            if state.step % recipe.save_every == 0 and ranks.first:
                _save_sound(last, state, sums, trained)
        if judge and not stopped:
            results.validate(state, judge)
        if state.step > begun and ranks.first:
            _save_sound(last, state, sums, trained)
        if recipe.sheet_every or recipe.sheet_epochs:
            results.sheet(state.step, painted)
        counts = {
            "photos": len(photos.images),
            "held_out": len(held.images) if held else 0,
            "unreadable": photos.unreadable,
            "grey": photos.grey,
            "excluded": photos.unwanted,
            "small": photos.small,
        }
        weights = results.finish(state, counts)
    if stopped:
        log(
            f"stopped after {recipe.stop_after:g} minutes, at step {state.step} "
            f"({progress:.1%}): give the same command to go on"
        )
        return last
    return weights


def _unshared(last: Path) -> SettingsError:
    return SettingsError(
        f"{last}: not the same for every process; on several machines the run's folder must be one "
        "that all of them see"
    )


def _given_up(state: State, recipe: Recipe) -> bool:
    return bool(recipe.patience) and state.stale >= recipe.patience


def _sheet_due(state: State, seen: int, photos: int, recipe: Recipe) -> bool:
    """``seen`` are the crops that had been seen before this step."""
    if recipe.sheet_epochs:
        span = recipe.sheet_epochs * photos
        return state.images // span > seen // span
    return bool(recipe.sheet_every) and state.step % recipe.sheet_every == 0


def _save_sound(path: Path, state: State, sums: Tensor, trained: Trained) -> None:
    """Save, unless the loss has become infinite: the checkpoint before it is worth keeping."""
    if not (bool(sums.isfinite().all()) and trained.sound()):
        raise ModelError(
            f"{path}: the loss is no longer a number at step {state.step}; nothing was saved since "
            "the last checkpoint. Give the same command with a lower rate in the recipe"
        )
    save(path, state, sums, trained)


def _progress(step: int, spent: float, recipe: Recipe) -> float:
    by_time = spent / (60 * recipe.minutes) if recipe.minutes > 0 else 0.0
    return max(step / recipe.steps, by_time)
