# fmt: off
"""The first example of Responder in ceph-mgr's module developer's guide, as it is printed there."""

from typing import Any, Dict, List

from gravity.wormholes import WormholeDB

from mgr_module import CLICommand, MgrModule
from object_format import Responder


class Module(MgrModule):
    """The guide's example, and below it what it calls."""

    @CLICommand('antigravity list wormholes', perm='r')
    @Responder()
    def list_wormholes(self, oid: str, details: bool = False) -> List[Dict[str, Any]]:
        '''List wormholes associated with the supplied oid.
        '''
        with self.open_wormhole_db() as db:
            wormholes = db.query(oid=oid)
        if not details:
            return [{'name': wh.name} for wh in wormholes]
        return [{'name': wh.name, 'age': wh.get_age(), 'destination': wh.dest}
                for wh in wormholes]
    # fmt: on

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.open_wormhole_db = WormholeDB().open
