#include "server/cluster/cluster_state.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "outpost/v1/cluster.pb.h"
#include "server/text/nearest.h"

namespace outpost::cluster {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;
using outpost::v1::ClusterGetResponse;

constexpr size_t kNearestNamed = 3;

// The versions of a process begin here: above those of every process before it,
// so that a reader which forgot to start again from 0 does not take an old text
// for the newest. In a double (JSON) it is still exact.
uint64_t FirstVersion() {
  static const auto first = static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  return first;
}

uint8_t* WriteText(int field, absl::string_view text, uint8_t* target) {
  target =
      WireFormatLite::WriteTagToArray(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED, target);
  target = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(text.size()), target);
  return CodedOutputStream::WriteRawToArray(text.data(), static_cast<int>(text.size()), target);
}

size_t TextSize(absl::string_view text) {
  return 1 + CodedOutputStream::VarintSize32(static_cast<uint32_t>(text.size())) + text.size();
}

// Fills `snapshot.encoded` and `snapshot.json` from the rest. By hand: a message
// object would hold a second copy of the text, and promises no order of fields.
void Encode(absl::string_view json, Snapshot& snapshot) {
  static_assert(ClusterGetResponse::kJsonFieldNumber < 16, "its tag is one byte");
  std::string& bytes = snapshot.own;
  bytes.resize(TextSize(snapshot.name) + 1 + CodedOutputStream::VarintSize64(snapshot.version) +
               TextSize(json) - json.size());
  auto* target = reinterpret_cast<uint8_t*>(bytes.data());
  target = WriteText(ClusterGetResponse::kNameFieldNumber, snapshot.name, target);
  target = WireFormatLite::WriteUInt64ToArray(ClusterGetResponse::kVersionFieldNumber,
                                              snapshot.version, target);
  target = WireFormatLite::WriteTagToArray(ClusterGetResponse::kJsonFieldNumber,
                                           WireFormatLite::WIRETYPE_LENGTH_DELIMITED, target);
  CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(json.size()), target);
  if (json.size() >= ClusterState::kSealedSize) {
    // A refusal is no loss: the stream carries it.
    if (auto sealed = SealedText::Create(bytes, json); sealed.ok()) {
      snapshot.sealed = *std::move(sealed);
      snapshot.encoded = snapshot.sealed->bytes();
    }
  }
  if (snapshot.sealed == nullptr) {
    bytes.append(json.data(), json.size());
    snapshot.encoded = bytes;
  }
  snapshot.json = snapshot.encoded.substr(snapshot.encoded.size() - json.size());
}

}  // namespace

SnapshotPtr MakeSnapshot(absl::string_view name, uint64_t version, absl::string_view id,
                         const event::Moment& changed, absl::string_view json) {
  // In its final place before it is encoded: `json` points into `encoded`.
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->name = std::string(name);
  snapshot->version = version;
  snapshot->id = std::string(id);
  snapshot->changed = changed;
  Encode(json, *snapshot);
  return snapshot;
}

void ClusterState::Publish(absl::string_view name, absl::string_view json, absl::string_view id) {
  absl::MutexLock publishing(&publish_mu_);
  SnapshotPtr before;
  uint64_t next_version = FirstVersion();
  {
    absl::MutexLock lock(&mu_);
    const auto found = structures_.find(name);
    if (found != structures_.end()) {
      before = found->second.snapshot;
      next_version = before->version + 1;
    } else if (const auto removed = removed_.find(name); removed != removed_.end()) {
      next_version = removed->second + 1;
    }
  }
  // Only a publisher changes a structure, so what was read stays true without mu_.
  const event::Moment now = event::Moment::Now();
  if (before != nullptr && before->json == json) {
    absl::MutexLock lock(&mu_);
    structures_.find(name)->second.confirmed = now;
    return;
  }
  const SnapshotPtr snapshot = MakeSnapshot(name, next_version, id, now, json);
  {
    absl::MutexLock lock(&mu_);
    structures_.insert_or_assign(snapshot->name, Known{snapshot, now});
  }
  for (const Listener& listener : listeners_) listener(snapshot);
}

void ClusterState::Remove(absl::string_view name) {
  absl::MutexLock publishing(&publish_mu_);
  uint64_t version = 0;
  {
    absl::MutexLock lock(&mu_);
    const auto found = structures_.find(name);
    if (found == structures_.end()) return;
    version = found->second.snapshot->version + 1;
    structures_.erase(found);
    removed_.insert_or_assign(std::string(name), version);
  }
  for (const RemovalListener& listener : removal_listeners_) listener(name, version);
}

void ClusterState::Confirm(absl::string_view name) {
  const event::Moment now = event::Moment::Now();
  absl::MutexLock lock(&mu_);
  const auto found = structures_.find(name);
  if (found != structures_.end()) found->second.confirmed = now;
}

absl::StatusOr<SnapshotPtr> ClusterState::Get(absl::string_view name) const {
  std::vector<std::string> known;
  Connection connection;
  {
    absl::ReaderMutexLock lock(&mu_);
    const auto found = structures_.find(name);
    if (found != structures_.end()) return found->second.snapshot;
    known.reserve(structures_.size());
    for (const auto& [known_name, entry] : structures_) known.push_back(known_name);
    connection = connection_;
  }
  const std::string what = absl::StrCat("structure \"", name, "\": there is no such structure");
  if (known.empty() && !connection.connected) {
    return absl::NotFoundError(
        absl::StrCat(what, ": nothing is known of the cluster yet (", connection.reason, ")"));
  }
  const std::vector<std::string> nearest = text::Nearest(name, known, kNearestNamed);
  return absl::NotFoundError(
      nearest.empty() ? absl::StrCat(what, "; Cluster.List tells which there are")
                      : absl::StrCat(what, "; the nearest are ", absl::StrJoin(nearest, ", ")));
}

std::vector<ClusterState::Entry> ClusterState::List() const {
  std::vector<Entry> entries;
  const event::Moment now = event::Moment::Now();
  absl::ReaderMutexLock lock(&mu_);
  entries.reserve(structures_.size());
  for (const auto& [name, known] : structures_) {
    entries.push_back({.snapshot = known.snapshot,
                       .changed = event::WallTime(known.snapshot->changed, now),
                       .confirmed = event::WallTime(known.confirmed, now)});
  }
  return entries;
}

template <typename T>
void ClusterState::ChangeAndTell(T* what, T next) {
  absl::MutexLock publishing(&publish_mu_);
  Connection connection;
  {
    absl::MutexLock lock(&mu_);
    if (*what == next) return;
    *what = std::move(next);
    connection = connection_;
  }
  for (const auto& listener : connection_listeners_) listener(connection);
}

void ClusterState::SetConnection(Connection connection) {
  if (connection.connected) connection.reason.clear();
  ChangeAndTell(&connection_, std::move(connection));
}

void ClusterState::SetAccess(Access access) { ChangeAndTell(&access_, std::move(access)); }

Access ClusterState::access() const {
  absl::ReaderMutexLock lock(&mu_);
  return access_;
}

Connection ClusterState::connection() const {
  absl::ReaderMutexLock lock(&mu_);
  return connection_;
}

void ClusterState::SetClusterId(absl::string_view id) {
  absl::MutexLock lock(&mu_);
  cluster_id_ = std::string(id);
}

std::string ClusterState::cluster_id() const {
  absl::ReaderMutexLock lock(&mu_);
  return cluster_id_;
}

void ClusterState::AddListener(Listener listener) {
  absl::MutexLock publishing(&publish_mu_);
  listeners_.push_back(std::move(listener));
}

void ClusterState::AddRemovalListener(RemovalListener listener) {
  absl::MutexLock publishing(&publish_mu_);
  removal_listeners_.push_back(std::move(listener));
}

void ClusterState::AddConnectionListener(std::function<void(const Connection&)> listener) {
  absl::MutexLock publishing(&publish_mu_);
  connection_listeners_.push_back(std::move(listener));
}

}  // namespace outpost::cluster
