"""The command ``vicinal``: its commands are imported when they run, so that ``--help`` is immediate."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from vicinal.errors import ExitCode, VicinalError

__all__ = ["BUILT_IN_COMMANDS", "app", "main"]

BUILT_IN_COMMANDS = {
    "demo": ("demo:demo", "Index the sample solutions and search them."),
    "init": ("init:init", "Write a solution's YAML for your file or folder."),
    "validate": ("config:validate", "Check YAML files; prints every mistake with its line."),
    "schema": ("config:schema", "Print the JSON Schema of the YAML, plugins included."),
    "plugins": ("plugins:plugins", "List what is installed, and what is wrong with it."),
    "plugin": ("plugins:plugin", "Write a plugin of your own."),
    "doctor": ("doctor:doctor", "Check what is installed, reachable and loadable."),
    "bundle": ("bundle:bundle", "Gather models and versions for a machine without a network."),
    "plan": ("plan:plan", "Tell what an ingest will take: items, time, memory, disk, index."),
    "ingest": ("ingest:ingest", "Index what is new or changed in the source."),
    "reindex": ("reindex:reindex", "Index everything anew beside what is searched, then replace that."),
    "fit": ("fit:fit", "Fit an encoder that learns to the source's items."),
    "failures": ("ingest:failures", "List what could not be indexed and why, or retry it."),
    "search": ("search:search", "Find items similar to a text, a file or an indexed @key."),
    "evaluate": ("evaluate:evaluate", "Measure how good a solution's answers are."),
    "compare": ("compare:compare", "Measure which of several solutions is better, on the same queries."),
    "tune": ("tune:tune", "Find the quickest index that reaches a recall."),
    "bench": ("bench:bench", "Measure indexes on generated or given vectors, up to 100 million."),
    "serve": ("serve:serve", "Serve solutions over HTTP, with a web page."),
    "mcp": ("mcp:mcp", "Serve solutions to assistants as tools of the Model Context Protocol."),
    "promote": ("promote:promote", "Copy everything to other stores, without encoding, and prove it."),
    "status": ("manage:status", "Show a solution's items, index and stores."),
    "check": ("manage:check", "Check whether Milvus, metadata and ledger agree."),
    "remove": ("manage:remove", "Remove items by key."),
    "drop": ("manage:drop", "Remove a solution's collection and metadata."),
    "duplicates": ("duplicates:duplicates", "Find near-equal items, and which of them to keep."),
    "map": ("map:map_", "Draw the items as points on a page."),
    "index": ("manage:index", "Rebuild the index as the YAML says now."),
    "export": ("manage:export", "Write items and vectors to a parquet file."),
    "import": ("manage:import_", "Read what export wrote, without encoding."),
    "backup": ("backup:backup", "Back a solution up to a folder or to object storage."),
    "restore": ("backup:restore", "Fill a solution with what a backup holds."),
}


_RENAMED_OPTIONS = {"--into": "--output"}


class LazyGroup(click.Group):
    """Holds the names and summaries of commands, and imports one when it runs. Plugins may add commands."""

    _has_plugin_commands = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._load_plugin_commands()
        return [*BUILT_IN_COMMANDS, *sorted(self.commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in BUILT_IN_COMMANDS:
            module, _, attribute = BUILT_IN_COMMANDS[cmd_name][0].partition(":")
            command: click.Command = getattr(import_module(f"vicinal.cli.{module}"), attribute)
            return command
        self._load_plugin_commands()
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, help_) for name, (_, help_) in BUILT_IN_COMMANDS.items()]
        self._load_plugin_commands()
        rows += [(name, command.get_short_help_str(120)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(error.message + hint, ctx) from error

    def _load_plugin_commands(self) -> None:
        if not self._has_plugin_commands:
            from vicinal.plugin.manager import create_manager

            type(self)._has_plugin_commands = True
            create_manager().register_commands(self, reserved=BUILT_IN_COMMANDS)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vicinal")
@click.option("-v", "--verbose", count=True, help="Log ingest progress to stderr; -vv also logs searches and requests.")
@click.option("--no-plugin", "disabled", multiple=True, metavar="NAME", help="Switch a plugin off; may be repeated.")
def app(verbose: int, disabled: tuple[str, ...]) -> None:
    """Turn one YAML file into a working similarity search on Milvus and Redis.

    Exit codes: 0 done, 1 failed, 2 usage, 3 bad config, 4 plugin or dependency missing, 5 store unreachable,
    130 interrupted.
    """
    if disabled:
        os.environ["VICINAL_NO_PLUGINS"] = ",".join([os.environ.get("VICINAL_NO_PLUGINS", ""), *disabled])
    if verbose:
        from vicinal.toolkit.logs import set_up_logging

        # Other packages log, as errors with tracebacks, what vicinal handles.
        set_up_logging("%(asctime)s %(message)s", logging.CRITICAL)
        logging.getLogger("vicinal").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        code = app.main(args=arguments, prog_name="vicinal", standalone_mode=False)
        return code if isinstance(code, int) else ExitCode.DONE
    except VicinalError as error:
        _print_error(str(error), error.hint)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    except click.ClickException as error:
        _print_error(_format_usage_error(error), _usage_hint(error))
        return ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        _print_error("interrupted; finished batches are kept", "run the same command again to continue")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except OSError as error:
        if error.filename is None:
            raise
        _print_error(f"{os.fsdecode(error.filename)}: {error.strerror}", "")
        return ExitCode.FAILED


def _format_usage_error(error: click.ClickException) -> str:
    renamed = _RENAMED_OPTIONS.get(error.option_name) if isinstance(error, click.NoSuchOption) else None
    return error.format_message() + (f" It is now called {renamed!r}." if renamed else "")


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if context else ""


def _print_error(message: str, hint: str) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
