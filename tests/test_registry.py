"""Names for configuration files."""

from __future__ import annotations

import pytest

from deconfound.errors import ConfigurationError, UnknownNameError
from deconfound.registry import Registry


@pytest.fixture
def shapes() -> Registry:
    registry = Registry("shape", "deconfound.test-shapes")

    @registry.register("circle")
    class Circle:
        def __init__(self, radius: float, colour: str = "red") -> None:
            self.radius, self.colour = abs(radius), colour

    @registry.register("point")
    class Point:
        pass

    return registry


def test_build_by_name_by_mapping_and_with_what_the_surroundings_offer(shapes) -> None:
    assert type(shapes.build("point", radius=3)).__name__ == "Point"
    assert shapes.build("circle", radius=3, unheard_of=1).radius == 3
    assert shapes.build({"name": "circle", "radius": 5}, radius=3).radius == 5


def test_what_a_constructor_takes_is_known_without_building_it(shapes) -> None:
    assert list(shapes.parameters("circle")) == ["radius", "colour"]
    assert shapes.parameters("circle")["colour"].default == "red"
    with pytest.raises(UnknownNameError, match="did you mean circle"):
        shapes.parameters("cirle")


def test_the_name_of_an_instance_finds_its_class_again(shapes) -> None:
    assert shapes.name_of(shapes.build("circle", radius=1)) == "circle"
    assert list(shapes) == ["circle", "point"]


def test_a_name_taken_by_another_class_is_an_error(shapes) -> None:
    with pytest.raises(ConfigurationError, match="shape 'circle' is already"):
        shapes.register("circle")(type("Other", (), {}))


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("cirle", UnknownNameError, "unknown shape 'cirle'; did you mean circle?"),
        ("xyz", UnknownNameError, "unknown shape 'xyz'; known: circle, point"),
        ({"name": "circle", "color": "x"}, UnknownNameError, "did you mean colour?"),
        ({"radius": 1}, ConfigurationError, "shape: a mapping needs a `name`, one of: circle"),
        ({"name": None}, ConfigurationError, "shape: a mapping needs a `name`, one of: circle"),
        ("circle", ConfigurationError, "needs radius"),
        ({"name": "circle", "radius": "3"}, ConfigurationError, "cannot be built with {'radius': "),
    ],
)
def test_every_mistake_is_named(shapes, spec, error, message) -> None:
    with pytest.raises(error) as caught:
        shapes.build(spec)
    assert message in str(caught.value)


def test_an_unregistered_instance_cannot_be_named(shapes) -> None:
    with pytest.raises(ConfigurationError, match="object is not a registered shape"):
        shapes.name_of(object())


def test_entry_points_are_found_and_loaded_on_demand(monkeypatch) -> None:
    from importlib.metadata import EntryPoint

    point = EntryPoint("decimal", "decimal:Decimal", "deconfound.test-shapes")
    monkeypatch.setattr("deconfound.registry.entry_points", lambda group: [point])
    registry = Registry("shape", "deconfound.test-shapes")
    assert list(registry) == ["decimal"]
    from decimal import Decimal

    assert registry["decimal"] is Decimal


def announce(monkeypatch, *points) -> Registry:
    from importlib.metadata import EntryPoint

    group = "deconfound.test-shapes"
    found = [EntryPoint(name, value, group) for name, value in points]
    monkeypatch.setattr("deconfound.registry.entry_points", lambda group: found)
    return Registry("shape", group)


def test_a_name_announced_by_two_packages_is_an_error(monkeypatch) -> None:
    registry = announce(monkeypatch, ("x", "decimal:Decimal"), ("x", "fractions:Fraction"))
    with pytest.raises(ConfigurationError, match="announced by decimal:Decimal and by fractions"):
        registry["x"]


def test_an_announced_name_that_is_taken_is_an_error(monkeypatch) -> None:
    registry = announce(monkeypatch, ("x", "decimal:Decimal"))
    registry.register("x")(type("Mine", (), {}))
    with pytest.raises(ConfigurationError, match="shape 'x' is already Mine"):
        registry["x"]


def test_a_broken_package_is_named_and_disturbs_nobody_else(monkeypatch) -> None:
    registry = announce(monkeypatch, ("broken", "no_such_module:Layer"))
    mine = registry.register("mine")(type("Mine", (), {}))
    assert registry.name_of(mine()) == "mine"
    with pytest.raises(ConfigurationError, match="'broken' of no_such_module:Layer cannot be"):
        registry["broken"]
