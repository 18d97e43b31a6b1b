// The commands of customers and operators: each is a few calls of the control plane's API.
//
// They print what they got and return what went wrong; the command line makes an exit code of that.
// Clusters, projects, organizations and accounts are given by id, or by name. Threads: main only.
// Spec: docs/api/cli.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/control/session.h"

namespace freehold::cli {

inline constexpr std::string_view kAuditLog = "/api/v1/auditlogevents";

struct LoginFlags {
  std::string url;
  std::string key_file;
  std::string ca;
};
Status LogIn(const LoginFlags& flags);
Status LogOut();

struct OrganizationFlags {
  CommonFlags common;
  std::string organization;
  std::optional<bool> cmek_granted;
  std::optional<bool> unique_keys;
  std::vector<std::string> allow;    // "REGION=TYPE,TYPE"; "*" for regions that are not named
  std::vector<std::string> custody;  // "NAME=LOWEST..HIGHEST", "on_denied=seal"
};
Status OrganizationList(const OrganizationFlags& flags);
Status OrganizationShow(const OrganizationFlags& flags);
Status OrganizationCreate(const OrganizationFlags& flags);
Status OrganizationUpdate(const OrganizationFlags& flags);

struct CustodyTermsFlags {
  CommonFlags common;
  std::string cluster;
  std::vector<std::string> set;  // "NAME=VALUE"; empty: only shown
};
Status CmekCustody(const CustodyTermsFlags& flags);

struct ProjectFlags {
  CommonFlags common;
  std::string project;
  bool cmek = false;
  std::string file;  // a manifest
  bool yes = false;
};
Status ProjectList(const ProjectFlags& flags);
Status ProjectShow(const ProjectFlags& flags);
Status ProjectCreate(const ProjectFlags& flags);
// The keys of all of its clusters; each prints a row a cluster.
Status ProjectKeys(const ProjectFlags& flags);
Status ProjectRotate(const ProjectFlags& flags);
Status ProjectRevoke(const ProjectFlags& flags);
Status ProjectRestore(const ProjectFlags& flags);
Status ProjectStart(const ProjectFlags& flags);
Status ProjectStop(const ProjectFlags& flags);

struct ClusterFlags {
  CommonFlags common;
  std::string cluster;
  std::string project;
  std::vector<std::string> regions;  // "REGION" or "REGION=NODES"
  std::string file;                  // a manifest; "" = none
  bool yes = false;
  bool wait = false;
  std::string timeout = "10m";
};
Status ClusterCreate(const ClusterFlags& flags);
Status ClusterList(const ClusterFlags& flags);
Status ClusterShow(const ClusterFlags& flags);
Status ClusterDelete(const ClusterFlags& flags);
Status ClusterAddRegion(const ClusterFlags& flags);
Status ClusterNodes(const ClusterFlags& flags);
Status ClusterStart(const ClusterFlags& flags);
Status ClusterStop(const ClusterFlags& flags);

struct NodeFlags {
  CommonFlags common;
  std::string node;  // id
  std::string region;
  std::string cluster;     // that the node is pinned to; "" = none
  std::string token_file;  // where a token goes; "" = standard output
  bool lost = false;
  bool duplicated = false;
  bool yes = false;
};
Status NodeToken(const NodeFlags& flags);
Status NodeList(const NodeFlags& flags);
Status NodeRemove(const NodeFlags& flags);

struct CmekFlags {
  CommonFlags common;
  std::string cluster;
  std::string file;
  std::string type = "AWS_KMS";      // of an empty manifest
  std::vector<std::string> regions;  // of an empty manifest
  bool wait = false;
  std::string timeout = "2h";
  bool yes = false;
};
Status CmekEnable(const CmekFlags& flags);
Status CmekShow(const CmekFlags& flags);
Status CmekRotate(const CmekFlags& flags);
Status CmekRevoke(const CmekFlags& flags);
Status CmekRestore(const CmekFlags& flags);
Status CmekDisenrol(const CmekFlags& flags);
Status CmekRekey(const CmekFlags& flags);
Status CmekReencrypt(const CmekFlags& flags);
Status CmekManifest(const CmekFlags& flags);
// Nothing is changed by these two. kPrecondition when a key cannot be used.
Status CmekCheck(const CmekFlags& flags);
Status CmekRecheck(const CmekFlags& flags);

struct KeyUsageFlags {
  CommonFlags common;
  std::string uri;
};
Status KeyUsage(const KeyUsageFlags& flags);

struct AccountFlags {
  CommonFlags common;
  std::string account;
  std::string organization;
  std::vector<std::string> roles;  // "ROLE", "ROLE@project=NAME" or "ROLE@cluster=NAME"
};
Status AccountCreate(const AccountFlags& flags);
Status AccountList(const AccountFlags& flags);
Status AccountDelete(const AccountFlags& flags);

struct ApiKeyFlags {
  CommonFlags common;
  std::string account;
  std::string organization;
  std::string key;       // the name of a new one, the id of one to delete
  std::string key_file;  // where a new one goes; "" = standard output
};
Status ApiKeyCreate(const ApiKeyFlags& flags);
Status ApiKeyList(const ApiKeyFlags& flags);
Status ApiKeyDelete(const ApiKeyFlags& flags);

struct ContactFlags {
  CommonFlags common;
  std::string contact;  // id
  std::string organization;
  std::string email;
  std::string webhook;
  std::string secret_file;  // where a webhook's secret goes; "" = standard output
  bool security = false;
};
Status ContactAdd(const ContactFlags& flags);
Status ContactList(const ContactFlags& flags);
Status ContactRemove(const ContactFlags& flags);
Status ContactTest(const ContactFlags& flags);

struct AuditFlags {
  CommonFlags common;
  std::uint64_t after = 0;         // the position of the last entry seen
  std::string file;                // what `audit export` has printed; "" = the API's entries
  std::vector<std::string> heads;  // files with heads that were kept
  std::vector<std::string> keys;   // files with public keys; empty: those of the API
};
Status AuditList(const AuditFlags& flags);
Status AuditExport(const AuditFlags& flags);
// The newest head, as JSON, to be kept; the public keys, as PEM.
Status AuditHeadShow(const AuditFlags& flags);
Status AuditKeysShow(const AuditFlags& flags);
// kVerifyFailed with the first break of the chain.
Status AuditVerify(const AuditFlags& flags);
// Calls `take` for each page of the log, up to the newest entry.
Status EachAuditPage(ApiClient& api, std::uint64_t after,
                     const std::function<Status(const ApiAnswer&)>& take);

}  // namespace freehold::cli
