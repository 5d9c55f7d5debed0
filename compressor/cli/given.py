"""The command line as it was given, for whoever wants to give it again."""

from collections.abc import Collection

import typer


def given_words(context: typer.Context, *, but: Collection[str] = ()) -> tuple[str, ...]:
    """The command with the options that were given, under their full names and in the order of its help.

    Args:
        context: Of the command that runs.
        but: Names of parameters that are left out.

    Example:
        `compressor compress --max-latency=5ms --teacher bert-base` is
        `("compressor", "compress", "--teacher", "bert-base", "--max-latency", "5ms")`.
    """
    words = ["compressor", str(context.info_name)]
    for option in context.command.params:
        name = str(option.name)
        source = context.get_parameter_source(name)
        if name in but or source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        if isinstance(value, bool):
            words.append(option.opts[0])
        else:
            values = value if isinstance(value, list | tuple) else [value]
            words += [word for each in values for word in (option.opts[0], str(each))]
    return tuple(words)
