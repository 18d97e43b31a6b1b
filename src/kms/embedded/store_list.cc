#include "kms/embedded/store_list.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "base/posix_file.h"
#include "kms/embedded/master_key.h"

namespace freehold::embedded {
namespace {

constexpr std::string_view kHeading = "freehold-kms-stores 1\n";
constexpr std::size_t kListLimit = 4096;

struct StoreFile {
  std::string_view path;
  std::string_view witness;  // written after it, at every start
};
constexpr StoreFile kFirst = {"store", "credentials"};
constexpr std::array<StoreFile, 4> kStores = {kFirst,
                                              StoreFile{"vault.store", "vault/customer.env"},
                                              StoreFile{"azure-store", "azure/customer.env"},
                                              StoreFile{"google/store", "google/customer.json"}};

std::string PathOf(const std::string& directory, std::string_view name) {
  return directory + "/" + std::string(name);
}

// Every store that has been here, of dialects that this release does not know too.
Result<std::vector<std::string>> ListedIn(const std::string& directory) {
  const std::string path = PathOf(directory, "stores");
  std::vector<std::string> listed;
  if (!PathExists(path)) return listed;
  const Bytes file = TRY(ReadRegularFile(path, kListLimit));
  std::string_view text = AsText(file);
  if (!text.starts_with(kHeading) || !text.ends_with('\n')) {
    return StoreRefused(path, "is damaged: it is no list of stores");
  }
  text.remove_prefix(kHeading.size());
  while (!text.empty()) {
    const auto end = text.find('\n');
    listed.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return listed;
}

}  // namespace

Status CheckStores(const std::string& directory) {
  std::vector<std::string> expected = TRY(ListedIn(directory));
  for (const StoreFile& store : kStores) {
    if (PathExists(PathOf(directory, store.witness))) expected.emplace_back(store.path);
    // Every release has made this one, and made it first.
    if (PathExists(PathOf(directory, store.path))) expected.emplace_back(kFirst.path);
  }
  for (const std::string& name : expected) {
    const std::string path = PathOf(directory, name);
    if (!PathExists(path)) return StoreRefused(path, "is missing");
  }
  return {};
}

Status RememberStores(const std::string& directory) {
  std::vector<std::string> listed = TRY(ListedIn(directory));
  const std::size_t before = listed.size();
  for (const StoreFile& store : kStores) {
    if (std::ranges::find(listed, store.path) != listed.end()) continue;
    if (PathExists(PathOf(directory, store.path))) listed.emplace_back(store.path);
  }
  if (listed.size() == before) return {};
  std::string text(kHeading);
  for (const std::string& name : listed) text += name + "\n";
  return ReplaceFile(PathOf(directory, "stores"), AsBytes(text), 0600);
}

}  // namespace freehold::embedded
