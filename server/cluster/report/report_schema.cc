#include "server/cluster/report/report_schema.h"

#include <algorithm>
#include <numeric>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace outpost::cluster::report {
namespace {

using v1::IngestCounterDescription;
using v1::IngestRejected;

constexpr size_t kMaxPath = 256;          // bytes
constexpr size_t kMaxDescription = 1024;  // bytes
constexpr size_t kMaxNick = 4;            // characters
constexpr uint32_t kMaxPriority = 10;
constexpr uint32_t kHistogram = 16;  // Ceph's bit, beside those of CounterType
constexpr uint32_t kUnitBytes = 0;   // Ceph's units
constexpr uint32_t kUnitNone = 1;
constexpr double kSecondsOfNanosecond = 1e-9;

Rejection Bad(std::string field, std::string message,
              IngestRejected::Reason reason = IngestRejected::REASON_INVALID) {
  return {reason, std::move(field), std::move(message)};
}

// In characters, not bytes.
size_t Length(const std::string& utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::optional<Rejection> CheckDescription(const IngestCounterDescription& counter, int index) {
  const std::string field = absl::StrCat("perf_schema.counters[", index, "].");
  if (counter.path().empty() || counter.path().size() > kMaxPath) {
    return Bad(field + "path",
               absl::StrCat("a path of ", counter.path().size(), " bytes: it has 1 to ", kMaxPath,
                            ", as in \"osd.op_w\""));
  }
  const std::string& path = counter.path();
  switch (counter.kind()) {
    case IngestCounterDescription::KIND_GAUGE:
    case IngestCounterDescription::KIND_COUNTER:
    case IngestCounterDescription::KIND_LONG_RUNNING_AVERAGE:
    case IngestCounterDescription::KIND_HISTOGRAM:
      break;
    default:
      return Bad(field + "kind", absl::StrCat(path, ": ", static_cast<int>(counter.kind()),
                                              " is no kind of counter: it is required"));
  }
  if (!IngestCounterDescription::ValueType_IsValid(counter.value_type())) {
    return Bad(
        field + "value_type",
        absl::StrCat(path, ": ", static_cast<int>(counter.value_type()), " is no type of value"));
  }
  if (!IngestCounterDescription::Unit_IsValid(counter.unit())) {
    return Bad(field + "unit",
               absl::StrCat(path, ": ", static_cast<int>(counter.unit()), " is no unit"));
  }
  if (counter.priority() > kMaxPriority) {
    return Bad(field + "priority",
               absl::StrCat(path, ": ", counter.priority(), " is over 10, the highest priority"));
  }
  if (counter.description().size() > kMaxDescription) {
    return Bad(field + "description", absl::StrCat(path, ": ", counter.description().size(),
                                                   " bytes are more than ", kMaxDescription));
  }
  if (Length(counter.nick()) > kMaxNick) {
    return Bad(field + "nick",
               absl::StrCat(path, ": \"", counter.nick(), "\" has more than four characters"));
  }
  return std::nullopt;
}

v1::CounterSchema ToSchema(const IngestCounterDescription& counter) {
  v1::CounterSchema schema;
  schema.set_path(counter.path());
  uint32_t type = counter.value_type() == IngestCounterDescription::VALUE_TYPE_TIME ? kTime : kU64;
  if (counter.kind() == IngestCounterDescription::KIND_COUNTER) type |= kCounter;
  if (counter.kind() == IngestCounterDescription::KIND_LONG_RUNNING_AVERAGE) type |= kLongRunAvg;
  if (counter.kind() == IngestCounterDescription::KIND_HISTOGRAM) type |= kHistogram;
  schema.set_type(type);
  schema.set_unit(counter.unit() == IngestCounterDescription::UNIT_BYTES ? kUnitBytes : kUnitNone);
  schema.set_priority(counter.priority());
  schema.set_description(counter.description());
  schema.set_nick(counter.nick());
  return schema;
}

std::shared_ptr<const ReportSchema> Build(const v1::IngestPerfSchema& declared) {
  const auto size = static_cast<size_t>(declared.counters_size());
  std::vector<uint32_t> by_path(size);
  std::iota(by_path.begin(), by_path.end(), 0);
  const auto declaration = [&](uint32_t i) -> const IngestCounterDescription& {
    return declared.counters(static_cast<int>(i));
  };
  std::sort(by_path.begin(), by_path.end(),
            [&](uint32_t a, uint32_t b) { return declaration(a).path() < declaration(b).path(); });
  auto counters = std::make_shared<std::vector<v1::CounterSchema>>();
  counters->reserve(size);
  auto schema = std::make_shared<ReportSchema>();
  schema->slots.resize(size);
  uint32_t averages = 0;
  for (uint32_t value = 0; value < size; ++value) {
    const IngestCounterDescription& counter = declaration(by_path[value]);
    ReportSchema::Slot& slot = schema->slots[by_path[value]];
    slot.value = value;
    slot.is_time = counter.value_type() == IngestCounterDescription::VALUE_TYPE_TIME;
    if (counter.kind() == IngestCounterDescription::KIND_LONG_RUNNING_AVERAGE) {
      slot.kind = ReportSchema::Kind::kAverage;
      slot.average = averages++;
    } else if (counter.kind() == IngestCounterDescription::KIND_HISTOGRAM) {
      slot.kind = ReportSchema::Kind::kHistogram;
    }
    counters->push_back(ToSchema(counter));
  }
  schema->counters = std::move(counters);
  return schema;
}

using Indexes = google::protobuf::RepeatedField<uint32_t>;

std::optional<Rejection> CheckIndexes(const Indexes& indexes, absl::string_view field,
                                      ReportSchema::Kind wanted, const ReportSchema& schema) {
  const auto bad = [&](int at, absl::string_view what) {
    return Bad(absl::StrCat("counters.", field, "[", at, "]"),
               absl::StrCat(indexes.Get(at), " ", what), IngestRejected::REASON_BAD_INDEX);
  };
  for (int i = 0; i < indexes.size(); ++i) {
    const uint32_t index = indexes.Get(i);
    if (index >= schema.slots.size()) {
      return bad(
          i, absl::StrCat("is not in the schema, which has ", schema.slots.size(), " counters"));
    }
    if (schema.slots[index].kind != wanted) {
      const std::string& path = (*schema.counters)[schema.slots[index].value].path();
      switch (schema.slots[index].kind) {
        case ReportSchema::Kind::kNumber:
          return bad(i, absl::StrCat("(", path,
                                     ") is no long-running average: its value goes "
                                     "into indexes and values"));
        case ReportSchema::Kind::kAverage:
          return bad(i, absl::StrCat("(", path,
                                     ") is a long-running average: it goes into "
                                     "average_indexes, average_sums and average_counts"));
        case ReportSchema::Kind::kHistogram:
          return bad(i, absl::StrCat("(", path, ") is a histogram, whose values do not travel"));
      }
    }
    if (i > 0 && index <= indexes.Get(i - 1)) {
      return bad(i, absl::StrCat("follows ", indexes.Get(i - 1), ": they ascend, each once"));
    }
  }
  return std::nullopt;
}

double Value(uint64_t value, const ReportSchema::Slot& slot) {
  return static_cast<double>(value) * (slot.is_time ? kSecondsOfNanosecond : 1);
}

}  // namespace

std::variant<std::shared_ptr<const ReportSchema>, Rejection> ReportSchemas::Get(
    const v1::IngestPerfSchema& declared) {
  if (static_cast<uint32_t>(declared.counters_size()) > options_.max_counters) {
    return Bad(
        "perf_schema.counters",
        absl::StrCat(declared.counters_size(), " counters are more than ", options_.max_counters),
        IngestRejected::REASON_LIMIT);
  }
  // The version is the daemon's own. A message without maps has one encoding here.
  v1::IngestPerfSchema key = declared;
  key.clear_version();
  const std::string encoded = key.SerializeAsString();
  absl::MutexLock lock(&mu_);
  if (const auto found = schemas_.find(encoded); found != schemas_.end()) {
    if (auto schema = found->second.lock(); schema != nullptr) return schema;
  }
  absl::flat_hash_set<absl::string_view> paths;
  for (int i = 0; i < declared.counters_size(); ++i) {
    if (auto rejection = CheckDescription(declared.counters(i), i)) return *std::move(rejection);
    if (!paths.insert(declared.counters(i).path()).second) {
      return Bad(absl::StrCat("perf_schema.counters[", i, "].path"),
                 absl::StrCat("\"", absl::Utf8SafeCHexEscape(declared.counters(i).path()),
                              "\" is there twice: declare each counter once"));
    }
  }
  if (schemas_.size() >= sweep_at_) {
    for (auto entry = schemas_.begin(); entry != schemas_.end();) {
      entry = entry->second.expired() ? schemas_.erase(entry) : std::next(entry);
    }
    sweep_at_ = 2 * schemas_.size() + 64;
  }
  auto schema = Build(declared);
  schemas_.insert_or_assign(encoded, schema);
  return schema;
}

size_t ReportSchemas::size() const {
  absl::MutexLock lock(&mu_);
  return static_cast<size_t>(std::count_if(
      schemas_.begin(), schemas_.end(), [](const auto& entry) { return !entry.second.expired(); }));
}

std::optional<Rejection> CheckCounters(const v1::IngestCounters& batch,
                                       const ReportSchema& schema) {
  const auto differ = [](absl::string_view field, int size, absl::string_view indexes, int wanted) {
    return Bad(absl::StrCat("counters.", field),
               absl::StrCat("has ", size, " elements, and ", indexes, " has ", wanted,
                            ": give one for each"));
  };
  if (batch.values_size() != batch.indexes_size()) {
    return differ("values", batch.values_size(), "indexes", batch.indexes_size());
  }
  if (batch.average_sums_size() != batch.average_indexes_size()) {
    return differ("average_sums", batch.average_sums_size(), "average_indexes",
                  batch.average_indexes_size());
  }
  if (batch.average_counts_size() != batch.average_indexes_size()) {
    return differ("average_counts", batch.average_counts_size(), "average_indexes",
                  batch.average_indexes_size());
  }
  if (auto rejection =
          CheckIndexes(batch.indexes(), "indexes", ReportSchema::Kind::kNumber, schema)) {
    return rejection;
  }
  if (auto rejection = CheckIndexes(batch.average_indexes(), "average_indexes",
                                    ReportSchema::Kind::kAverage, schema)) {
    return rejection;
  }
  if (batch.has_sampled_at()) {
    const auto& time = batch.sampled_at();
    // As far as nanoseconds in 64 bits go, by whole years.
    constexpr int64_t kLast = 9'214'646'400;  // 2262-01-01
    if (time.seconds() < -kLast || time.seconds() >= kLast || time.nanos() < 0 ||
        time.nanos() > 999'999'999) {
      return Bad("counters.sampled_at",
                 absl::StrCat(time.seconds(), " s and ", time.nanos(),
                              " ns since 1970 are no time; leave it out if the clock is not set"));
    }
  }
  return std::nullopt;
}

void LeaveOut(uint32_t min_priority, const ReportSchema& schema, absl::Span<double> values) {
  if (min_priority == 0) return;
  for (size_t i = 0; i < values.size(); ++i) {
    if ((*schema.counters)[i].priority() < min_priority) values[i] = PerfCounters::kNoValue;
  }
}

void ApplyCounters(const v1::IngestCounters& batch, const ReportSchema& schema,
                   absl::Span<double> values, absl::Span<uint64_t> counts) {
  for (int i = 0; i < batch.indexes_size(); ++i) {
    const ReportSchema::Slot& slot = schema.slots[batch.indexes(i)];
    values[slot.value] = Value(batch.values(i), slot);
  }
  for (int i = 0; i < batch.average_indexes_size(); ++i) {
    const ReportSchema::Slot& slot = schema.slots[batch.average_indexes(i)];
    values[slot.value] = Value(batch.average_sums(i), slot);
    counts[slot.average] = batch.average_counts(i);
  }
}

}  // namespace outpost::cluster::report
