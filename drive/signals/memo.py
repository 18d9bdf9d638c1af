"""Work that several signals share, done once per road, world or drive."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

Key = TypeVar("Key")
Result = TypeVar("Result")


def once(function: Callable[[Key], Result]) -> Callable[[Key], Result]:
    """Remember what ``function`` returned for an object as long as that object lives; results must not refer to it."""
    known: WeakKeyDictionary[Any, Result] = WeakKeyDictionary()

    @wraps(function)
    def remembered(key: Key) -> Result:
        if key not in known:
            known[key] = function(key)
        return known[key]

    return remembered
