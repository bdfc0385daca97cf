// The commands that change a simulated cluster.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/cluster/sim/sim_command_handlers.h"

namespace outpost::cluster::sim {
namespace {

using command::Result;

constexpr int64_t kDefaultPgNum = 32;   // osd_pool_default_pg_num
constexpr int64_t kMaxPgNum = 65536;    // mon_max_pool_pg_num
constexpr int64_t kMaxPgsPerOsd = 250;  // mon_max_pg_per_osd
constexpr int64_t kMaxPoolSize = 10;

Result Say(absl::string_view text) { return {0, "", std::string(text)}; }

template <typename Change>
Result ChangeFlags(const Arguments& arguments, absl::string_view what, Change change) {
  const absl::StatusOr<std::string> key = arguments.Text("key");
  if (!key.ok()) return Invalid(key.status());
  const uint32_t flags = FlagsOfKey(*key);
  if (flags == 0) return Fail(EINVAL, absl::StrCat("unrecognized flag '", *key, "'"));
  change(flags);
  return Say(absl::StrCat(absl::StrJoin(FlagNames(flags), ","), " is ", what));
}

// Marks those of `ids` for which `applies` holds. As a monitor does, it passes over
// what it can't read or find, says so, and marks the rest.
template <typename Applies, typename Mark>
Result MarkOsds(const Model& model, const Arguments& arguments, absl::string_view word,
                Applies applies, Mark mark) {
  const absl::StatusOr<std::vector<std::string>> ids = arguments.List("ids");
  if (!ids.ok()) return Invalid(ids.status());
  const std::vector<Osd>& osds = model.cluster().osds;
  Result result;
  std::vector<int> marked;
  if (!ids->empty() && (ids->front() == "any" || ids->front() == "all" || ids->front() == "*")) {
    for (const Osd& osd : osds) {
      if (!applies(osd)) continue;
      marked.push_back(osd.id);
      absl::StrAppend(&result.err, "marked ", word, " osd.", osd.id, ". ");
    }
    mark(marked);
    return result;
  }
  for (const std::string& text : *ids) {
    const absl::string_view number = absl::StripPrefix(text, "osd.");
    int id = 0;
    if (!absl::SimpleAtoi(number, &id)) {
      absl::StrAppend(&result.err, "Expected option value to be integer, got '", number,
                      "'invalid osd id-1");
      result.retval = -EINVAL;
    } else if (id < 0) {
      absl::StrAppend(&result.err, "expected numerical value, got: ", number, "invalid osd id-22");
      result.retval = -EINVAL;
    } else if (static_cast<size_t>(id) >= osds.size()) {
      absl::StrAppend(&result.err, "osd.", id, " does not exist. ");
    } else if (!applies(osds[id])) {
      absl::StrAppend(&result.err, "osd.", id, " is already ", word, ". ");
    } else {
      marked.push_back(id);
      absl::StrAppend(&result.err, "marked ", word, " osd.", id, ". ");
    }
  }
  mark(marked);
  return result;
}

Result CheckPgNum(const Cluster& cluster, int64_t pg_num, int64_t size) {
  if (pg_num < 1 || pg_num > kMaxPgNum) {
    return Fail(ERANGE, absl::StrCat("'pg_num' must be greater than 0 and less than or equal to ",
                                     kMaxPgNum,
                                     " (you may adjust 'mon max pool pg num' for higher values)"));
  }
  int64_t projected = pg_num * size;
  for (const Pool& pool : cluster.pools) {
    projected += static_cast<int64_t>(pool.pgs.size()) * pool.size;
  }
  const int in = CountIn(cluster);
  const int64_t limit = kMaxPgsPerOsd * std::max(in, 1);
  if (projected > limit) {
    return Fail(ERANGE,
                absl::StrCat("pg_num ", pg_num, " size ", size, " would mean ", projected,
                             " total pgs, which exceeds max ", limit, " (mon_max_pg_per_osd ",
                             kMaxPgsPerOsd, " * num_in_osds ", in, ")"));
  }
  return {};
}

}  // namespace

Result OsdSet(Model& model, const Arguments& arguments) {
  return ChangeFlags(arguments, "set", [&](uint32_t flags) { model.SetFlags(flags); });
}

Result OsdUnset(Model& model, const Arguments& arguments) {
  return ChangeFlags(arguments, "unset", [&](uint32_t flags) { model.ClearFlags(flags); });
}

Result OsdOut(Model& model, const Arguments& arguments) {
  return MarkOsds(
      model, arguments, "out", [](const Osd& osd) { return osd.in; },
      [&](const std::vector<int>& osds) { model.MarkOut(osds); });
}

Result OsdIn(Model& model, const Arguments& arguments) {
  return MarkOsds(
      model, arguments, "in", [](const Osd& osd) { return !osd.in; },
      [&](const std::vector<int>& osds) { model.MarkIn(osds); });
}

Result OsdDown(Model& model, const Arguments& arguments) {
  return MarkOsds(
      model, arguments, "down", [](const Osd& osd) { return osd.up; },
      [&](const std::vector<int>& osds) { model.MarkDown(osds); });
}

Result PoolCreate(Model& model, const Arguments& arguments) {
  const Cluster& cluster = model.cluster();
  const absl::StatusOr<std::string> name = arguments.Text("pool");
  const absl::StatusOr<std::string> type = arguments.Text("pool_type", "replicated");
  const absl::StatusOr<int64_t> pg_num = arguments.Int("pg_num", 0);
  const absl::StatusOr<int64_t> size = arguments.Int("size", 0);
  for (const absl::Status& status :
       {name.status(), type.status(), pg_num.status(), size.status()}) {
    if (!status.ok()) return Invalid(status);
  }
  if (name->empty()) return Fail(EINVAL, "bad or missing field 'pool'");
  if (*type != "replicated" && *type != "erasure") {
    return Fail(EINVAL, absl::StrCat("unknown pool type '", *type, "'"));
  }
  if (FindPool(cluster, *name) != nullptr) {
    return Say(absl::StrCat("pool '", *name, "' already exists"));
  }
  if (*type == "erasure") {
    return Fail(EOPNOTSUPP, "a simulated cluster has replicated pools only, no erasure-coded ones");
  }
  if (*size < 0 || *size > kMaxPoolSize) {
    return Fail(EINVAL, absl::StrCat("pool size must be between 1 and ", kMaxPoolSize));
  }
  const int64_t pgs = *pg_num == 0 ? kDefaultPgNum : *pg_num;
  const int64_t copies = *size == 0 ? DefaultPoolSize(cluster) : *size;
  Result unfit = CheckPgNum(cluster, pgs, copies);
  if (unfit.retval != 0) return unfit;
  model.CreatePool(*name, static_cast<int>(pgs), static_cast<int>(copies));
  return Say(absl::StrCat("pool '", *name, "' created"));
}

Result PoolRemove(Model& model, const Arguments& arguments) {
  const absl::StatusOr<std::string> name = arguments.Text("pool");
  const absl::StatusOr<std::string> again = arguments.Text("pool2");
  const absl::StatusOr<bool> sure = arguments.Bool("yes_i_really_really_mean_it");
  const absl::StatusOr<bool> test = arguments.Bool("yes_i_really_really_mean_it_not_faking");
  for (const absl::Status& status : {name.status(), again.status(), sure.status(), test.status()}) {
    if (!status.ok()) return Invalid(status);
  }
  const Pool* pool = FindPool(model.cluster(), *name);
  if (pool == nullptr) return Say(absl::StrCat("pool '", *name, "' does not exist"));
  if (!*test && (*again != *name || !*sure)) {
    return Fail(
        EPERM,
        absl::StrCat("WARNING: this will *PERMANENTLY DESTROY* all data stored in pool ", *name,
                     ".  If you are *ABSOLUTELY CERTAIN* that is what you want, pass the "
                     "pool name *twice*, followed by --yes-i-really-really-mean-it."));
  }
  model.RemovePool(pool->id);
  return Say(absl::StrCat("pool '", *name, "' removed"));
}

}  // namespace outpost::cluster::sim
