"""From the list of transforms in the configuration to one callable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ppocr.data.sample import Sample
from ppocr.errors import ConfigError, SampleError
from ppocr.registry import TRANSFORMS
from ppocr.sections import named_section, where


class Transform(Protocol):
    """One step: takes a sample and returns it; raises `SampleError` when the sample cannot be used."""

    def __call__(self, sample: Sample) -> Sample:
        """Return the changed sample."""


DrawExtra = Callable[[int], Sequence[Sample]]
"""Gives a number of other samples to a transform that needs them."""


class Pipeline:
    """Transforms, one after the other.

    Args:
        transforms: The steps. One with an attribute ``num_extra`` above 0 finds that many other samples (fewer, if
            they cannot be had) in ``sample["extra"]``. One with a method ``defer`` beside ``__call__`` is called by
            it if the next one has a true attribute ``takes_deferred``; see `ppocr.data.transforms.deferred`.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = tuple(transforms)
        self._num_extra = tuple(int(getattr(transform, "num_extra", 0)) for transform in transforms)
        self._before_next = tuple(
            getattr(transform, "defer", transform) if getattr(following, "takes_deferred", False) else transform
            for transform, following in zip(self.transforms, (*self.transforms[1:], None), strict=False)
        )

    def __len__(self) -> int:
        return len(self.transforms)

    @property
    def extra_at(self) -> int | None:
        """Position of the first transform that needs other samples; None if there is none."""
        return next((position for position, number in enumerate(self._num_extra) if number), None)

    def __call__(
        self, sample: Sample, draw_extra: DrawExtra | None = None, start: int = 0, stop: int | None = None
    ) -> Sample:
        """Run the transforms ``[start:stop]`` on `sample` and return it.

        Args:
            sample: The sample, which is changed.
            draw_extra: Where other samples come from; without it ``sample["extra"]`` is empty.
            start: First transform.
            stop: The transform before which to stop; None runs to the end.

        Raises:
            SampleError: A transform refused the sample (a user's transform may also return None for that).
        """
        positions = range(len(self))[start:stop]
        for position in positions:
            transform, number = self.transforms[position], self._num_extra[position]
            if number:
                sample["extra"] = draw_extra(number) if draw_extra else []
            # The last one of a part always finishes its work: what comes next may be anything.
            step = transform if position == positions[-1] else self._before_next[position]
            result: Sample | None = step(sample)
            if result is None:
                raise SampleError("dropped", f"the transform {type(transform).__name__} returned None")
            sample = result
            if number:
                sample.pop("extra", None)
        return sample


def build_transforms(entries: Any, **context: Any) -> Pipeline:
    """Build the list of transforms of a configuration.

    Args:
        entries: A list of ``{Name: arguments}``, with null for a transform without arguments. None is an empty list.
        context: Arguments that are supplied to each transform that takes them: ``charset``, ``max_text_length`` …

    Raises:
        ConfigError: An entry of another form, an unknown name, or wrong arguments; with the place.
    """
    if entries is None:
        return Pipeline([])
    if not isinstance(entries, (list, tuple)):
        raise ConfigError(f"{where(entries) if hasattr(entries, 'path') else 'transforms'}: {entries!r} is not a list",
                          expected="a list of {Name: arguments}", cure="write each transform as a list item")
    path, origins = getattr(entries, "path", "") or "transforms", getattr(entries, "origins", {})
    sections = [named_section(entry, path=f"{path}.{position}", origin=origins.get(str(position), ""))
                for position, entry in enumerate(entries)]
    return Pipeline([TRANSFORMS.build(section, **context) for section in sections])
