#include "agent/assignment.h"

#include "api/node_fields.h"
#include "base/posix_file.h"

namespace freehold::agent {
namespace {

std::string PathOf(const VolumePaths& paths) { return paths.meta() + "/assignment"; }

}  // namespace

template <typename Archive>
void Fields(Archive& archive, Assignment& assignment) {
  archive("organization", assignment.organization);
  archive("cluster", assignment.cluster);
  archive("cluster_name", assignment.cluster_name);
  archive("fencing", assignment.fencing);
  archive("key", assignment.key);
  archive("customers", assignment.customers);
  archive("rewraps", assignment.rewraps);
  archive("rekeys", assignment.rekeys);
  archive("reencrypts", assignment.reencrypts);
  archive("opens", assignment.opens);
  archive("renewing", assignment.renewing);
}

Result<std::optional<Assignment>> LoadAssignment(const VolumePaths& paths) {
  const auto bytes = ReadRegularFile(PathOf(paths), 1 << 20);
  if (!bytes.ok()) {
    if (bytes.error().code() == ErrorCode::kNotFound) return std::optional<Assignment>();
    return bytes.error();
  }
  return std::optional(TRY(api::DecodeBody<Assignment>(AsText(*bytes), PathOf(paths))));
}

Status SaveAssignment(const VolumePaths& paths, const Assignment& assignment) {
  return ReplaceFile(PathOf(paths), AsBytes(api::EncodeBody(assignment)), 0600);
}

}  // namespace freehold::agent
