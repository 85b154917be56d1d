"""From the list of transforms in the configuration to one callable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ppocr.data.sample import Sample
from ppocr.errors import ConfigError, SampleError
from ppocr.registry import TRANSFORMS
from ppocr.sections import Section, where


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
            they cannot be had) in ``sample["extra"]``.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = tuple(transforms)
        self._num_extra = tuple(int(getattr(transform, "num_extra", 0)) for transform in transforms)

    def __len__(self) -> int:
        return len(self.transforms)

    @property
    def num_extra(self) -> int:
        """Largest number of other samples that a transform needs."""
        return max(self._num_extra, default=0)

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
        for transform, number in zip(self.transforms[start:stop], self._num_extra[start:stop], strict=True):
            if number:
                sample["extra"] = draw_extra(number) if draw_extra else []
            result: Sample | None = transform(sample)
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
    return Pipeline([TRANSFORMS.build(_section(entries, position), **context) for position in range(len(entries))])


def _section(entries: Any, position: int) -> Section:
    """Return the entry as a section with ``name``, which knows where it was written."""
    entry, place = entries[position], where(entries, position)
    if not isinstance(entry, Mapping) or len(entry) != 1:
        given = "several keys: " + ", ".join(map(str, entry)) if isinstance(entry, Mapping) and entry else repr(entry)
        raise ConfigError(f"{place}: a transform is written as {{Name: arguments}}, not as {given}",
                          expected="one key, such as '- RecAug: null' or '- KeepKeys: {keep_keys: [image]}'",
                          cure="give the transform its own list item; its arguments go below its name, indented")
    (name, arguments), = entry.items()
    if arguments is not None and not isinstance(arguments, Mapping):
        raise ConfigError(f"{where(entry, name) if hasattr(entry, 'path') else place}: the arguments of {name} are "
                          f"{arguments!r}", expected="a mapping, or null", cure="write them as {key: value}")
    path = getattr(arguments, "path", "") or f"{getattr(entries, 'path', '') or 'transforms'}.{position}.{name}"
    section = Section({**(arguments or {}), "name": str(name)}, path=path)
    section.origins = dict(getattr(arguments, "origins", {}))
    section.origins["name"] = (getattr(entry, "origins", {}).get(name)
                               or getattr(entries, "origins", {}).get(str(position), ""))
    return section
