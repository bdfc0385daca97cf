#include "cli/local_commands.h"

#include "cli/cert.h"
#include "cli/completion_scripts.h"
#include "cli/notify.h"
#include "cli/repl.h"
#include "cli/shell.h"

namespace outpost::cli {

const std::vector<LocalCommand>& LocalCommands() {
  static const auto* const all = new std::vector<LocalCommand>{
      {"cert",
       "cert init|issue|renew|ls|revoke",
       "Make and revoke certificates for TLS, by an authority of one's own",
       {"init", "issue", "renew", "ls", "revoke", "--ca", "--valid", "--host", "--out",
        "--trust-domain"},
       Cert},
      {"completion",
       "completion bash|zsh",
       "Print what makes a shell complete every command, argument and choice: source <(outpost "
       "completion bash)",
       {"bash", "zsh"},
       Completion},
      {"notify",
       "notify [<types>...] [-f]",
       "Print a line for each notification (time, type, id, version) until interrupted",
       {"--follow", "clog", "command", "config", "fs_map", "health", "mgr_map", "mon_map",
        "osd_map", "perf_schema_update", "pg_summary", "service_map"},
       Notify},
      {"repl",
       "repl [--prefix PREFIX] [--show-env] [-c CODE | SCRIPT]",
       "Talk Python to a module, by the command `mgr self-test eval` of module selftest or another "
       "PREFIX",
       {"--prefix", "--show-env", "-c"},
       Repl},
      {"shell",
       "shell",
       "Take commands at a prompt, or a line each from standard input, until quit",
       {},
       Shell},
  };
  return *all;
}

const LocalCommand* FindLocalCommand(const std::vector<std::string>& words) {
  if (words.empty()) return nullptr;
  for (const LocalCommand& command : LocalCommands()) {
    if (words.front() == command.name) return &command;
  }
  return nullptr;
}

}  // namespace outpost::cli
