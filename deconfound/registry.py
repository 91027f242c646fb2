"""Names for configuration files, typed, open to third-party packages through entry points."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from deconfound.errors import ConfigurationError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Implementations of one interface, by name.

    A third-party package adds its own through an entry point in the group ``deconfound.<plural>``;
    the entry point is loaded when its name is first asked for, never before. A name that is taken
    is an error.

    Args:
        kind: the interface in words, used in errors ("region selector").
        group: entry-point group, e.g. ``"deconfound.selectors"``.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._known: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Decorate a class to make it known as ``name``; a name taken by another is an error."""

        def add(cls: type[T]) -> type[T]:
            taken = self._known.get(name)
            if taken is not None and taken is not cls:
                raise ConfigurationError(
                    f"{self.kind} {name!r} is already {taken.__qualname__}; "
                    f"register {cls.__qualname__} under another name"
                )
            self._known[name] = cls
            return cls

        return add

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._known, *self._announced()}))

    def __getitem__(self, name: str) -> type[T]:
        announced = self._announced()
        if name in announced:
            self.register(name)(self._load(announced[name]))
        if name not in self._known:
            raise unknown_name(self.kind, name, self)
        return self._known[name]

    def _announced(self) -> dict[str, EntryPoint]:
        """Return the entry points by name, refusing two of one name."""
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            other = found.setdefault(point.name, point)
            if other.value != point.value:
                raise ConfigurationError(
                    f"{self.kind} {point.name!r} is announced by {other.value} and by "
                    f"{point.value}; uninstall one of them"
                )
        return found

    def _load(self, point: EntryPoint) -> type[T]:
        try:
            return point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                f"{self.kind} {point.name!r} of {point.value} cannot be loaded ({error}); "
                f"repair or uninstall that package"
            ) from error

    def name_of(self, instance: T) -> str:
        """Return the name under which the class of ``instance`` can be found again."""
        for name, cls in self._known.items():
            if cls is type(instance):
                return name
        raise ConfigurationError(
            f"{type(instance).__qualname__} is not a registered {self.kind}; decorate it with "
            f"the registry's `register(name)` so that a saved model can find it again"
        )

    def parameters(self, name: str) -> Mapping[str, inspect.Parameter]:
        """Return what the constructor of ``name`` can be given by name, in its order.

        Raises:
            UnknownNameError: a name that is not registered.
        """
        return _named_parameters(self[name])

    def build(self, spec: str | Mapping[str, Any], **offered: Any) -> T:
        """Build from a name, or from a mapping with ``name`` and the constructor's own arguments.

        Args:
            spec: ``"mtrs"`` or ``{"name": "mtrs", "alpha": 0.3}``.
            offered: what the surroundings know (the width of the joint space, the prompts); the
                constructor gets those it has a parameter for, unless ``spec`` sets them.

        Raises:
            UnknownNameError: a name that is not registered, or an argument the class does not take.
            ConfigurationError: no name, or an argument that is missing or of another type.
        """
        options = {"name": spec} if isinstance(spec, str) else dict(spec)
        if not isinstance(options.get("name"), str):
            raise ConfigurationError(
                f"{self.kind}: a mapping needs a `name`, one of: {', '.join(self)}"
            )
        cls = self[options.pop("name")]
        accepted = _named_parameters(cls)
        for option in options:
            if option not in accepted:
                raise unknown_name(f"option of {cls.__qualname__}", option, accepted)
        arguments = {k: v for k, v in offered.items() if k in accepted} | options
        missing = [
            name
            for name, parameter in accepted.items()
            if parameter.default is parameter.empty and name not in arguments
        ]
        if missing:
            raise ConfigurationError(f"{self.kind} {cls.__qualname__} needs {', '.join(missing)}")
        try:
            return cls(**arguments)
        except TypeError as error:
            raise ConfigurationError(
                f"{self.kind} {cls.__qualname__} cannot be built with {options} ({error}); "
                f"give each option as its docstring says"
            ) from error


def _named_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Return the constructor's parameters that can be given by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {k: p for k, p in inspect.signature(cls).parameters.items() if p.kind in by_name}
