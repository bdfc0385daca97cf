"""The rest of MgrModule: facts of the manager, progress, where a module serves."""

from __future__ import annotations

import grpc
import pytest
from conftest import Runner
from probe_module import Probe

import mgr_module
import outpost
from outpost.testing import FakeManager, Refusal, wait_until
from outpost.v1 import manager_pb2, notifications_pb2


def test_names_of_releases(probe: Probe) -> None:
    assert probe("self.release_name") == "quincy"
    names = [outpost.MgrModule.lookup_release_name(major) for major in (12, 16, 17, 0, -1, 999)]
    assert names == ["luminous", "pacific", "quincy", "unknown", "unknown", "unknown"]
    assert {"active", "clean", "peering", "snaptrim_wait"} < set(mgr_module.PG_STATES)


def test_the_managers_address(probe: Probe) -> None:
    assert probe("self.get_mgr_ip()") == "192.0.2.7"


def test_the_hosts_name_where_there_is_no_address(manager: FakeManager, run: Runner) -> None:
    manager.manager_ip = ""
    run(
        """
        import socket

        class Sample(MgrModule):
            @CLIReadCommand("ip")
            def ip(self):
                return 0, str(self.get_mgr_ip() == socket.gethostname()), ""
        """
    )
    assert manager.session().run("ip").stdout == "True"


def test_everybody_is_authorized(probe: Probe) -> None:
    assert probe("self.is_authorized({'pool': 'x'})") is True
    # In a thread of its own, as in serve(), nobody has asked.
    alone = "__import__('concurrent.futures').futures.ThreadPoolExecutor().submit"
    assert probe(f"{alone}(self.is_authorized, {{}}).result()") is False


def test_the_manager_and_what_it_does(probe: Probe) -> None:
    status = probe.manager.status
    status.manager_id = "x"
    status.started.FromMilliseconds(1_500)
    status.stats.usage.threads = 7
    status.stats.store.commits.counts.extend([3, 1, 2])
    status.stats.store.commits.bounds.extend([0.5, 1])
    status.stats.commands["module"].failed = 4
    assert probe("self.manager_status().started") == 1.5
    assert probe("self.manager_status().usage.threads") == 7
    assert probe("self.manager_status().commands['module'].failed") == 4
    commits = "self.manager_status().store.commits"
    assert probe(f"{commits}.buckets[:2]") == [[0.5, 3], [1, 1]]
    assert probe(f"[{commits}.buckets[2][0] == float('inf'), {commits}.count]") == [True, 6]


def test_modules_and_what_they_use(probe: Probe) -> None:
    info = manager_pb2.ModuleInfo(name="hello", state=manager_pb2.MODULE_STATE_CANNOT_RUN)
    probe.manager.modules.append(info)
    described = "self.list_modules()[0]"
    assert probe(f"[{described}.name, {described}.state]") == ["hello", "cannot run"]
    assert probe(f"[{described}.attached, {described}.usage]") == [None, None]
    info.state = 98  # type: ignore[assignment]  # a newer manager's
    assert probe(f"{described}.state") == "state 98"
    info.attached.FromSeconds(9)
    info.usage.rss_bytes = 4096
    info.calls.lost = 2
    assert probe(f"{described}.attached") == 9
    assert probe(f"{described}.usage.rss_bytes") == 4096
    assert probe(f"[{described}.calls.lost, {described}.commands.lost]") == [2, 0]


def test_who_is_subscribed(probe: Probe) -> None:
    info = notifications_pb2.SubscriptionInfo(owner="client", types=["osd_map"], missed=5)
    info.lag.FromMilliseconds(250)
    probe.manager.subscribers.append(info)
    told = "self.list_subscriptions()[0]"
    assert probe(f"[{told}.owner, {told}.types, {told}.missed, {told}.lag]") == [
        *("client", ["osd_map"], 5, 0.25)
    ]


def test_the_newest_values_of_counters(probe: Probe) -> None:
    assert probe("sorted(self.get_latest_counters('osd', '0'))") == [
        *(["osd.0", "lat", 1.5, 3], ["osd.0", "op_w", 7, 0])
    ]
    assert len(probe("list(self.get_latest_counters(prio_limit=0))")) == 3


def test_progress(probe: Probe) -> None:
    assert probe("self.update_progress_event('e', 'Moving', 0.25, True)") is None
    event = probe.manager.progress["sample"]["e"]
    assert (event.id, event.message, event.progress, event.in_status) == ("e", "Moving", 0.25, True)
    probe("self.update_progress_event('e', 'Moving', 1, False)")
    assert probe.manager.progress["sample"]["e"].progress == 1
    probe("self.complete_progress_event('e')")
    probe("self.complete_progress_event('e')")
    assert not probe.manager.progress["sample"]
    probe("[self.update_progress_event(name, '', 0.5, False) for name in 'abc']")
    assert sorted(probe.manager.progress["sample"]) == ["a", "b", "c"]
    probe("self.clear_all_progress_events()")
    assert not probe.manager.progress["sample"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("'e', '', 1.5, True", "progress event e: progress 1.5 is not from 0 to 1"),
        ("'e', '', -0.1, True", "progress event e: progress -0.1 is not from 0 to 1"),
        ("'e', '', float('nan'), True", "progress event e: progress nan is not from 0 to 1"),
        ("'', '', 0.5, True", "progress event: its id is empty"),
    ],
)
def test_progress_that_is_wrong(probe: Probe, arguments: str, told: str) -> None:
    kinds, message = probe.raised(f"self.update_progress_event({arguments})")
    assert (kinds[0], message) == ("ValueError", told)
    assert not probe.manager.progress["sample"]


def test_where_it_serves(probe: Probe) -> None:
    probe("self.set_uri('http://host:8443/')")
    assert probe.manager.uris["sample"] == "http://host:8443/"
    probe("self.set_uri('')")
    assert probe.manager.uris["sample"] == ""


def test_a_manager_without_it_says_so(probe: Probe) -> None:
    words = "this manager does not have it yet"
    for method in ("Manager.SetUri", "Progress.Update"):
        probe.manager.refusals[method] = Refusal(grpc.StatusCode.UNIMPLEMENTED, words, "X")
    for call in ("set_uri('u')", "update_progress_event('e', '', 0, True)"):
        kinds, message = probe.raised(f"self.{call}")
        assert "NotImplementedError" in kinds
        assert message.endswith(words)


def test_a_new_manager_is_told_again(manager: FakeManager, run: Runner) -> None:
    run(
        """
        class Sample(MgrModule):
            @CLICommand("tell")
            def tell(self):
                self.set_uri("http://here/")
                for name in ("stays", "ends"):
                    self.update_progress_event(name, "Doing", 0.5, True)
                self.complete_progress_event("ends")
                return 0, "", ""
        """
    )
    assert manager.session().run("tell").retval == 0
    manager.stop()
    manager.uris.clear()
    manager.progress.clear()
    manager.start()
    manager.session()
    wait_until(lambda: manager.progress["sample"], "the progress event again")
    assert list(manager.progress["sample"]) == ["stays"]
    assert manager.uris["sample"] == "http://here/"


NOT_OFFERED = """
get_context() set_device_wear_level('d',0.5) add_osd_perf_query({}) remove_osd_perf_query(1)
get_osd_perf_counters(1) add_mds_perf_query({}) remove_mds_perf_query(1)
reregister_mds_perf_queries() get_mds_perf_counters(1)
"""


@pytest.mark.parametrize("call", NOT_OFFERED.split())
def test_what_needs_ceph_mgrs_own_process(probe: Probe, call: str) -> None:
    kinds, message = probe.raised(f"self.{call}")
    assert kinds[0] == "NotImplementedError"
    assert message.startswith(call.partition("(")[0])
    assert ": " in message, "what to do instead"


def test_without_a_ceph_there_is_no_connection_to_one(probe: Probe) -> None:
    for name in ("rados", "get_ceph_conf_path()"):
        kinds, message = probe.raised(f"self.{name}")
        assert kinds[0] == "NotImplementedError"
        assert message == (
            f"{name}: there is no Ceph to reach: a manager with --source ceph tells its modules the"
            " configuration file, and for a module that is started by hand OUTPOST_CEPH_CONF does"
        )
    assert probe.session.call("rados").error.type == "NotImplementedError"


def test_a_connection_to_a_ceph_that_cannot_be_made(probe: Probe) -> None:
    setup = "import os, sys; os.environ['OUTPOST_CEPH_CONF'] = '/nonexistent/ceph.conf'; "
    try:
        assert probe(f"{setup}self.get_ceph_conf_path()") == "/nonexistent/ceph.conf"
        kinds, message = probe.raised("sys.modules['rados'] = None; self.rados")
        assert kinds[0] == "NotImplementedError"
        assert "install the package python3-rados" in message
    finally:
        probe("sys.modules.pop('rados'); os.environ.pop('OUTPOST_CEPH_CONF')")


STANDBY = """
from mgr_module import MgrStandbyModule
standby = MgrStandbyModule("sample", None)
standby._outpost_bind(self._host)
"""


def test_what_a_standby_module_reads(probe: Probe) -> None:
    def ask(code: str) -> object:
        return probe("; ".join([*STANDBY.strip().split("\n"), f"standby.{code}"]))

    probe.manager.keys["sample"]["k"] = b"v"
    probe.manager.keys["sample"]["x/k"] = b"here"
    probe("self.set_uri('http://active:9283/')")
    probe.manager.set_structure("mgr_map", {"active_name": "x"})
    assert ask("module_name") == "sample"
    assert ask("get_mgr_id()") == probe("self.get_mgr_id()")
    assert ask("get_mgr_ip()") == "192.0.2.7"
    assert ask("get_active_uri()") == "http://active:9283/"
    assert ask("get_module_option('size')") == 4096
    assert ask("get_module_option('uint', 9)") == 9
    assert ask("get_localized_module_option('int')") == -3
    probe.manager.cluster_options["fsid"] = "f"
    assert ask("get_ceph_option('fsid')") == "f"
    assert ask("get_store('k')") == "v"
    assert ask("get_store('none')") is None
    assert ask("get_localized_store('k')") == probe("self.get_localized_store('k')")
    assert ask("get_localized_store('none', 'd')") == "d"
    assert ask("get('mgr_map')") == {"active_name": "x"}
    assert ask("get('nothing')") is None
    assert ask("log is standby.getLogger()") is True
    assert ask("shutdown()") is None
    kinds, message = probe.raised("; ".join([*STANDBY.strip().split("\n"), "standby.serve()"]))
    assert (kinds[0], message) == ("NotImplementedError", "MgrStandbyModule has no serve()")


def test_what_a_standby_module_cannot_do() -> None:
    there = {name for name in dir(outpost.MgrStandbyModule) if not name.startswith("_")}
    assert there == {
        *("MODULE_OPTIONS", "MODULE_OPTION_DEFAULTS", "module_name", "get", "getLogger"),
        *("get_active_uri", "get_ceph_option", "get_localized_module_option"),
        *("get_localized_store", "get_mgr_id", "get_mgr_ip", "get_module_option", "get_store"),
        *("log", "serve", "shutdown"),
    } - {"module_name"}


CALLS = """
get('osd_map')
get_server('h')
list_servers()
get_metadata('osd', '0')
get_daemon_status('osd', '0')
get_perf_schema('osd', '0')
get_counter('osd', '0', 'x')
get_latest_counter('osd', '0', 'x')
get_all_perf_counters()
get_latest_counters()
list_modules()
list_subscriptions()
manager_status()
get_daemon_health_metrics()
get_module_option('log_level')
get_localized_module_option('log_level')
get_module_option_ex('m', 'o')
set_module_option('log_level', '')
set_module_option_ex('m', 'o', '')
set_localized_module_option('log_level', '')
get_ceph_option('fsid')
get_foreign_ceph_option('osd', 'fsid')
get_store('k')
get_store_bytes('k')
update_store({})
get_store_prefix('k')
set_store('k', None)
get_localized_store('k')
set_localized_store('k', None)
remote('m', 'f')
send_command(None, 'mon', '', '{}', '')
tell_command('mon', '', {})
tool_exec(['rbd'])
set_health_checks({})
cluster_log('cluster', 1, 'm')
have_mon_connection()
get_osdmap()
get_ceph_conf_path()
get_mgr_id()
get_mgr_ip()
is_authorized({})
set_uri('u')
update_progress_event('e', 'd', 0.5, True)
complete_progress_event('e')
clear_all_progress_events()
"""


@pytest.mark.parametrize("call", CALLS.split("\n")[1:-1])
def test_too_early(call: str) -> None:
    name = call.partition("(")[0]
    with pytest.raises(RuntimeError) as raised:
        eval(f"module.{call}", {"module": outpost.MgrModule("sample")})
    assert str(raised.value) == (
        f"{name}() was called before the manager accepted the module (in __init__?): call it in"
        " serve(), in a command, in config_notify() or in notify()"
    )


def test_what_exporters_make_of_counters() -> None:
    module = outpost.MgrModule("m")
    kinds = [module._stattype_to_str(kind) for kind in (2, 1, 5, 10, 16, 64)]
    assert kinds == ["gauge", "gauge", "counter", "counter", "histogram", ""]
    assert module._perfvalue_to_value(1, 2.5) == 2.5
    assert module._perfvalue_to_value(10, 7) == 7
    assert (module._unit_to_str(module.NONE), module._unit_to_str(module.BYTES)) == ("/s", "B/s")
    with pytest.raises(ValueError, match='bad unit "9"'):
        module._unit_to_str(9)
    labels = module._perfpath_to_path_labels
    assert labels("osd.3", "osd.op") == ("osd.op", ("ceph_daemon",), ("osd.3",))
    assert labels("rgw.a.b", "rgw.req") == ("rgw.req", ("instance_id",), ("a.b",))
    assert labels("rbd-mirror.1", "rbd_mirror.x") == (
        *("rbd_mirror.x", ("ceph_daemon",), ("rbd-mirror.1",)),
    )
    names = ("ceph_daemon", "pool", "namespace", "image")
    for namespace, path in (("", "p/i.j"), ("n", "p/n/i.j")):
        assert labels("rbd-mirror.1", f"rbd_mirror_image_{path}.replay_bytes") == (
            "rbd_mirror_image_replay_bytes",
            names,
            ("rbd-mirror.1", "p", namespace, "i.j"),
        )


def test_marks() -> None:
    @mgr_module.API.perm("w")
    @mgr_module.API.expose
    def marked() -> None: ...

    @mgr_module.API.perm()
    def reads() -> None: ...

    def plain() -> None: ...

    assert mgr_module.API.perm.get(marked) == "w"
    assert mgr_module.API.expose.get(marked) is True
    assert mgr_module.API.perm.get(reads) == "r"
    assert mgr_module.API.perm.get(plain) == "r"
    assert mgr_module.API.expose.get(plain) is False


if __name__ == "__main__":
    import run_pytest

    run_pytest.run(__file__)
