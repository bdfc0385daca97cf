"""What a fake manager answers, service by service."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import grpc

from outpost._options import option_text
from outpost.testing._cluster_service import Cluster
from outpost.testing._refusal import Refusal, find
from outpost.v1 import (
    auth_pb2,
    auth_pb2_grpc,
    cluster_pb2_grpc,
    commands_pb2,
    commands_pb2_grpc,
    config_pb2,
    config_pb2_grpc,
    health_pb2,
    health_pb2_grpc,
    key_value_pb2,
    key_value_pb2_grpc,
    manager_pb2,
    manager_pb2_grpc,
    module_host_pb2,
    module_host_pb2_grpc,
    notifications_pb2,
    notifications_pb2_grpc,
    progress_pb2,
    progress_pb2_grpc,
    remote_pb2,
    remote_pb2_grpc,
    types_pb2,
)

if TYPE_CHECKING:
    from outpost.testing._manager import FakeManager
    from outpost.testing._session import FakeSession

_LONGEST_KEY = 1024
_LONGEST_VALUE = 8 * 1024 * 1024


def add_services(server: grpc.Server, manager: FakeManager) -> None:
    """Add everything that a fake manager serves."""
    module_host_pb2_grpc.add_ModuleHostServicer_to_server(ModuleHost(manager), server)
    auth_pb2_grpc.add_AuthServicer_to_server(Auth(manager), server)
    cluster_pb2_grpc.add_ClusterServicer_to_server(Cluster(manager), server)
    commands_pb2_grpc.add_CommandsServicer_to_server(Commands(manager), server)
    config_pb2_grpc.add_ConfigServicer_to_server(Config(manager), server)
    health_pb2_grpc.add_HealthServicer_to_server(Health(manager), server)
    key_value_pb2_grpc.add_KeyValueServicer_to_server(KeyValue(manager), server)
    manager_pb2_grpc.add_ManagerServicer_to_server(Manager(manager), server)
    notifications_pb2_grpc.add_NotificationsServicer_to_server(Notifications(manager), server)
    progress_pb2_grpc.add_ProgressServicer_to_server(Progress(manager), server)
    remote_pb2_grpc.add_RemoteServicer_to_server(Remote(manager), server)


class ModuleHost(module_host_pb2_grpc.ModuleHostServicer):
    """The sessions."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Attach(
        self,
        requests: Iterator[module_host_pb2.AttachRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[module_host_pb2.AttachResponse]:
        """Be the manager's end of a stream."""
        manager = self.manager
        register = next(requests).register
        manager.registers.append(register)
        if "ModuleHost.Attach" in manager.refusals:
            manager.refusals["ModuleHost.Attach"].abort(context)
        session = manager.open_session(register)

        def read() -> None:
            try:
                for request in requests:
                    session.take(request)
                    if request.WhichOneof("message") == "configured":
                        manager.configured(session)
                session.half_closed.set()
            except Exception:  # the stream broke
                pass
            session.end()
            manager.close_session(session)
            session.ended.set()

        threading.Thread(target=read, daemon=True).start()
        while (response := session.next_message()) is not None:
            yield response


class Notifications(notifications_pb2_grpc.NotificationsServicer):
    """The cues."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Subscribe(
        self, request: notifications_pb2.SubscribeRequest, context: grpc.ServicerContext
    ) -> Iterator[notifications_pb2.SubscribeResponse]:
        """Send what FakeManager.notify() is told."""
        session = self.manager.check("Notifications.Subscribe", context, request)
        with self.manager.subscribe(session, request.types) as subscription:
            yield notifications_pb2.SubscribeResponse(
                subscribed=notifications_pb2.Subscribed(
                    subscription_id=subscription.number, types=request.types
                )
            )
            while (notification := subscription.queue.get()) is not None:
                yield notifications_pb2.SubscribeResponse(notification=notification)

    def ListSubscriptions(
        self, request: notifications_pb2.ListSubscriptionsRequest, context: grpc.ServicerContext
    ) -> notifications_pb2.ListSubscriptionsResponse:
        """Tell of subscribers."""
        self.manager.check("Notifications.ListSubscriptions", context, request)
        return notifications_pb2.ListSubscriptionsResponse(subscriptions=self.manager.subscribers)


class Auth(auth_pb2_grpc.AuthServicer):
    """Who may do what: everybody everything."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def IsAuthorized(
        self, request: auth_pb2.IsAuthorizedRequest, context: grpc.ServicerContext
    ) -> auth_pb2.IsAuthorizedResponse:
        """Yes."""
        self.manager.check("Auth.IsAuthorized", context, request)
        return auth_pb2.IsAuthorizedResponse(authorized=True)


class Commands(commands_pb2_grpc.CommandsServicer):
    """The cluster's daemons."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def SendClusterCommand(
        self, request: commands_pb2.SendClusterCommandRequest, context: grpc.ServicerContext
    ) -> commands_pb2.SendClusterCommandResponse:
        """Ask FakeManager.cluster_command, then notify the sender of its tag."""
        session = self.manager.check("Commands.SendClusterCommand", context, request)
        command = json.loads(request.command_json)
        if command["prefix"] == "config help" and command["key"] in self.manager.cluster_options:
            kind = type(self.manager.cluster_options[command["key"]]).__name__
            retval, output, status = 0, json.dumps({"type": kind}), ""
        else:
            retval, output, status = self.manager.cluster_command(
                request.service_type, request.service_id, command, request.inbuf
            )
        if request.tag:
            self.manager.notify("command", request.tag, only=session)
        result = types_pb2.CommandResult(retval=retval, stdout=output, stderr=status)
        return commands_pb2.SendClusterCommandResponse(result=result)


class Config(config_pb2_grpc.ConfigServicer):
    """Options."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Get(
        self, request: config_pb2.ConfigGetRequest, context: grpc.ServicerContext
    ) -> config_pb2.ConfigGetResponse:
        """Return an option of a module that is attached, or that only has a value."""
        self.manager.check("Config.Get", context, request)
        session, name = self._option(request.key)
        if session is not None:
            try:
                value = self.manager.option(session.register, name)
                return config_pb2.ConfigGetResponse(option=value)
            except KeyError as error:
                Refusal(grpc.StatusCode.NOT_FOUND, str(error)).abort(context)
        text = find(self.manager.options, request.key, f"no option {request.key}", context)
        return config_pb2.ConfigGetResponse(option=types_pb2.OptionValue(name=name, value=text))

    def Set(
        self, request: config_pb2.ConfigSetRequest, context: grpc.ServicerContext
    ) -> config_pb2.ConfigSetResponse:
        """Set an option of a module that is attached, and tell it."""
        self.manager.check("Config.Set", context, request)
        effective = self._change(request.key, request.value, context)
        option = types_pb2.OptionValue(name=effective.name, value=request.value)
        return config_pb2.ConfigSetResponse(option=option, effective=effective)

    def Remove(
        self, request: config_pb2.ConfigRemoveRequest, context: grpc.ServicerContext
    ) -> config_pb2.ConfigRemoveResponse:
        """Take a value away, and tell the module."""
        self.manager.check("Config.Remove", context, request)
        option = self._change(request.key, None, context)
        return config_pb2.ConfigRemoveResponse(option=option)

    def _change(
        self, key: str, text: str | None, context: grpc.ServicerContext
    ) -> types_pb2.OptionValue:
        session, name = self._option(key)
        if session is None:
            Refusal(grpc.StatusCode.NOT_FOUND, f"no option {key}").abort(context)
        before = self.manager.options.get(key)
        try:
            if text is None:
                self.manager.options.pop(key, None)
            else:
                self.manager.options[key] = text
            self.manager.option_changed()
            option = self.manager.option(session.register, name)
        except KeyError as error:
            Refusal(grpc.StatusCode.NOT_FOUND, str(error)).abort(context)
        except ValueError as error:
            if before is None:
                del self.manager.options[key]
            else:
                self.manager.options[key] = before
            Refusal(grpc.StatusCode.INVALID_ARGUMENT, str(error)).abort(context)
        self.manager.announce_option(session, name)
        return option

    def _option(self, key: str) -> tuple[FakeSession | None, str]:
        words = key.split("/")
        return (self.manager.attached(words[1]) if len(words) > 2 else None), words[-1]

    def List(
        self, request: config_pb2.ConfigListRequest, context: grpc.ServicerContext
    ) -> config_pb2.ConfigListResponse:
        """Return the options of a module, or of all that are attached or have values."""
        self.manager.check("Config.List", context, request)
        response = config_pb2.ConfigListResponse()
        for key, value in sorted(self.manager.option_values(request.module).items()):
            response.entries.add(key=key, effective=value)
        return response

    def Watch(
        self, request: config_pb2.ConfigWatchRequest, context: grpc.ServicerContext
    ) -> Iterator[config_pb2.ConfigWatchResponse]:
        """Tell of options that are others than they were."""
        self.manager.check("Config.Watch", context, request)
        for key, value in self.manager.changes(
            lambda: self.manager.option_values(request.module), context
        ):
            if value is not None:
                yield config_pb2.ConfigWatchResponse(module=key.split("/")[1], option=value)

    def GetClusterOption(
        self, request: config_pb2.GetClusterOptionRequest, context: grpc.ServicerContext
    ) -> config_pb2.GetClusterOptionResponse:
        """Return an option of the cluster."""
        self.manager.check("Config.GetClusterOption", context, request)
        key = f"{request.entity}/{request.name}" if request.entity else request.name
        value = find(self.manager.cluster_options, key, f"no option {key}", context)
        return config_pb2.GetClusterOptionResponse(value=option_text(value))


class KeyValue(key_value_pb2_grpc.KeyValueServicer):
    """Keys."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def _keys(self, session: FakeSession) -> dict[str, bytes]:
        return self.manager.keys[session.module]

    def Get(
        self, request: key_value_pb2.KeyValueGetRequest, context: grpc.ServicerContext
    ) -> key_value_pb2.KeyValueGetResponse:
        """Return a value."""
        keys = self._keys(self.manager.check("KeyValue.Get", context, request))
        return key_value_pb2.KeyValueGetResponse(value=keys.get(request.key))

    def Put(
        self, request: key_value_pb2.KeyValuePutRequest, context: grpc.ServicerContext
    ) -> key_value_pb2.KeyValuePutResponse:
        """Set a key."""
        session = self.manager.check("KeyValue.Put", context, request)
        _check_entry(request.key, request.value, context)
        self._keys(session)[request.key] = request.value
        self.manager.changed()
        return key_value_pb2.KeyValuePutResponse()

    def Delete(
        self, request: key_value_pb2.KeyValueDeleteRequest, context: grpc.ServicerContext
    ) -> key_value_pb2.KeyValueDeleteResponse:
        """Remove a key."""
        self._keys(self.manager.check("KeyValue.Delete", context, request)).pop(request.key, None)
        self.manager.changed()
        return key_value_pb2.KeyValueDeleteResponse()

    def List(
        self, request: key_value_pb2.KeyValueListRequest, context: grpc.ServicerContext
    ) -> key_value_pb2.KeyValueListResponse:
        """Return keys and values."""
        keys = self._keys(self.manager.check("KeyValue.List", context, request))
        return key_value_pb2.KeyValueListResponse(
            entries=[
                key_value_pb2.KeyValueEntry(key=key, value=value)
                for key, value in sorted(keys.items())
                if key.startswith(request.prefix)
            ]
        )

    def Batch(
        self, request: key_value_pb2.KeyValueBatchRequest, context: grpc.ServicerContext
    ) -> key_value_pb2.KeyValueBatchResponse:
        """Change keys, if all is as expected."""
        keys = self._keys(self.manager.check("KeyValue.Batch", context, request))
        for change in request.changes:
            _check_entry(change.key, change.value, context)
        for condition in request.conditions:
            wanted = condition.value if condition.HasField("value") else None
            if keys.get(condition.key) != wanted:
                return key_value_pb2.KeyValueBatchResponse(failed_key=condition.key)
        for change in request.changes:
            if change.HasField("value"):
                keys[change.key] = change.value
            else:
                keys.pop(change.key, None)
        self.manager.changed()
        return key_value_pb2.KeyValueBatchResponse(succeeded=True)

    def Watch(
        self, request: key_value_pb2.KeyValueWatchRequest, context: grpc.ServicerContext
    ) -> Iterator[key_value_pb2.KeyValueWatchResponse]:
        """Tell of keys that are others than they were."""
        session = self.manager.check("KeyValue.Watch", context, request)

        def present() -> dict[str, bytes]:
            keys = self._keys(session).copy()
            return {key: keys[key] for key in keys if key.startswith(request.prefix)}

        for key, value in self.manager.changes(present, context):
            change = key_value_pb2.KeyValueChange(key=key, value=value)
            yield key_value_pb2.KeyValueWatchResponse(change=change)


class Remote(remote_pb2_grpc.RemoteServicer):
    """Other modules."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Call(
        self, request: remote_pb2.RemoteCallRequest, context: grpc.ServicerContext
    ) -> remote_pb2.RemoteCallResponse:
        """Call a method of FakeManager.methods, or else of a module that is attached."""
        self.manager.check("Remote.Call", context, request)
        args = json.loads(request.args_json or "[]")
        kwargs = json.loads(request.kwargs_json or "{}")
        method = self.manager.methods.get((request.module, request.method))
        session = self.manager.attached(request.module)
        if method is None and session is not None:
            answer = session.call(request.method, *args, **kwargs)
            if answer.WhichOneof("outcome") == "error":
                return remote_pb2.RemoteCallResponse(error=answer.error)
            return remote_pb2.RemoteCallResponse(result_json=answer.result_json)
        if method is None:
            known = any(module == request.module for module, _ in self.manager.methods)
            if not known:
                Refusal(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"module '{request.module}' is not enabled",
                    "MODULE_NOT_ENABLED",
                ).abort(context)
            error = types_pb2.RemoteError(kind="METHOD_NOT_FOUND")
            return remote_pb2.RemoteCallResponse(error=error)
        return remote_pb2.RemoteCallResponse(**_outcome(lambda: method(*args, **kwargs)))


class Health(health_pb2_grpc.HealthServicer):
    """Health checks."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Set(
        self, request: health_pb2.HealthSetRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthSetResponse:
        """Keep the checks."""
        session = self.manager.check("Health.Set", context, request)
        self.manager.health[session.module] = list(request.checks)
        return health_pb2.HealthSetResponse()


class Manager(manager_pb2_grpc.ManagerServicer):
    """What modules ask of the manager itself."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def SetUri(
        self, request: manager_pb2.SetUriRequest, context: grpc.ServicerContext
    ) -> manager_pb2.SetUriResponse:
        """Keep where a module serves."""
        session = self.manager.check("Manager.SetUri", context, request)
        self.manager.uris[session.module] = request.uri
        return manager_pb2.SetUriResponse()

    def TailEvents(
        self, request: manager_pb2.TailEventsRequest, context: grpc.ServicerContext
    ) -> Iterator[manager_pb2.TailEventsResponse]:
        """Tell what has happened to modules, and what happens."""
        self.manager.check("Manager.TailEvents", context, request)
        began = itertools.count()

        def present() -> dict[str, manager_pb2.TailEventsResponse]:
            if next(began) == 0:
                return {}  # so that what there is already is news, too
            events = self.manager.module_events[request.after :]
            return {f"{event.sequence:09}": event for event in events}

        for _, event in self.manager.changes(present, context):
            yield event

    def GetStatus(
        self, request: manager_pb2.GetStatusRequest, context: grpc.ServicerContext
    ) -> manager_pb2.GetStatusResponse:
        """Tell how the manager is."""
        self.manager.check("Manager.GetStatus", context, request)
        return self.manager.status

    def ListModules(
        self, request: manager_pb2.ListModulesRequest, context: grpc.ServicerContext
    ) -> manager_pb2.ListModulesResponse:
        """Tell of modules."""
        self.manager.check("Manager.ListModules", context, request)
        return manager_pb2.ListModulesResponse(modules=self.manager.modules)

    def DescribeModule(
        self, request: manager_pb2.DescribeModuleRequest, context: grpc.ServicerContext
    ) -> manager_pb2.DescribeModuleResponse:
        """Tell of a module where it serves."""
        self.manager.check("Manager.DescribeModule", context, request)
        uri = self.manager.uris.get(request.name, "")
        info = manager_pb2.ModuleInfo(name=request.name, uri=uri)
        return manager_pb2.DescribeModuleResponse(module=info)


class Progress(progress_pb2_grpc.ProgressServicer):
    """Progress events."""

    def __init__(self, manager: FakeManager) -> None:
        self.manager = manager

    def Update(
        self, request: progress_pb2.ProgressUpdateRequest, context: grpc.ServicerContext
    ) -> progress_pb2.ProgressUpdateResponse:
        """Keep an event."""
        session = self.manager.check("Progress.Update", context, request)
        self.manager.progress[session.module][request.event.id] = request.event
        return progress_pb2.ProgressUpdateResponse()

    def Complete(
        self, request: progress_pb2.ProgressCompleteRequest, context: grpc.ServicerContext
    ) -> progress_pb2.ProgressCompleteResponse:
        """Forget an event."""
        session = self.manager.check("Progress.Complete", context, request)
        self.manager.progress[session.module].pop(request.id, None)
        return progress_pb2.ProgressCompleteResponse()

    def Clear(
        self, request: progress_pb2.ProgressClearRequest, context: grpc.ServicerContext
    ) -> progress_pb2.ProgressClearResponse:
        """Forget all events of a module."""
        session = self.manager.check("Progress.Clear", context, request)
        self.manager.progress[session.module].clear()
        return progress_pb2.ProgressClearResponse()


def _check_entry(key: str, value: bytes, context: grpc.ServicerContext) -> None:
    wrong = ""
    if not key:
        wrong = "the key is empty"
    elif len(key.encode()) > _LONGEST_KEY:
        wrong = f"the key has {len(key.encode())} bytes; at most {_LONGEST_KEY}"
    elif len(value) > _LONGEST_VALUE:
        wrong = f'the value of key "{key}" has {len(value)} bytes; at most {_LONGEST_VALUE}'
    if wrong:
        Refusal(grpc.StatusCode.INVALID_ARGUMENT, wrong).abort(context)


def _outcome(call: Callable[[], Any]) -> dict[str, Any]:
    try:
        value = call()
        if isinstance(value, types_pb2.RemoteError):
            return {"error": value}
        return {"result_json": json.dumps(value)}
    except Exception as error:
        kind, message = type(error).__name__, str(error)
        return {"error": types_pb2.RemoteError(kind="RAISED", type=kind, message=message)}
