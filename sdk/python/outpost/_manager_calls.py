"""What a module can ask of the manager itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outpost import _rpc, v1
from outpost._bound import BoundToManager
from outpost.v1 import notifications_pb2

if TYPE_CHECKING:
    from outpost._manager_data import ManagerStatus, ModuleStatus, SubscriptionStatus


class ManagerCalls(BoundToManager):
    """The part of MgrModule that reads how the manager and its modules are.

    Every method may raise CallError.
    """

    def manager_status(self) -> ManagerStatus:
        """Tell how the manager is, and what it uses."""
        from outpost import _manager_data

        client = self._reach("manager_status").client
        status = client.call(_rpc.GET_STATUS, v1.manager_pb2.GetStatusRequest())
        return _manager_data.manager_status(status)

    def list_modules(self) -> list[ModuleStatus]:
        """Tell of every module how it is, and what it uses, ordered by name."""
        from outpost import _manager_data

        client = self._reach("list_modules").client
        response = client.call(_rpc.LIST_MODULES, v1.manager_pb2.ListModulesRequest())
        return [_manager_data.module_status(info) for info in response.modules]

    def list_subscriptions(self) -> list[SubscriptionStatus]:
        """Tell who is subscribed to notifications, and how far each is."""
        from outpost import _manager_data

        client = self._reach("list_subscriptions").client
        request = notifications_pb2.ListSubscriptionsRequest()
        return [
            _manager_data.subscription_status(info)
            for info in client.call(_rpc.LIST_SUBSCRIPTIONS, request).subscriptions
        ]
