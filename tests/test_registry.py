"""Building components by name."""

from __future__ import annotations

import logging

import pytest

from ppocr.errors import ConfigError
from ppocr.registry import Registry
from ppocr.sections import Section


@pytest.fixture
def shapes() -> Registry:
    registry = Registry("shape")

    @registry.register()
    class Circle:
        def __init__(self, radius: float, unit: str = "cm", in_channels: int = 0) -> None:
            self.radius, self.unit, self.in_channels = radius, unit, in_channels

    @registry.register("Box", tasks=("rec",))
    class RecBox:
        pass

    @registry.register("Box", "Rectangle", tasks=("det",))
    class DetBox:
        pass

    return registry


def test_section_wins_over_context_and_context_over_defaults(shapes: Registry) -> None:
    circle = shapes.build({"name": "Circle", "radius": "2e-1", "unit": "mm"}, unit="m", in_channels=3, unasked=1)
    assert (circle.radius, circle.unit, circle.in_channels) == (0.2, "mm", 3)


def test_the_section_is_left_as_it_is(shapes: Registry) -> None:
    section = {"name": "Circle", "radius": "1"}
    assert shapes.build(section).radius == shapes.build(section).radius == 1.0
    assert section == {"name": "Circle", "radius": "1"}


def test_one_name_may_differ_between_tasks(shapes: Registry) -> None:
    assert shapes.build({"name": "Box"}, task="rec").__class__.__name__ == "RecBox"
    assert shapes.build({"name": "Rectangle"}, task="det").__class__.__name__ == "DetBox"
    with pytest.raises(ConfigError, match="exists for model_type det and rec, but not for cls"):
        shapes.build({"name": "Box"}, task="cls")


def test_unknown_name_tells_close_ones_and_the_place(shapes: Registry) -> None:
    section = Section({"name": "Cirle"}, path="Loss")
    section.origins["name"] = "my.yml:9"
    with pytest.raises(ConfigError) as caught:
        shapes.build(section)
    assert "Loss.name (my.yml:9)" in str(caught.value)
    assert "did you mean 'Circle'?" in str(caught.value)


def test_unknown_key_tells_close_ones(shapes: Registry) -> None:
    with pytest.raises(ConfigError, match="no argument 'radios'.*did you mean 'radius'"):
        shapes.build({"name": "Circle", "radios": 1})


def test_missing_argument_is_named(shapes: Registry) -> None:
    with pytest.raises(ConfigError, match="needs the argument 'radius'"):
        shapes.build({"name": "Circle"})


@pytest.mark.parametrize("section", [None, [], "Circle", {}, {"radius": 1}])
def test_a_section_must_name_its_component(shapes: Registry, section: object) -> None:
    with pytest.raises(ConfigError, match="name"):
        shapes.build(section)  # type: ignore[arg-type]


def test_an_annotation_for_type_checkers_only_leaves_the_others_checked(shapes: Registry) -> None:
    @shapes.register()
    class Polygon:
        def __init__(self, corners: int, colour: OnlyForTypeCheckers = None) -> None:  # type: ignore # noqa: F821
            self.corners, self.colour = corners, colour

    polygon = shapes.build({"name": "Polygon", "corners": "5", "colour": "red"})
    assert (polygon.corners, polygon.colour) == (5, "red")
    with pytest.raises(ConfigError, match="'many' has the wrong type"):
        shapes.build({"name": "Polygon", "corners": "many"})


def test_two_components_of_one_name_are_a_mistake(shapes: Registry) -> None:
    with pytest.raises(ValueError, match="registered twice"):

        @shapes.register("Circle")
        class Other:
            pass


def test_keys_without_effect_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry("optimizer")

    @registry.register()
    class Adadelta:
        pass

    section = Section({"name": "Adadelta", "momentum": 0.9}, path="Optimizer")
    section.origins["momentum"] = "peer.yml:31"
    with caplog.at_level(logging.INFO, logger="ppocr"):
        registry.build(section)
        registry.build(section)
    assert [record.getMessage().split(" (see")[0] for record in caplog.records] == [
        "Optimizer.momentum (peer.yml:31) has no effect here"]
