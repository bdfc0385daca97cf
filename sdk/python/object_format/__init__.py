"""The name under which ceph-mgr's modules import what `outpost.object_format` has."""

from outpost.object_format import *  # noqa: F403
from outpost.object_format import __all__ as __all__
