# SPDX-License-Identifier: GPL-2.0-only
"""How the command line is built: commands in named panels, loaded when they are used, with examples and old spellings.

Rules inside: nothing here imports more than typer and the tables, so that `--help` answers at once; the text
of a list of commands comes from the table of entries, not from the modules; what a command prints for `--help` comes
from its module.
"""

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from kvmarm.errors import UsageError
from vgic_bench.console import FORMS, manner

Function = Callable[..., Any]

ALIASES: Mapping[str, tuple[str, ...]] = {
    "--design": ("--designs",),
    "--designs": ("--design",),
    "--figures": ("--figure",),
    "--lrs": ("--nr-lr",),
    "--page": ("--html",),
    "--platform": ("--platforms",),
    "--platforms": ("--platform",),
    "--scenarios": ("--scenario",),
}
"""Spelling shown in the help -> others that are accepted, unless the command has an option of that name."""


@dataclass(frozen=True)
class Entry:
    """A command in the table: its name, the module whose `app` it is, its line in the list, the panel it is in."""

    name: str
    module: str
    help: str
    panel: str


def new_app(
    help: str | None = None,
    examples: Sequence[str] = (),
    cls: type[TyperGroup] | None = None,
    completion: bool = False,
) -> typer.Typer:
    """Return an application for one command, or for a group of them when it has a `help`.

    completion: whether it is the whole command line, which shells complete.
    """
    return typer.Typer(
        cls=cls or Group,
        help=help,
        epilog="\n".join(examples) or None,
        context_settings={"help_option_names": ["-h", "--help"]} if completion else None,
        no_args_is_help=True,
        add_completion=completion,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def command(
    app: typer.Typer, name: str, examples: Sequence[str], line: str | None = None, tables: bool = False
) -> Callable[[Function], Function]:
    """Return a decorator that adds a function as the command `name`, with examples at the end of its help.

    `line`: its line in the list of the group that it is in. `tables`: whether it prints tables, and has the options
    that say how.
    """
    add = app.command(name, cls=Command, epilog="\n".join(examples), short_help=line)
    return (lambda function: add(_with_tables(function))) if tables else add


FORMAT = typer.Option("--format", metavar="FORM", help="table, tsv, md or json.", rich_help_panel="Output")
ALL = typer.Option("--all", help="Every row, not one screen of them.", rich_help_panel="Output")


def _with_tables(function: Function) -> Function:
    """Return a command's function with --format and --all, which say how its tables are printed."""
    extra = {"table_format": Annotated[str, FORMAT], "every_row": Annotated[bool, ALL]}
    defaults: dict[str, str | bool] = {"table_format": FORMS[0], "every_row": False}
    signature = inspect.signature(function)
    if "everything" in signature.parameters:
        del extra["every_row"]

    @functools.wraps(function)
    def command(**given: Any) -> Any:
        form = str(given.pop("table_format"))
        everything = given["everything"] if "everything" in given else given.pop("every_row")
        if form not in FORMS:
            raise UsageError(f"--format {form}: expected {', '.join(FORMS)}")
        if form == "json" and "as_json" in given:
            given["as_json"] = True
        manner.form, manner.everything = form, bool(everything)
        return function(**given)

    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=annotation)
        for name, annotation in extra.items()
    ]
    command.__dict__["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), *more])
    command.__annotations__ = {**function.__annotations__, **extra}
    return command


class _Layout:
    """What commands and groups share: options in panels, examples at the end, old spellings that are not shown."""

    params: list[Any]
    epilog: str | None

    def make_parser(self, ctx: Any) -> Any:
        """Return the parser of the options, old spellings included."""
        parser = super().make_parser(ctx)  # type: ignore[misc]  # of the class that this one is mixed into
        taken = {option for param in self.params for option in (*param.opts, *param.secondary_opts)}
        for param in self.params:
            aliases = [alias for option in param.opts for alias in ALIASES.get(option, ()) if alias not in taken]
            if aliases:
                action = "append" if param.multiple else "store"
                parser.add_option(obj=param, opts=aliases, dest=param.name, action=action, nargs=param.nargs)
        return parser

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then the options by panel, those of no panel last; then the commands of a group."""
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        others: list[tuple[str, str]] = []
        for param in self.get_params(ctx):  # type: ignore[attr-defined]  # of the class that this one is mixed into
            record = param.get_help_record(ctx)
            panel = "Arguments" if param.param_type_name == "argument" else getattr(param, "rich_help_panel", None)
            if record is not None:
                (panels.setdefault(panel, []) if panel else others).append(record)
        for title, records in [*panels.items(), ("Options", others)]:
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        if isinstance(self, TyperGroup):
            self.format_commands(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, each on a separate line and uncut."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in inspect.cleandoc(self.epilog).splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class Command(_Layout, TyperCommand):
    """One command."""


class Group(_Layout, TyperGroup):
    """A group of commands, each with its whole line in the list."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.commands[name].short_help or "") for name in self.list_commands(ctx)])


class LazyCommands(MutableMapping[str, Any]):
    """Commands by name, each loaded from its module when it is looked up."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Take the table of commands."""
        self._entries = {entry.name: entry for entry in entries}
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            module = importlib.import_module(self._entries[name].module)
            self._loaded[name] = typer.main.get_command(module.app)
            self._loaded[name].name = name
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._entries, *self._loaded]))

    def __len__(self) -> int:
        return len(list(iter(self)))


class LazyGroup(Group):
    """A group whose list comes from a table, and whose commands are loaded when they are used."""

    table: ClassVar[Sequence[Entry]] = ()

    def __init__(self, **attributes: Any) -> None:
        """Take what typer gives a group; the commands are those of the table."""
        super().__init__(**attributes)
        self.commands = LazyCommands(self.table)
        self._completing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, or None; while names are completed only its name and line, not its module."""
        if self._completing:
            return next(TyperCommand(cmd_name, short_help=each.help) for each in self.table if each.name == cmd_name)
        return super().get_command(ctx, cmd_name)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the completions of a name or option of the group itself."""
        self._completing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._completing = False

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table, panel by panel."""
        for panel in dict.fromkeys(entry.panel for entry in self.table):
            with formatter.section(panel):
                formatter.write_dl([(entry.name, entry.help) for entry in self.table if entry.panel == panel])
