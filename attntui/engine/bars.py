"""What stands in for a library's progress bar."""

from collections.abc import Callable
from typing import Any


class Bar:
    """Stands in for a tqdm bar, counting and drawing nothing; `update` calls `tell`."""

    def __init__(self, *items: Any, tell: Callable[["Bar"], None], **options: Any) -> None:
        self.items = items[0] if items else options.get("iterable", ())
        self.n = options.get("initial") or 0
        self.total = options.get("total") or (
            len(self.items) if hasattr(self.items, "__len__") else 0
        )
        self.unit = options.get("unit", "")
        self.format_dict: dict[str, Any] = {}
        self._tell = tell

    def update(self, n: float | None = 1) -> None:
        self.n += n or 0
        self._tell(self)

    def __iter__(self) -> Any:
        for item in self.items:
            self._tell(self)
            yield item
            self.n += 1

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        """Every other method of a bar only draws."""
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **options: None
