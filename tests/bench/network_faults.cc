// Faults of the network between the manager and a module on another host.
#include <signal.h>

#include <atomic>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/bench/fault.h"
#include "tests/bench/namespaces.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

constexpr absl::Duration kPace = absl::Milliseconds(10);

// The module `remote` on another host. Its commands are run a hundred times a second, also while
// nothing is wrong.
class Remote {
 public:
  Remote(const Scene& scene, std::unique_ptr<OtherHost> host)
      : scene_(scene), host_(std::move(host)) {}

  void Start() {
    const std::string program =
        (scene_.here / "tests/integration/modules/faulty_cpp/faulty_cpp").string();
    module_ = host_->Start({absl::StrCat("OUTPOST_ADDRESS=tls:", OtherHost::kHere, ":", kTlsPort),
                            absl::StrCat("OUTPOST_TLS_DIR=", scene_.directory, "/tls/remote"),
                            "OUTPOST_MODULE=remote", "FAULTY_PREFIX=remote"},
                           {program}, scene_.directory + "/remote.log");
    WaitForModule(scene_.manager, "remote");
  }
  void Stop() { module_.reset(); }

  void Part() {
    host_->Part();
    parted_ = true;
  }
  // As a host that has lost its power.
  void PartAndKill() {
    Part();
    kill(module_->pid(), SIGKILL);
    module_.reset();
  }
  void Join() {
    host_->Mend();
    parted_ = false;
    if (module_ == nullptr) {
      Start();
    } else {
      WaitForModule(scene_.manager, "remote");
    }
  }

  void Ask() {
    Paced(kPace, [this] {
      const bool parted = parted_;
      if (!Try(scene_.manager, {"remote"}, kPace) && parted) ++unanswered_;
    });
  }
  uint64_t unanswered() const { return unanswered_; }

 private:
  const Scene& scene_;
  const std::unique_ptr<OtherHost> host_;
  std::unique_ptr<Child> module_;
  std::atomic<bool> parted_ = false;
  std::atomic<uint64_t> unanswered_ = 0;
};

}  // namespace

std::vector<Fault> NetworkFaults(const Scene& scene) {
  if (!scene.apart) return {};
  auto host = OtherHost::Join(scene.directory + "/host.log");
  if (host == nullptr) return {};
  const auto remote = std::make_shared<Remote>(scene, std::move(host));
  Fault partition = {.name = "its host can't be reached: a partition",
                     .held = "deadlines, heartbeats",
                     .begin = [remote] { remote->Part(); },
                     .end = [remote] { remote->Join(); },
                     .always = [remote] { remote->Ask(); },
                     .times = [remote] { return remote->unanswered(); },
                     .before = [remote] { remote->Start(); },
                     .after = [remote] { remote->Stop(); }};
  Fault half_open = partition;
  half_open.name = "its host is gone: half-open TCP";
  half_open.begin = [remote] { remote->PartAndKill(); };
  return {std::move(partition), std::move(half_open)};
}

}  // namespace outpost::bench
