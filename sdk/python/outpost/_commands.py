"""Commands: how a module declares them, and how one is run."""

from __future__ import annotations

import errno
import functools
import inspect
import logging
import re
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from outpost._errors import ModuleLoadError
from outpost._signature import ArgumentError, HandlerSignature, handler_signature, inbuf_types
from outpost.v1 import types_pb2

if TYPE_CHECKING:
    from outpost._mgr_module import MgrModule

_log = logging.getLogger("outpost")

HandlerFuncType = Callable[..., tuple[int, str, str]]
_Handler = TypeVar("_Handler", bound=Callable[..., Any])

ERROR_MSG_EMPTY_INPUT_FILE = "Empty input file"
ERROR_MSG_NO_INPUT_FILE = "Input file not specified"

_INT32 = range(-(2**31), 2**31)
_FIELD = re.compile(
    r"^\s*:(?:param|parameter|arg|argument|key|type|returns?|rtype|raises?)\b[^:\n]*:", re.MULTILINE
)
"""Begins what a docstring tells the code's readers, and not the command's callers."""


class HandleCommandResult(NamedTuple):
    """What a command returns; a tuple of the same three is as good."""

    retval: int = 0
    """0, or a negative errno: -errno.EINVAL."""
    stdout: str = ""
    """What a program could read: the output. Where it isn't text: bytes."""
    stderr: str = ""
    """What only a person would read: a warning, or the error."""


class CommandResult:
    """Waits for the answer to MgrModule.send_command().

    Thread safety: every method may be called on any thread.
    """

    def __init__(self, tag: str | None = None) -> None:
        self.ev = threading.Event()
        self.outs = ""
        self.outb = ""
        self.r = 0
        self.tag = tag or ""

    def complete(self, r: int, outb: str, outs: str) -> None:
        """Take the answer. Must not block: it is called on a thread of gRPC's."""
        self.r = r
        self.outb = outb
        self.outs = outs
        self.ev.set()

    def wait(self) -> tuple[int, str, str]:
        """Wait for the answer: the return value, the output, and the status text."""
        self.ev.wait()
        return self.r, self.outb, self.outs


class CLICommand:
    """Makes a method the handler of a command.

    The method's annotations become the command's signature (see outpost._annotations), its
    docstring the description. `perm` is made of "r", "w" and "x"; with `poll` a client runs the
    command again each period. Stands above any decorator that makes the handler's result, such as
    object_format.Responder.
    """

    COMMANDS: ClassVar[dict[str, CLICommand]] = {}

    def __init__(self, prefix: str, perm: str = "rw", poll: bool = False) -> None:
        self.prefix = prefix
        self.perm = perm
        self.poll = poll
        self.func: Callable[..., Any] | None = None
        """The handler."""
        self._described: Callable[..., Any] | None = None

    def __call__(self, func: _Handler) -> _Handler:
        """Register the handler, and give it back as it is."""
        self.store_func_metadata(func)
        self.func = func
        self.COMMANDS[self.prefix] = self
        return func

    def store_func_metadata(self, f: Callable[..., Any]) -> None:
        """Take the signature and the description from a function.

        For modules that set `func` to another function, and register and call() the command
        themselves.
        """
        self._described = f

    def _declaration(self) -> Callable[..., Any]:
        if self._described is None:
            raise ModuleLoadError(f"CLICommand({self.prefix!r}) decorates nothing")
        return self._described

    @functools.cached_property
    def signature(self) -> HandlerSignature:
        """What the handler takes. Raises ModuleLoadError.

        It is worked out when first asked for, so that annotations may name what is defined later.
        """
        return handler_signature(self.prefix, self._declaration())

    @property
    def args(self) -> str:
        """The signature's arguments, in Ceph's grammar. Raises ModuleLoadError."""
        return " ".join(argument.description for argument in self.signature.arguments)

    @property
    def desc(self) -> str:
        """The description: the handler's docstring up to its fields (:param …:), as one line."""
        docstring = inspect.getdoc(self._declaration()) or ""
        return " ".join(_FIELD.split(docstring, maxsplit=1)[0].split())

    def dump_cmd(self) -> dict[str, str | bool]:
        """Return the command as an entry of COMMANDS would tell it. Raises ModuleLoadError."""
        cmd = self.signature.text(self.prefix)
        return {"cmd": cmd, "desc": self.desc, "perm": self.perm, "poll": self.poll}

    @classmethod
    def dump_cmd_list(cls) -> list[dict[str, str | bool]]:
        """Return dump_cmd() of all commands. Raises ModuleLoadError."""
        return [command.dump_cmd() for command in cls.COMMANDS.values()]

    def describe(self) -> types_pb2.CommandDescriptor:
        """Return what Register carries. Raises ModuleLoadError."""
        return types_pb2.CommandDescriptor(
            signature=self.signature.text(self.prefix),
            description=self.desc,
            permissions=self.perm,
            poll=self.poll,
        )

    def call(self, mgr: Any, cmd_dict: Mapping[str, Any], inbuf: str | bytes | None = None) -> Any:
        """Run the handler. Raises ArgumentError where the arguments do not fit.

        `inbuf` is the input file: None and "" say that there is none (handle_command() gets the
        latter), and b"" that it is empty.
        """
        handler = self.func or self._declaration()
        arguments = self.signature.bind(cmd_dict)
        if inbuf is None or inbuf == "":
            if self.signature.inbuf_required and not getattr(handler, "checks_inbuf", False):
                raise ArgumentError(f"{ERROR_MSG_NO_INPUT_FILE}: the command needs one (-i FILE)")
        elif self.signature.inbuf:
            arguments["inbuf"] = _convert_inbuf(inbuf, self.signature.inbuf)
        elif inbuf:
            raise ArgumentError("Input file data (-i) not supported")
        return handler(mgr, **arguments)


def CLIReadCommand(prefix: str, poll: bool = False) -> CLICommand:
    """Make a method the handler of a command that only reads."""
    return CLICommand(prefix, "r", poll)


def CLIWriteCommand(prefix: str, poll: bool = False) -> CLICommand:
    """Make a method the handler of a command that only writes."""
    return CLICommand(prefix, "w", poll)


def CLICheckNonemptyFileInput(desc: str) -> Callable[[_Handler], _Handler]:
    """Refuse a command without an input file, or with an empty one, before its handler runs.

    `desc` says what the file should hold. The newline at the end of the text is taken off.
    """

    def decorate(func: _Handler) -> _Handler:
        @functools.wraps(func)
        def check(*args: Any, **kwargs: Any) -> Any:
            inbuf = kwargs.get("inbuf")
            if inbuf is None:
                return HandleCommandResult(
                    -errno.EINVAL,
                    "",
                    f"{ERROR_MSG_NO_INPUT_FILE}: Please specify the file containing"
                    f' {desc} with "-i" option',
                )
            if isinstance(inbuf, str):
                kwargs["inbuf"] = inbuf = inbuf.rstrip("\r\n")
            if not inbuf.strip():
                return HandleCommandResult(
                    -errno.EINVAL,
                    "",
                    f"{ERROR_MSG_EMPTY_INPUT_FILE}: Please add {desc} to the file",
                )
            return func(*args, **kwargs)

        check.checks_inbuf = True  # type: ignore[attr-defined]
        return check  # type: ignore[return-value]

    return decorate


class Command(dict[str, Any]):
    """Declares a command apart from the method that handles it; register() joins the two."""

    def __init__(
        self, prefix: str, handler: HandlerFuncType, perm: str = "rw", poll: bool = False
    ) -> None:
        super().__init__(perm=perm, poll=poll)
        self.prefix = prefix
        self.handler = handler

    def register(self, instance: Any = False) -> HandlerFuncType:
        """Make the handler that of a command; `instance` is its self, else the module is."""
        handler = self.handler

        @functools.wraps(handler)
        def run(mgr: Any, *args: Any, **kwargs: Any) -> tuple[int, str, str]:
            returned: Any = handler(instance or mgr, *args, **kwargs)
            if isinstance(returned, tuple) and len(returned) <= len(HandleCommandResult._fields):
                return HandleCommandResult(*returned)
            return returned  # type: ignore[no-any-return]

        return CLICommand(self.prefix, self["perm"], self["poll"])(run)


def describe_commands(
    declared: Iterable[Mapping[str, Any]],
) -> list[types_pb2.CommandDescriptor]:
    """Return what Register carries: the decorated commands, then those of COMMANDS.

    Raises ModuleLoadError.
    """
    described = [command.describe() for command in CLICommand.COMMANDS.values()]
    for entry in declared:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("cmd"), str):
            raise ModuleLoadError(f'COMMANDS: an entry has no text "cmd": {entry!r}')
        signature = " ".join(entry["cmd"].split())
        prefix = signature.partition(" name=")[0]
        if prefix in CLICommand.COMMANDS:
            raise ModuleLoadError(
                f"command {prefix!r} is declared twice: in COMMANDS, and by CLICommand"
            )
        described.append(
            types_pb2.CommandDescriptor(
                signature=signature,
                description=" ".join(entry.get("desc", "").split()),
                permissions=entry.get("perm", "rw"),
                poll=entry.get("poll", False) in (True, "true", "True"),
            )
        )
    return described


def run_command(
    module: MgrModule, prefix: str, command: Mapping[str, Any], inbuf: bytes | None
) -> types_pb2.CommandResult:
    """Run one of the module's commands; whatever happens becomes a result."""
    try:
        handler = CLICommand.COMMANDS.get(prefix)
        if handler is not None:
            returned = handler.call(module, command, inbuf)
        else:
            kinds = _handle_command_inbuf(type(module).handle_command)
            text: Any = _convert_inbuf(inbuf or b"", kinds)
            returned = module.handle_command(text, dict(command))
    except ArgumentError as error:
        return _failed(f"Invalid command: {error}")
    except BaseException:  # whatever a command raises, even SystemExit, is its caller's to see
        _log.exception("command %r failed", prefix)
        return _failed(traceback.format_exc())
    return _command_result(prefix, returned)


@functools.cache
def _handle_command_inbuf(handler: Callable[..., Any]) -> frozenset[type]:
    return inbuf_types(handler.__qualname__, handler) or frozenset({str})


def _convert_inbuf(inbuf: str | bytes, kinds: frozenset[type]) -> str | bytes:
    """Make the input file what the handler takes: str, bytes, or text where it is that."""
    if str not in kinds:
        return inbuf if isinstance(inbuf, bytes) else inbuf.encode("utf-8", "surrogateescape")
    if isinstance(inbuf, str):
        return inbuf
    try:
        return inbuf.decode()
    except UnicodeDecodeError as error:
        if bytes in kinds:
            return inbuf
        raise ArgumentError(
            f"the input file is not UTF-8 text: byte {error.start} is 0x{inbuf[error.start]:02x}"
        ) from None


def _failed(message: str) -> types_pb2.CommandResult:
    return types_pb2.CommandResult(
        retval=-errno.EINVAL, stderr=message.encode("utf-8", "backslashreplace").decode()
    )


def _command_result(prefix: str, returned: Any) -> types_pb2.CommandResult:
    wrong = _what_is_wrong(returned)
    if wrong:
        message = (
            f"command {prefix!r} is broken: its handler returned {wrong}; it must return"
            " HandleCommandResult(retval, stdout, stderr) or a tuple of these"
        )
        _log.error("%s", message)
        return _failed(message)
    retval, stdout, stderr = returned
    result = types_pb2.CommandResult(retval=retval)
    if isinstance(stdout, bytes):
        result.stdout_bytes = stdout
    else:
        try:
            result.stdout = stdout
        except ValueError:  # lone surrogates: what os.fsdecode() makes of bytes that aren't UTF-8
            result.stdout_bytes = _encode_surrogates(stdout)
    result.stderr = stderr.encode("utf-8", "backslashreplace").decode()
    return result


def _encode_surrogates(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def _what_is_wrong(returned: Any) -> str:
    if not isinstance(returned, tuple):
        return f"{type(returned).__name__}"
    if len(returned) != 3:
        return f"a tuple of {len(returned)}"
    retval, stdout, stderr = returned
    if not isinstance(retval, int):
        return f"a retval that is {type(retval).__name__}, not int"
    if retval not in _INT32:
        return f"a retval, {retval}, that does not fit 32 bits"
    if not isinstance(stdout, str | bytes):
        return f"a stdout that is {type(stdout).__name__}, not str or bytes"
    if not isinstance(stderr, str):
        return f"a stderr that is {type(stderr).__name__}, not str"
    return ""
