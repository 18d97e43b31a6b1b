// Which URIs name one key: KeyUri::IsSameKeyAs.
#include "kms/key_text.h"
#include "kms/key_uri.h"

namespace freehold {
namespace {

// Of one type each: that nothing told them apart.

bool IsSame(const AwsKeyArn& a, const AwsKeyArn& b) {
  const std::string id = Lower(a.key_id);
  return a.account == b.account && id == Lower(b.key_id) &&
         (id.starts_with("mrk-") || Lower(a.region) == Lower(b.region));
}

// A project has an id, and a number that names it as well.
bool IsSame(const GcpKeyName& a, const GcpKeyName& b) {
  const auto is_number = [](const std::string& project) { return AllOf(project, 128, IsDigit); };
  const bool same_project =
      Lower(a.project) == Lower(b.project) || is_number(a.project) != is_number(b.project);
  return same_project && Lower(a.location) == Lower(b.location) && a.key_ring == b.key_ring &&
         a.key == b.key;
}

bool IsSame(const AzureKeyId& a, const AzureKeyId& b) { return a.host == b.host && a.key == b.key; }

// A namespace may stand before the mount as well.
bool IsSame(const VaultKeyPath& a, const VaultKeyPath& b) {
  const auto place = [](const VaultKeyPath& key) {
    return key.name_space.empty() ? key.mount : key.name_space + "/" + key.mount;
  };
  return a.authority == b.authority && place(a) == place(b) && a.key == b.key;
}

bool IsSame(const KmipKeyId& a, const KmipKeyId& b) {
  return a.authority == b.authority && a.identifier == b.identifier;
}

// Each attribute narrows down which token and which key it is.
bool IsSame(const Pkcs11KeyName& a, const Pkcs11KeyName& b) {
  const auto agree = [](const auto& one, const auto& other) {
    return one.empty() || other.empty() || one == other;
  };
  return agree(a.token, b.token) && agree(a.manufacturer, b.manufacturer) &&
         agree(a.serial, b.serial) && agree(a.model, b.model) && agree(a.object, b.object) &&
         agree(a.id, b.id);
}

}  // namespace

bool KeyUri::IsSameKeyAs(const KeyUri& other) const {
  if (type() != other.type() || text_.empty() || other.text_.empty()) return *this == other;
  return std::visit(
      [&](const auto& key) {
        return IsSame(key, std::get<std::decay_t<decltype(key)>>(other.key_));
      },
      key_);
}

bool NameSameKey(std::string_view a, std::string_view b) {
  const auto one = KeyUri::Parse(a);
  const auto other = KeyUri::Parse(b);
  return one.ok() && other.ok() ? one->IsSameKeyAs(*other) : a == b;
}

}  // namespace freehold
