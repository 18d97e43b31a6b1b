// `freehold provision aws|gcp|azure|vault|kmip`: prints what a customer runs in their own account.
#pragma once

#include <string>

#include "papers/papers.h"

namespace freehold::cli {

struct ProvisionOptions {
  std::string cloud;                     // "aws", "gcp", "azure", "vault", "kmip"
  std::string format;                    // "" = the cloud's first
  std::string link;                      // aws: where the template is published
  std::string account = "111122223333";  // aws, key-policy: the customer's
  papers::AwsPapers aws;
  papers::GcpPapers gcp;
  papers::AzurePapers azure;
  papers::VaultPapers vault;
  papers::KmipPapers kmip;
};

int RunProvision(const ProvisionOptions& options);

}  // namespace freehold::cli
