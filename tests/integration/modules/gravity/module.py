# fmt: off
"""The examples of ceph-mgr's module developer's guide, as it prints them."""

import errno
from typing import Any, Dict, List, Optional, Tuple

from mgr_module import CLICommand, HandleCommandResult, MgrModule
from object_format import EmptyResponder, ErrorResponse, ErrorResponseHandler, Responder

from .wormholes import (
    InvalidWormholeError,
    UnknownOIDError,
    Wormhole,
    WormholeDB,
    WormholeDBError,
)


class Module(MgrModule):
    """The guide's examples, and below them what they call."""

    @CLICommand('antigravity send to blackhole',
                perm='rw')
    def send_to_blackhole(self, oid: str, blackhole: Optional[str] = None, inbuf: Optional[str] = None):
        '''
        Send the specified object to black hole
        '''
        obj = self.find_object(oid)
        if obj is None:
            return HandleCommandResult(-errno.ENOENT, stderr=f"object '{oid}' not found")
        if blackhole is not None and inbuf is not None:
            try:
                location = self.decrypt(blackhole, passphrase=inbuf)
            except ValueError:
                return HandleCommandResult(-errno.EINVAL, stderr='unable to decrypt location')
        else:
            location = blackhole
        self.send_object_to(obj, location)
        return HandleCommandResult(stdout=f"the black hole swallowed '{oid}'")

    COMMANDS = [
        {
            "cmd": "foobar name=myarg,type=CephString",
            "desc": "Do something awesome",
            "perm": "rw",
            # optional:
            "poll": "true"
        }
    ]

    @CLICommand('antigravity list wormholes', perm='r')
    @Responder()
    def list_wormholes(self, oid: str, details: bool = False) -> List[Dict[str, Any]]:
        '''List wormholes associated with the supplied oid.
        '''
        try:
            with self.open_wormhole_db() as db:
                wormholes = db.query(oid=oid)
        except UnknownOIDError:
            raise ErrorResponse(f"Unknown oid: {oid}", return_value=-errno.ENOENT)
        except WormholeDBError as err:
            raise ErrorResponse.wrap(err)
        if not details:
            return [{'name': wh.name} for wh in wormholes]
        return [{'name': wh.name, 'age': wh.get_age(), 'destination': wh.dest}
                for wh in wormholes]

    @CLICommand('antigravity dump config', perm='r')
    @ErrorResponseHandler()
    def dump_config(self, oid: str) -> Tuple[int, str, str]:
        '''Dump configuration
        '''
        # we have no control over what data is inside the blob!
        try:
            blob = self.fetch_raw_config_blob(oid)
            return 0, blob, ''
        except KeyError:
            raise ErrorResponse("Blob does not exist", return_value=-errno.ENOENT)

    @CLICommand('antigravity create wormhole', perm='rw')
    @EmptyResponder()
    def create_wormhole(self, oid: str, name: str) -> None:
        '''Create a new wormhole.
        '''
        try:
            with self.open_wormhole_db() as db:
                wh = Wormhole(name)
                db.insert(oid=oid, wormhole=wh)
        except UnknownOIDError:
            raise ErrorResponse(f"Unknown oid: {oid}", return_value=-errno.ENOENT)
        except InvalidWormholeError as err:
            raise ErrorResponse.wrap(err)
        except WormholeDBError as err:
            raise ErrorResponse.wrap(err)
    # fmt: on

    # what the guide leaves out

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.swallowed: List[Tuple[str, Optional[str]]] = []
        self._db = WormholeDB()
        self.open_wormhole_db = self._db.open

    def handle_command(
        self, inbuf: str, cmd: Dict[str, Any]
    ) -> Tuple[int, str, str]:
        """Do something awesome."""
        return 0, f"{cmd['prefix']} {cmd['myarg']} {inbuf!r}", ""

    def find_object(self, oid: str) -> Optional[str]:
        """Return an object, if there is one."""
        return oid if oid in ("apple", "pear") else None

    def decrypt(self, blackhole: str, passphrase: str) -> str:
        """Tell where a black hole is."""
        if passphrase != "please":
            raise ValueError(passphrase)
        return blackhole[::-1]

    def send_object_to(self, obj: str, location: Optional[str]) -> None:
        """Remember it."""
        self.swallowed.append((obj, location))

    def fetch_raw_config_blob(self, oid: str) -> bytes:
        """Return what is no text."""
        return {"apple": b"\xff\x00raw", "pear": b"text"}[oid]
