"""A module for the real ceph-mgr."""

from .module import Module

__all__ = ["Module"]
