#include "server/cluster/sim/sim_placement.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace outpost::cluster::sim {
namespace {

// The finalizer of SplitMix64: every bit of the result depends on every bit of x.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

// Highest random weight.
std::vector<int> Place(const Cluster& cluster, const Pool& pool, const Pg& pg) {
  const uint64_t key = Mix(static_cast<uint64_t>(pool.id) << 32 | pg.seed);
  const auto rank = [key](int item) { return Mix(key ^ Mix(static_cast<uint64_t>(item))); };
  std::vector<std::pair<uint64_t, int>> ranked;  // the best OSD of each failure domain
  if (cluster.spread_over_hosts) {
    for (const Host& host : cluster.hosts) {
      std::pair<uint64_t, int> best = {0, -1};
      for (const int osd : host.osds) {
        if (cluster.osds[osd].in) best = std::max(best, {rank(osd), osd});
      }
      if (best.second >= 0) ranked.emplace_back(rank(host.bucket), best.second);
    }
  } else {
    for (const Osd& osd : cluster.osds) {
      if (osd.in) ranked.emplace_back(rank(osd.id), osd.id);
    }
  }
  const size_t size = std::min(ranked.size(), static_cast<size_t>(pool.size));
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(size),
                    ranked.end(), std::greater<>());
  std::vector<int> osds;
  osds.reserve(size);
  for (size_t i = 0; i < size; ++i) osds.push_back(ranked[i].second);
  return osds;
}

}  // namespace outpost::cluster::sim
