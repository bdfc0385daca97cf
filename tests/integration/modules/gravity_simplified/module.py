# fmt: off
"""The example of to_simplified() in ceph-mgr's module developer's guide, as it is printed there."""

from typing import Dict

from mgr_module import CLICommand, MgrModule
from object_format import Responder


class Module(MgrModule):
    """The guide's example; it leaves the method's body out."""

    class MyCleverObject:
        def to_simplified(self) -> Dict[str, int]:
            # returns a python object(s) made up from basic types
            return {"gravitons": 999, "tachyons": 404}

    @CLICommand('antigravity list wormholes', perm='r')
    @Responder()
    def list_wormholes(self, oid: str, details: bool = False) -> MyCleverObject:
        '''List wormholes associated with the supplied oid.
        '''
        return self.MyCleverObject()
