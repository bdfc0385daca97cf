#include "server/cluster/structure_index.h"

#include <algorithm>
#include <limits>

#include "absl/hash/hash.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/cluster/json_scan.h"

namespace outpost::cluster {
namespace {

using json_scan::Children;

constexpr size_t kNone = absl::string_view::npos;

// Of an array, every so many elements have an offset of their own.
constexpr size_t kStride = 16;

// What is nested deeper has no index: a text can nest deeper than a stack is.
constexpr int kMaxDepth = 64;

uint32_t HashOf(absl::string_view key) {
  return static_cast<uint32_t>(absl::Hash<absl::string_view>{}(key));
}

// RFC 6901: empty, or parts that each begin with '/'; "~" only as "~0" and "~1".
bool IsPointer(absl::string_view pointer) {
  if (!pointer.empty() && pointer[0] != '/') return false;
  for (size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '~' &&
        (i + 1 == pointer.size() || (pointer[i + 1] != '0' && pointer[i + 1] != '1'))) {
      return false;
    }
  }
  return true;
}

// A token of a pointer, its escapes undone.
absl::string_view Unescape(absl::string_view token, std::string* decoded) {
  if (token.find('~') == kNone) return token;
  decoded->clear();
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~') {
      decoded->push_back(token[++i] == '0' ? '~' : '/');
    } else {
      decoded->push_back(token[i]);
    }
  }
  return *decoded;
}

// The index that a token is; kNone: it is none.
size_t ArrayIndex(absl::string_view token) {
  uint32_t index = 0;
  if (token.empty() || (token.size() > 1 && token[0] == '0')) return kNone;
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return kNone;
  }
  return absl::SimpleAtoi(token, &index) ? index : kNone;
}

// One object, with only these members.
void AppendFields(absl::string_view text, size_t object, const std::vector<std::string>& fields,
                  std::string* out) {
  std::vector<absl::string_view> found(fields.size());
  std::string decoded;
  for (Children child(text, object); !child.done();) {
    const absl::string_view key = json_scan::StringAt(text, child.key(), &decoded);
    const size_t end = json_scan::SkipValue(text, child.value());
    for (size_t i = 0; i < fields.size(); ++i) {
      if (found[i].empty() && key == fields[i]) {
        found[i] = text.substr(child.key(), end - child.key());
      }
    }
    child.Next(end);
  }
  out->push_back('{');
  bool first = true;
  for (const absl::string_view member : found) {
    if (member.empty()) continue;
    if (!first) out->push_back(',');
    first = false;
    out->append(member.data(), member.size());
  }
  out->push_back('}');
}

}  // namespace

// Collects children while it walks; those of small containers are dropped again.
class IndexBuilder {
 public:
  IndexBuilder(absl::string_view text, StructureIndex* index) : text_(text), index_(index) {}

  // Walks the value at `at`, and gives where it ends.
  size_t Walk(size_t at, int depth) {
    const char c = at < text_.size() ? text_[at] : '\0';
    if ((c != '{' && c != '[') || depth == kMaxDepth) return json_scan::SkipValue(text_, at);
    const bool object = c == '{';
    const size_t mark = object ? members_.size() : offsets_.size();
    size_t count = 0;
    size_t end = at + 1;
    for (Children child(text_, at); !child.done(); ++count) {
      if (object) {
        members_.push_back({HashOf(json_scan::StringAt(text_, child.key(), &decoded_)),
                            static_cast<uint32_t>(child.key())});
      } else if (count % kStride == 0) {
        offsets_.push_back(static_cast<uint32_t>(child.value()));
      }
      end = Walk(child.value(), depth + 1);
      child.Next(end);
    }
    end = json_scan::SkipSpace(text_, end) + 1;
    if (end - at >= StructureIndex::kSmall) {
      if (object) {
        std::stable_sort(members_.begin() + static_cast<ptrdiff_t>(mark), members_.end(),
                         [](const auto& a, const auto& b) { return a.hash < b.hash; });
        Keep(members_, mark, at, &index_->objects_, &index_->members_);
      } else {
        Keep(offsets_, mark, at, &index_->arrays_, &index_->offsets_);
      }
    }
    if (object) {
      members_.resize(mark);
    } else {
      offsets_.resize(mark);
    }
    return end;
  }

 private:
  template <typename Child, typename Map>
  static void Keep(const std::vector<Child>& children, size_t mark, size_t at, Map* containers,
                   std::vector<Child>* kept) {
    (*containers)[static_cast<uint32_t>(at)] = {static_cast<uint32_t>(kept->size()),
                                                static_cast<uint32_t>(children.size() - mark)};
    kept->insert(kept->end(), children.begin() + static_cast<ptrdiff_t>(mark), children.end());
  }

  const absl::string_view text_;
  StructureIndex* const index_;
  std::vector<uint32_t> offsets_;                // of the containers that are open
  std::vector<StructureIndex::Member> members_;  // of the containers that are open
  std::string decoded_;
};

StructureIndex::StructureIndex(absl::string_view text) {
  if (text.size() > std::numeric_limits<uint32_t>::max()) return;
  IndexBuilder(text, this).Walk(json_scan::SkipSpace(text, 0), 0);
  offsets_.shrink_to_fit();
  members_.shrink_to_fit();
}

size_t StructureIndex::bytes() const {
  constexpr size_t kSlot = sizeof(uint32_t) + sizeof(Container) + 1;
  return sizeof(*this) + (arrays_.capacity() + objects_.capacity()) * kSlot +
         offsets_.capacity() * sizeof(uint32_t) + members_.capacity() * sizeof(Member);
}

size_t StructureIndex::Element(absl::string_view text, size_t array,
                               absl::string_view token) const {
  const size_t index = ArrayIndex(token);
  if (index == kNone) return kNone;
  size_t skip = index;
  Children child(text, array);
  if (const auto known = arrays_.find(static_cast<uint32_t>(array)); known != arrays_.end()) {
    if (index / kStride >= known->second.count) return kNone;
    child = Children::From(text, offsets_[known->second.first + index / kStride], false);
    skip = index % kStride;
  }
  for (; !child.done() && skip > 0; --skip) child.Next();
  return child.done() ? kNone : child.value();
}

size_t StructureIndex::MemberOf(absl::string_view text, size_t object,
                                absl::string_view key) const {
  std::string decoded;
  const auto known = objects_.find(static_cast<uint32_t>(object));
  if (known == objects_.end()) {
    for (Children child(text, object); !child.done(); child.Next()) {
      if (json_scan::StringAt(text, child.key(), &decoded) == key) return child.value();
    }
    return kNone;
  }
  const auto begin = members_.begin() + known->second.first;
  const auto end = begin + known->second.count;
  const uint32_t hash = HashOf(key);
  for (auto it = std::lower_bound(begin, end, hash,
                                  [](const Member&m, uint32_t h) { return m.hash < h; });
       it != end && it->hash == hash; ++it) {
    if (json_scan::StringAt(text, it->offset, &decoded) == key) {
      return Children::From(text, it->offset, true).value();
    }
  }
  return kNone;
}

absl::StatusOr<absl::string_view> StructureIndex::Find(absl::string_view text,
                                                       absl::string_view pointer) const {
  if (!IsPointer(pointer)) {
    return absl::InvalidArgumentError(
        "not a JSON Pointer (\"/osds/0\"; \"~0\" is ~ and \"~1\" is / within a name)");
  }
  size_t at = json_scan::SkipSpace(text, 0);
  std::string decoded;
  for (size_t from = 0; from < pointer.size();) {
    const size_t end = std::min(pointer.find('/', from + 1), pointer.size());
    const absl::string_view token = Unescape(pointer.substr(from + 1, end - from - 1), &decoded);
    const char c = at < text.size() ? text[at] : '\0';
    at = c == '[' ? Element(text, at, token) : c == '{' ? MemberOf(text, at, token) : kNone;
    if (at == kNone) {
      return absl::NotFoundError(from == 0 ? "there is no such part"
                                           : absl::StrCat("there is \"", pointer.substr(0, from),
                                                          "\", and nothing such in it"));
    }
    from = end;
  }
  return text.substr(at, json_scan::SkipValue(text, at) - at);
}

absl::StatusOr<std::string> SelectFields(absl::string_view value,
                                         const std::vector<std::string>& fields) {
  const auto refused = absl::InvalidArgumentError(
      "fields can be taken from an object, or from an array of objects; this is neither");
  std::string out;
  if (value.empty()) return refused;
  if (value[0] == '{') {
    AppendFields(value, 0, fields, &out);
    return out;
  }
  if (value[0] != '[') return refused;
  out.push_back('[');
  for (Children child(value, 0); !child.done(); child.Next()) {
    if (value[child.value()] != '{') return refused;
    if (out.size() > 1) out.push_back(',');
    AppendFields(value, child.value(), fields, &out);
  }
  out.push_back(']');
  return out;
}

}  // namespace outpost::cluster
