"""Predictions, guidance and noise of a clip that is longer than one context (see `contexts`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .contexts import Context, Contexts
from .guided import Guidance, GuidanceOptions, Predictors, context_gradient
from .schedule import Step
from .state import SamplerState


@dataclass(frozen=True)
class InContexts:
    """Runs the model on one context after the other and averages the results.

    The latents of the whole clip stay where they are, in main memory; only one context at a time is on `device`.
    check: called before each context; it may raise Cancelled.
    """

    contexts: Contexts
    device: torch.device
    check: Callable[[], None] = lambda: None

    def average(
        self, latents: Tensor, step: int, run: Callable[[Context, Tensor], tuple[Tensor, ...]]
    ) -> tuple[Tensor, ...]:
        """Returns the weighted means of what run(context, its latents [1, C, n, h, w]) returns, each like `latents`.

        The weights fall linearly to the ends of a context, where it knows the least about its neighborhood.
        """
        totals: list[Tensor] = []
        sums = torch.zeros(latents.shape[2], 1, 1, device=latents.device)
        for context in self.contexts.at(step):
            self.check()
            index = torch.tensor(context, device=latents.device)
            found = run(context, latents.index_select(2, index).to(self.device))
            totals = totals or [torch.zeros_like(latents) for _ in found]
            weights = _falling(len(context)).to(sums)
            sums.index_add_(0, index, weights)
            for total, one in zip(totals, found, strict=True):
                total.index_add_(2, index, weights * one.to(total))
        return tuple(total / sums for total in totals)

    def predictors(self, part: Callable[[Context], Predictors]) -> Predictors:
        """Returns the predictors of the whole clip. part: returns those of a context."""
        return Predictors(
            negative=lambda z, step: self.average(z, step.index, lambda c, one: (part(c).negative(one, step),))[0],
            positive=lambda z, step: self.average(z, step.index, lambda c, one: (part(c).positive(one, step),))[0],
            pair=lambda z, step: self.average(z, step.index, lambda c, one: part(c).pair(one, step)),
        )

    def denoise(self, denoise: Callable[..., Tensor], done: Callable[[], int]) -> Callable[..., Tensor]:
        """Returns a function of latents, timestep and text that predicts for the whole clip by `denoise`.

        done: returns the number of finished steps, which decides where the contexts are.
        """
        return lambda z, t, text: self.average(z, done(), lambda _, one: (denoise(one, t, text),))[0]

    def guidance(
        self, part: Callable[[Context, SamplerState], Guidance], options: GuidanceOptions, state: SamplerState
    ) -> Guidance:
        """Returns the guidance of the whole clip, by which each context is guided alone.

        part(context, state): returns that of a context; what it keeps in its `state` is kept for the whole clip in
        `state`, as an average too.
        """

        def guide(latents: Tensor, step: Step) -> tuple[Tensor, Tensor, float]:
            losses, kept = list[float](), dict[str, None]()

            def guide_one(context: Context, one: Tensor) -> tuple[Tensor, ...]:
                index = torch.tensor(context)
                mine = {name: state[name].index_select(2, index).to(self.device) for name in KEPT if name in state}
                own = SamplerState(mine)
                predicted, gradient, loss = part(context, own)(one, step)
                losses.append(loss)
                kept.update(dict.fromkeys(own))
                return predicted, context_gradient(gradient, step.ramp, options), *own.values()

            predicted, gradient, *averages = self.average(latents, step.index, guide_one)
            for name, value in zip(kept, averages, strict=True):
                state[name] = value
            return predicted, gradient, sum(losses) / len(losses)

        return guide


KEPT = ("unguided",)  # what guidance keeps in its state, in the shape of the latents


def in_average(options: GuidanceOptions, device: torch.device) -> GuidanceOptions:
    """Returns the options for the average of contexts, whose latents are on `device`.

    With score_form "relative" each context's gradient is limited before it is scaled to norm 1, and not again.
    """
    clamp = None if options.score_form == "relative" else options.score_clamp
    return replace(options, score_clamp=clamp, region=None if options.region is None else options.region.to(device))


def shared_noise(first: Tensor, contexts: Contexts, generator: torch.Generator) -> Tensor:
    """Returns the noise of a whole clip: the `first` context's own, then shuffles of it.

    FreeNoise (Qiu et al., arXiv:2310.15169, section 3.2): noise shared along time keeps the look the same throughout.
    """
    order = list(range(contexts.length))
    while len(order) < contexts.frames:
        begin = len(order) - contexts.length
        block = order[begin : begin + contexts.advance]
        order += [block[k] for k in torch.randperm(len(block), generator=generator).tolist()]
    return first[:, :, order[: contexts.frames]]


def _falling(length: int) -> Tensor:
    """The weights [length, 1, 1] of a context's frames: 1 at both ends."""
    rising = torch.arange(1.0, length + 1)
    return torch.minimum(rising, rising.flip(0)).view(-1, 1, 1)
