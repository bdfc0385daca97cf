#include "server/module/installed_modules.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/text/toml_file.h"
#include "server/text/toml_words.h"

namespace outpost::module {
namespace {

namespace fs = std::filesystem;

absl::Status ReadProcess(const toml::table& table, InstalledModule& module) {
  for (const auto& [key, value] : table) {
    auto words = text::TomlWords(value);
    if (!words.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(std::string(key.str()), " ", words.status().message()));
    }
    module.process.push_back({.key = std::string(key.str()), .words = *std::move(words)});
    ProcessPolicy scratch;
    if (auto status = Apply(module.process.back(), &scratch); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Fills in `module` from its manifest; the message of an error says what to mend.
absl::Status ReadManifest(const fs::path& file, InstalledModule& module) {
  const absl::StatusOr<toml::table> parsed = text::ParseTomlFile(file.string());
  if (!parsed.ok()) return parsed.status();
  const toml::table& table = *parsed;
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    if (name == "name") {
      if (!value.is_string()) {
        return absl::InvalidArgumentError(absl::StrCat(file.string(), ": name must be a string"));
      }
      module.name = value.as_string()->get();
    } else if (name == "argv") {
      if (!value.is_array()) {
        return absl::InvalidArgumentError(absl::StrCat(
            file.string(), ": argv must be an array of strings, e.g. [\"./my_module\"]"));
      }
      for (const auto& word : *value.as_array()) {
        if (!word.is_string()) {
          return absl::InvalidArgumentError(
              absl::StrCat(file.string(), ": argv must hold strings only"));
        }
        module.argv.push_back(word.as_string()->get());
      }
    } else if (name == "caps") {
      if (!value.is_string()) {
        return absl::InvalidArgumentError(
            absl::StrCat(file.string(),
                         ": caps must be a string, e.g. \"profile module, allow service mon r\""));
      }
      absl::StatusOr<auth::Caps> caps = auth::Caps::Parse(value.as_string()->get());
      if (!caps.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(file.string(), ": caps: ", caps.status().message()));
      }
      module.caps = *std::move(caps);
    } else if (name == "environment") {
      if (!value.is_table()) {
        return absl::InvalidArgumentError(
            absl::StrCat(file.string(), ": environment must be a table of strings"));
      }
      for (const auto& [variable, text] : *value.as_table()) {
        if (variable.str().empty() || absl::StrContains(std::string(variable.str()), '=')) {
          return absl::InvalidArgumentError(absl::StrCat(file.string(), ": environment: \"",
                                                         std::string(variable.str()),
                                                         "\" can't be the name of a variable"));
        }
        if (!text.is_string()) {
          return absl::InvalidArgumentError(absl::StrCat(
              file.string(), ": environment.", std::string(variable.str()), " must be a string"));
        }
        module.environment[std::string(variable.str())] = text.as_string()->get();
      }
    } else if (name == "process") {
      if (!value.is_table()) {
        return absl::InvalidArgumentError(
            absl::StrCat(file.string(), ": process must be a table, [process]"));
      }
      if (auto status = ReadProcess(*value.as_table(), module); !status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(file.string(), ": process: ", status.message()));
      }
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(file.string(), ": ", name,
                       " is not one of name (a string), argv (an array of strings), caps (a "
                       "string), environment (a table of strings), process (a table)"));
    }
  }
  std::error_code ignored;
  if (module.argv.empty() && fs::exists(file.parent_path() / "module.py", ignored)) {
    return absl::OkStatus();
  }
  if (module.argv.empty() || module.argv[0].empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.string(), ": argv is missing; e.g. argv = [\"./my_module\"]"));
  }
  if (absl::StrContains(module.argv[0], '/') && module.argv[0][0] != '/') {
    module.argv[0] = (file.parent_path() / module.argv[0]).lexically_normal().string();
  }
  return absl::OkStatus();
}

// Without a mask: there is no such file.
struct statx StatOf(const std::string& file) {
  struct statx found = {};
  if (statx(AT_FDCWD, file.c_str(), 0, STATX_BASIC_STATS, &found) != 0) found = {};
  return found;
}

bool IsSameFile(const struct statx& now, const struct statx& before, absl::Time at) {
  if (now.stx_mask == 0 || before.stx_mask == 0) return now.stx_mask == before.stx_mask;
  // A file that is written twice in one tick of its clock is not seen to change: what is as new as
  // that counts as changed. The change time is nobody's to set.
  constexpr int64_t kSettled = 2;  // seconds
  const int64_t age = absl::ToUnixSeconds(at) - now.stx_ctime.tv_sec;
  return age > kSettled && now.stx_ino == before.stx_ino && now.stx_size == before.stx_size &&
         now.stx_dev_major == before.stx_dev_major && now.stx_dev_minor == before.stx_dev_minor &&
         now.stx_ctime.tv_sec == before.stx_ctime.tv_sec &&
         now.stx_ctime.tv_nsec == before.stx_ctime.tv_nsec;
}

}  // namespace

absl::Status ValidateModuleName(absl::string_view name) {
  const bool good = !name.empty() && name.size() <= 64 && absl::ascii_isalpha(name[0]) &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return absl::ascii_isalnum(c) || c == '_' || c == '-';
                    });
  if (name == "manager" || name == "cluster") {
    return absl::InvalidArgumentError(
        absl::StrCat("module name \"", name, "\": the manager itself uses it; choose another"));
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("module name \"", name,
                   "\": a name is a letter, then letters, digits, '_' and '-', at most 64"));
}

InstalledModule ReadModuleDirectory(const std::string& directory, const PythonRuntime& python) {
  InstalledModule module;
  module.directory = directory;
  module.name = fs::path(directory).filename().string();
  std::error_code ignored;
  const fs::path manifest = fs::path(directory) / "module.toml";
  if (fs::exists(manifest, ignored)) {
    if (auto status = ReadManifest(manifest, module); !status.ok()) {
      module.problem = std::string(status.message());
      module.name = fs::path(directory).filename().string();
    }
  }
  if (module.argv.empty() && module.problem.empty() &&
      !fs::exists(fs::path(directory) / "module.py", ignored)) {
    module.problem = absl::StrCat(directory, ": there is no module: no module.toml, no module.py");
  }
  if (module.argv.empty() && module.problem.empty()) {
    module.argv = {python.interpreter, "-m", "outpost.run", directory};
    if (!python.sdk_directory.empty()) module.environment["PYTHONPATH"] = python.sdk_directory;
  }
  if (auto status = ValidateModuleName(module.name); !status.ok() && module.problem.empty()) {
    module.problem = absl::StrCat(directory, ": ", status.message());
    module.name = fs::path(directory).filename().string();
  }
  return module;
}

ModulePath::Read ModulePath::Look(const std::string& directory) {
  return {.manifest = StatOf(directory + "/module.toml"),
          .is_python = StatOf(directory + "/module.py").stx_mask != 0,
          .module = {}};
}

bool ModulePath::IsSame(const Read& now, const Read& before, absl::Time at) {
  // What could not be read may be by now.
  return before.module.problem.empty() && now.is_python == before.is_python &&
         IsSameFile(now.manifest, before.manifest, at);
}

std::map<std::string, InstalledModule> ModulePath::Scan(absl::Time at) {
  std::map<std::string, InstalledModule> result;
  std::map<std::string, Read> read;
  for (const std::string& parent : path_) {
    parents_[parent] = StatOf(parent);  // before: what comes while it is read is seen next time
    std::error_code error;
    std::vector<std::string> directories;
    for (fs::directory_iterator it(parent, error), end; !error && it != end; it.increment(error)) {
      directories.push_back(fs::absolute(it->path()).string());
    }
    std::sort(directories.begin(), directories.end());
    for (const std::string& directory : directories) {
      Read now = Look(directory);
      if (now.manifest.stx_mask == 0 && !now.is_python) continue;
      const auto before = read_.find(directory);
      if (before != read_.end() && IsSame(now, before->second, at)) {
        now.module = std::move(before->second.module);
      } else {
        now.module = ReadModuleDirectory(directory, python_);
        ++reads_;
      }
      result.emplace(now.module.name, now.module);
      read.insert_or_assign(directory, std::move(now));
    }
  }
  read_ = std::move(read);
  return result;
}

bool ModulePath::Holds(const std::string& directory, absl::Time at) const {
  const auto before = read_.find(directory);
  return before != read_.end() && IsSame(Look(directory), before->second, at) &&
         std::all_of(path_.begin(), path_.end(), [&](const std::string& parent) {
           const auto was = parents_.find(parent);
           return was != parents_.end() && IsSameFile(StatOf(parent), was->second, at);
         });
}

}  // namespace outpost::module
