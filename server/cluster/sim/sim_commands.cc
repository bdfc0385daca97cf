#include "server/cluster/sim/sim_commands.h"

#include <cerrno>
#include <cstddef>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/cluster/sim/sim_arguments.h"
#include "server/cluster/sim/sim_command_handlers.h"

namespace outpost::cluster::sim {
namespace {

using command::Result;

struct MonCommand {
  const char* prefix;
  const char* arguments;
  const char* help;
  const char* permissions;
  Result (*handler)(Model&, const Arguments&);
};

constexpr const char* kDetail = "name=detail,type=CephChoices,strings=detail,req=false";
constexpr const char* kFlag =
    "name=key,type=CephChoices,strings=pause|noup|nodown|noout|noin|nobackfill|norebalance|"
    "norecover|noscrub|nodeep-scrub|notieragent|nosnaptrim";
constexpr const char* kIds = "name=ids,type=CephString,n=N";
constexpr const char* kRemove =
    "name=pool,type=CephPoolname name=pool2,type=CephPoolname,req=false "
    "name=yes_i_really_really_mean_it,type=CephBool,req=false "
    "name=yes_i_really_really_mean_it_not_faking,type=CephBool,req=false";

constexpr MonCommand kMonCommands[] = {
    {"config get", "name=who,type=CephString name=key,type=CephString",
     "Show the value of an option for an entity", "r", ConfigGet},
    {"config help", "name=key,type=CephString", "Describe a configuration option", "r", ConfigHelp},
    {"config rm", "name=who,type=CephString name=name,type=CephString",
     "Clear a configuration option for one or more entities", "rw", ConfigRemove},
    {"config set",
     "name=who,type=CephString name=name,type=CephString name=value,type=CephString "
     "name=force,type=CephBool,req=false",
     "Set a configuration option for one or more entities", "rw", ConfigSet},
    {"df", kDetail, "show cluster free space stats", "r", Df},
    {"fsid", "", "show cluster FSID/UUID", "r", Fsid},
    {"health", kDetail, "show cluster health", "r", Health},
    {"osd down", kIds, "set osd(s) <id> [<id>...] down, or use <any|all> to set all osds down",
     "rw", OsdDown},
    {"osd dump", "name=epoch,type=CephInt,range=0,req=false", "print summary of OSD map", "r",
     OsdDump},
    {"osd in", kIds,
     "set osd(s) <id> [<id>...] in, can use <any|all> to automatically set all previously out "
     "osds in",
     "rw", OsdIn},
    {"osd ls", "", "show all OSD ids", "r", OsdList},
    {"osd out", kIds, "set osd(s) <id> [<id>...] out, or use <any|all> to set all osds out", "rw",
     OsdOut},
    {"osd pool create",
     "name=pool,type=CephPoolname name=pg_num,type=CephInt,range=0,req=false "
     "name=pgp_num,type=CephInt,range=0,req=false "
     "name=pool_type,type=CephChoices,strings=replicated|erasure,req=false "
     "name=size,type=CephInt,range=0,req=false",
     "create pool", "rw", PoolCreate},
    {"osd pool delete", kRemove, "delete pool", "rw", PoolRemove},
    {"osd pool ls", kDetail, "list pools", "r", PoolList},
    {"osd pool rm", kRemove, "remove pool", "rw", PoolRemove},
    {"osd set", kFlag, "set <key>", "rw", OsdSet},
    {"osd stat", "", "print summary of OSD map", "r", OsdStat},
    {"osd tree", "", "print OSD tree", "r", OsdTree},
    {"osd unset", kFlag, "unset <key>", "rw", OsdUnset},
    {"status", "", "show cluster status", "r", Status},
    {"version", "", "show mon daemon version", "r", Version},
};

Result RunMonCommand(Model& model, const Arguments& arguments) {
  for (const MonCommand& mon_command : kMonCommands) {
    if (arguments.prefix() == mon_command.prefix) return mon_command.handler(model, arguments);
  }
  return Fail(EINVAL, "command not known");
}

Result RunOsdCommand(Model& model, absl::string_view osd, const Arguments& arguments) {
  int id = 0;
  if (!absl::SimpleAtoi(osd, &id) || id < 0) {
    return Fail(EINVAL, absl::StrCat("invalid osd_id: \"", osd, "\""));
  }
  const std::vector<Osd>& osds = model.cluster().osds;
  if (static_cast<size_t>(id) >= osds.size()) return Fail(ENOENT, "osd dne");
  if (!osds[static_cast<size_t>(id)].up) {
    return Fail(ENXIO, absl::StrCat("osd.", id, " is down"));
  }
  if (arguments.prefix() == "version") return Version(model, arguments);
  return Fail(EINVAL, absl::StrCat("unknown command prefix ", arguments.prefix()));
}

}  // namespace

Result Fail(int error, absl::string_view text) { return {-error, "", std::string(text)}; }

Result Invalid(const absl::Status& status) { return Fail(EINVAL, status.message()); }

std::vector<command::Declaration> MonCommands() {
  std::vector<command::Declaration> declarations;
  for (const MonCommand& c : kMonCommands) {
    command::Declaration declaration;
    declaration.signature = absl::StrCat(c.prefix, *c.arguments == '\0' ? "" : " ", c.arguments);
    declaration.description = c.help;
    declaration.permissions = c.permissions;
    declarations.push_back(std::move(declaration));
  }
  return declarations;
}

Result RunCommand(Model& model, absl::string_view service_type, absl::string_view service_id,
                  absl::string_view command_json) {
  const absl::StatusOr<Arguments> arguments = Arguments::Parse(command_json);
  if (!arguments.ok()) return Fail(EINVAL, arguments.status().message());
  if (service_type == "osd") return RunOsdCommand(model, service_id, *arguments);
  if (service_type != "mon") {
    return Fail(EINVAL, absl::StrCat("unknown service type \"", service_type,
                                     "\": a simulated cluster has \"mon\" and \"osd\""));
  }
  bool known = service_id.empty();
  for (const Mon& mon : model.cluster().mons) known = known || mon.name == service_id;
  if (!known) return Fail(ENOENT, absl::StrCat("mon.", service_id, " does not exist"));
  return RunMonCommand(model, *arguments);
}

}  // namespace outpost::cluster::sim
