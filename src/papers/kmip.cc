#include "fmt/format.h"
#include "papers/papers.h"

namespace freehold::papers {
namespace {

// No KMIP server has commands of its own for all of this: what differs is said in the comments.
constexpr std::string_view kCommands =
    R"paper(# Freehold papers, edition @EDITION@: a KMIP server. A script for the customer.
# Needs the operator's request freehold.csr, your authority ca.pem and ca.key, and PyKMIP's client
# with the server's address and your certificate in ~/.pykmip/pykmip.conf.
set -eu

# A certificate by which the server knows Freehold. Revoke it to say no.
printf 'extendedKeyUsage = clientAuth\n' > freehold.ext
openssl x509 -req -in freehold.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -sha256 \
    -extfile freehold.ext -out freehold.pem

# A key that encrypts and decrypts and does nothing else. Revoke it to say no for ever.
# "@POLICY@" is what the server calls the rules for this key: they must let Freehold use Encrypt,
# Decrypt and Get Attributes. Take that away to say no for a while.
/usr/bin/python3 - <<'SCRIPT'
from kmip.core import enums
from kmip.pie.client import ProxyKmipClient

MASK = enums.CryptographicUsageMask
with ProxyKmipClient() as client:
    key = client.create(enums.CryptographicAlgorithm.AES, 256, name="@KEY@",
                        operation_policy_name="@POLICY@",
                        cryptographic_usage_mask=[MASK.ENCRYPT, MASK.DECRYPT])
    client.activate(key)
    print("the key's unique identifier:", key)
SCRIPT

# For the operator: FREEHOLD_KMIP_SERVERS, FREEHOLD_KMIP_CA_FILE, freehold.pem as
# FREEHOLD_KMIP_CERT_FILE, the request's key as FREEHOLD_KMIP_KEY_FILE, and
#   --key kmip://YOUR-SERVER:5696/UNIQUE-IDENTIFIER
)paper";

}  // namespace

Status Check(const KmipPapers& papers) {
  if (IsMadeOf(papers.key, "-_.") && IsMadeOf(papers.policy, "-_.")) return {};
  return Error(ErrorCode::kInvalidArgument,
               "--key and --policy take letters, digits, '-', '_' and '.'");
}

std::string KmipCommands(const KmipPapers& papers) {
  return Fill(
      kCommands,
      {{"EDITION", fmt::format("{}", kEdition)}, {"KEY", papers.key}, {"POLICY", papers.policy}});
}

}  // namespace freehold::papers
