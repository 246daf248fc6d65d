"""Completion of options and their values in a shell, which shtab knows nothing of."""

import re
import shlex
from collections.abc import Iterator

import shtab

from ptycho_config.policy import is_settable
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.paths import leaves
from ptycho_torch.cli.parser import Parser

_LITERAL = re.compile(r"'([^']+)'")
# To bash `=` ends a word, for shtab it does not; and after `path=` comes a value, no space.
_BASH = r"""
_ptycho() {
  local joined=() number=0 place word
  for place in "${!COMP_WORDS[@]}"; do
    word="${COMP_WORDS[place]}"
    if (( place > 1 )) && [[ "$word" == "="* || "${COMP_WORDS[place-1]}" == "=" ]]; then
      joined[-1]+="$word"
    else
      joined+=("$word")
    fi
    (( place == COMP_CWORD )) && number=$(( ${#joined[@]} - 1 ))
  done
  local COMP_CWORD=$number
  local -a COMP_WORDS=("${joined[@]}")
  _shtab_ptycho
  [[ "${COMPREPLY[*]}" == *= ]] && compopt -o nospace 2>/dev/null
  word="${COMP_WORDS[COMP_CWORD]}"
  if [[ "$COMP_WORDBREAKS" == *=* && "$word" == *=* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*=}"}"}")
  fi
}
complete -o bashdefault -F _ptycho ptycho
"""


def script(parser: Parser, shell: str) -> str:
    """The completion script of a parser for a shell that shtab supports."""
    made = shtab.complete(parser, shell)
    return made + _BASH if shell == "bash" else made


def words(spec: FieldSpec) -> tuple[str, ...]:
    """The words that an option takes."""
    found = tuple(_LITERAL.findall(spec.type_name)) or tuple(spec.members)
    return found or (("true", "false") if spec.type_name == "bool" else ())


def complete_paths(cls: type, *, values: bool, within: tuple[str, ...] = ("",)) -> dict[str, object]:
    """The attribute `complete`, which shtab reads, of a flag that takes an option of the setup class cls: its path, or
    where values, `path=` and, of one that takes certain words, `path=word`. within: how the paths begin."""
    found = list(_assignments(cls, within) if values else _paths(cls, within))
    name = f"_ptycho_{'values' if values else 'paths'}_{cls.__name__}_{len(found)}"
    listed = " ".join(shlex.quote(word) for word in found)
    return {
        "bash": name,
        "zsh": name,
        "fish": f"({name})",
        "preamble": {
            "bash": f'{name}() {{\n  compgen -W {shlex.quote(listed)} -- "$1"\n}}\n',
            "zsh": f"{name}() {{\n  compadd -S '' -- {listed}\n}}\n",
            "fish": f"function {name}\n  printf '%s\\n' {listed}\nend\n",
        },
    }


def _paths(cls: type, within: tuple[str, ...]) -> Iterator[str]:
    for path, _ in leaves(cls):
        if path.startswith(within) and is_settable(cls, path):
            yield path


def _assignments(cls: type, within: tuple[str, ...]) -> Iterator[str]:
    specs = dict(leaves(cls))
    for path in _paths(cls, within):
        yield f"{path}="
        yield from (f"{path}={word}" for word in words(specs[path]))
