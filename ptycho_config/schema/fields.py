"""Fields of configs as they are declared, and their properties as a value."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType, NoneType
from typing import Any, Literal, TypedDict, TypeVar, Unpack, get_args, overload

import attrs

from ptycho_config.schema.checks import Check
from ptycho_config.schema.scalars import Coerce, type_name

T = TypeVar("T")
Inference = Literal["fixed", "suggested", "ignored", "own"]

META = "ptycho_config"


@attrs.frozen
class FieldSpec:
    """The properties of one field: the one source for checks, help, reference and reports.

    is_group: the field holds another config. members: for a choice between configs, or a config that can be off, the
    members by kind; empty for every other field. has_elements: values are tuples or mappings, whose elements are
    places too. The rest as in `field`.
    """

    name: str
    annotation: Any
    accept: Coerce
    is_group: bool
    members: Mapping[str, type]
    has_elements: bool
    default: Any
    unit: str = ""
    doc: str = ""
    identity: bool = True
    renamed: Mapping[str, str] = MappingProxyType({})
    inference: Inference | None = None
    resumable: bool | None = None
    unread: str = ""
    at_inference: str = ""
    check: Check | None = None

    @property
    def required(self) -> bool:
        """Whether the field has no default."""
        return self.default is attrs.NOTHING

    @property
    def optional(self) -> bool:
        """Whether the field can be off: null in place of a config."""
        return bool(self.members) and NoneType in get_args(self.annotation)

    @property
    def only_member(self) -> str | None:
        """The kind of a config that can be off, which need not be named; None where there are others."""
        return next(iter(self.members)) if len(self.members) == 1 else None

    def names_member(self, value: object) -> bool:
        """Whether `value` is the kind of a member, which stands for the member with its defaults."""
        return isinstance(value, str) and value in self.members

    @property
    def type_name(self) -> str:
        """The annotation as written in a config file's reference."""
        return type_name(self.annotation)


class Properties(TypedDict, total=False):
    """The properties of a field besides its meaning and its default, as described in `field`."""

    unit: str
    check: Check | None
    identity: bool
    renamed: Mapping[str, str]
    inference: Inference | None
    resumable: bool | None
    unread: str
    at_inference: str


@overload
def field(*, doc: str, default: T, **properties: Unpack[Properties]) -> T: ...
@overload
def field(*, doc: str, **properties: Unpack[Properties]) -> Any: ...
def field(
    *,
    doc: str,
    default: Any = attrs.NOTHING,
    unit: str = "",
    check: Check | None = None,
    identity: bool = True,
    renamed: Mapping[str, str] = MappingProxyType({}),
    inference: Inference | None = None,
    resumable: bool | None = None,
    unread: str = "",
    at_inference: str = "",
) -> Any:
    """Declare a field: its meaning `doc`, unit, default and check.

    check returns the reason a value is refused, or None. identity=False keeps the field out
    of the fingerprint: it says where results go, not what they are. renamed: former values and what
    they are called now; files and commands may still use them. inference: what the value of a training
    means for an inference: "fixed" (anything else is a conflict), "suggested" (counts unless the run
    says otherwise), "ignored" (an option of trainings, refused for an inference), "own" (does not
    count). resumable: whether the training that resumes a checkpoint may have another value. A group
    or a choice states these two for all below it that does not state its own. unread: the sentence why
    nothing reads the option, so that setting it is refused. at_inference: what an inference does instead
    of reading an option that is ignored there, for people.
    """
    meta = {"doc": doc, "unit": unit, "check": check, "identity": identity, "renamed": renamed}
    meta |= {"inference": inference, "resumable": resumable, "unread": unread, "at_inference": at_inference}
    return attrs.field(default=default, metadata={META: meta})


def option(default: T, doc: str, **properties: Unpack[Properties]) -> T:
    """A field with `default`, meaning `doc`, and `properties` as in `field`: most of the schema."""
    return field(default=default, doc=doc, **properties)


suggested = partial(option, inference="suggested")
