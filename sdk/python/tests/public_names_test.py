"""The names that others' code relies on: a change here is a change of the SDK's interface."""

from __future__ import annotations

import inspect

import mgr_module
import object_format
import outpost
from outpost import argument_types

OUTPOST = """
CLICheckNonemptyFileInput CLICommand CLIReadCommand CLIWriteCommand CRUSHMap CallError
CallTimeoutError ClusterLogPrio Command CommandResult DetachedError ExitCode HandleCommandResult
HandlerFuncType HealthCheck HealthChecks InvalidArgumentError Latencies LatestValue
ManagerStatus ManagerUnavailableError MgrModule MgrStandbyModule ModuleEvent ModuleLoadError
ModuleStatus MonCommandFailed NotFoundError NotSupportedError NotifyType
Option OptionTypeLabel OptionValue OSDMap OSDMapIncremental OutpostError PG_STATES PlacementError
PerfCounter PermissionDeniedError ProcessUsage RequestStats ServerInfo ServiceInfo StoreStats
StructureInfo SubscriptionStatus Watch caller_is_gone
"""

MGR_MODULE = """
API NFS_GANESHA_SUPPORTED_FSALS NFS_POOL_NAME PerfCounterT
ERROR_MSG_EMPTY_INPUT_FILE ERROR_MSG_NO_INPUT_FILE PG_STATES
CLICheckNonemptyFileInput CLICommand CLIReadCommand CLIWriteCommand ClusterLogPrio Command
CommandResult HandleCommandResult HandlerFuncType HealthCheckT HealthChecksT MgrModule
MgrStandbyModule MonCommandFailed NotifyType Option OptionTypeLabel OptionValue ServerInfoT
CRUSHMap OSDMap OSDMapIncremental
ServiceInfoT
"""

OBJECT_FORMAT = """
CommonFormatter ConstantResponderBase DEFAULT_JSON_INDENT EmptyResponder ErrorResponse
ErrorResponseBase ErrorResponseHandler Format JSONDataProvider JSONFormatter ObjectFormatAdapter
ObjectResponseFuncType Responder ReturnValueAdapter ReturnValueProvider SimpleData
SimpleDataProvider UnknownFormat UnsupportedFormat YAMLDataProvider YAMLFormatter
"""

ARGUMENT_TYPES = """
ArgumentType CephEntityAddr CephFilepath CephFragment CephIPAddr CephName CephObjectname
CephOsdName CephPgid CephPoolname CephSize CephSocketpath CephUUID GoodChars Range
"""

METHODS = """
add_mds_perf_query add_osd_perf_query clear_all_progress_events complete_progress_event get_context
get_ceph_conf_path get_mds_perf_counters get_mgr_ip get_osd_perf_counters get_osdmap is_authorized
lookup_release_name osd_command rados release_name remove_mds_perf_query remove_osd_perf_query
reregister_mds_perf_queries send_rgwadmin_command set_device_wear_level set_uri tell_command
tool_exec update_progress_event get_store_bytes update_store watch_module_events
watch_module_options watch_store
can_run check_mon_command cluster_log config_notify getLogger get get_all_perf_counters
get_ceph_option get_counter get_daemon_health_metrics get_daemon_status get_foreign_ceph_option
get_latest get_latest_avg get_latest_counter get_latest_counters
get_localized_module_option get_localized_store
get_metadata get_mgr_id get_module_option get_module_option_ex get_perf_schema get_pretty_header
get_pretty_row get_server get_store get_store_prefix handle_command have_mon_connection
list_modules list_servers list_structures list_subscriptions log manager_status
mon_command notify remote self_test send_command serve
set_health_checks set_localized_module_option set_localized_store set_module_option
set_module_option_ex set_store shutdown to_pretty_iec version watchdog
"""

ATTRIBUTES = """
BYTES COMMANDS ClusterLogPrio MAX_CONCURRENCY MODULE_OPTIONS MODULE_OPTION_DEFAULTS NONE
NOTIFY_TYPES PERFCOUNTER_COUNTER PERFCOUNTER_HISTOGRAM PERFCOUNTER_LONGRUNAVG PERFCOUNTER_TIME
PERFCOUNTER_TYPE_MASK PERFCOUNTER_U64 PRIO_CRITICAL PRIO_DEBUGONLY PRIO_INTERESTING
PRIO_UNINTERESTING PRIO_USEFUL
"""


def test_outpost() -> None:
    assert sorted(outpost.__all__) == sorted(OUTPOST.split())
    assert all(hasattr(outpost, name) for name in outpost.__all__)


def test_mgr_module() -> None:
    assert sorted(mgr_module.__all__) == sorted(MGR_MODULE.split())


def test_object_format() -> None:
    assert sorted(object_format.__all__) == sorted(OBJECT_FORMAT.split())
    assert all(hasattr(object_format, name) for name in object_format.__all__)
    assert [each.value for each in object_format.Format] == [
        *("plain", "json", "json-compact", "json-pretty", "yaml", "xml", "xml-pretty")
    ]


def test_argument_types() -> None:
    assert sorted(argument_types.__all__) == sorted(ARGUMENT_TYPES.split())


def test_mgr_module_class() -> None:
    names = {name for name in dir(outpost.MgrModule) if not name.startswith("_")}
    assert names == set(METHODS.split()) | set(ATTRIBUTES.split())


def test_signatures_that_modules_call_by_name() -> None:
    module = outpost.MgrModule

    def names(function: object) -> list[str]:
        assert callable(function)
        return list(inspect.signature(function).parameters)

    assert names(module.__init__) == ["self", "module_name", "py_modules_ptr", "this_ptr"]
    assert names(module.get) == ["self", "data_name", "mutable", "path", "fields"]
    assert names(module.notify) == ["self", "notify_type", "notify_id"]
    assert names(module.handle_command) == ["self", "inbuf", "cmd"]
    assert names(module.get_module_option) == ["self", "key", "default"]
    assert names(module.set_module_option) == ["self", "key", "val"]
    assert names(module.set_store) == ["self", "key", "val"]
    assert names(module.send_command)[1:] == [
        *("result", "svc_type", "svc_id", "command", "tag", "inbuf")
    ]
    assert names(outpost.CLICommand) == ["prefix", "perm", "poll"]
    assert names(outpost.Option)[:11] == [
        *("name", "default", "type", "desc", "long_desc", "min", "max"),
        *("enum_allowed", "tags", "see_also", "runtime"),
    ]
    assert outpost.HandleCommandResult() == (0, "", "")
    assert [kind.value for kind in outpost.NotifyType] == [
        *("mon_map", "pg_summary", "health", "clog", "osd_map", "fs_map", "command")
    ]


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
