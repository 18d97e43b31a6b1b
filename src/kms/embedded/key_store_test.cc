#include "kms/embedded/key_store.h"

#include <sys/stat.h>

#include <filesystem>

#include "crypto/crypto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/embedded/blob.h"
#include "kms/embedded/ids.h"

namespace freehold::embedded {
namespace {

using testing::HasSubstr;

class KeyStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "kms_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<KeyStore> Open() {
    auto store = KeyStore::Open(directory_);
    EXPECT_TRUE(store.ok()) << store.error().message();
    return store.ok() ? *std::move(store) : nullptr;
  }
  std::string Refusal() {
    const auto store = KeyStore::Open(directory_);
    return store.ok() ? "" : store.error().message();
  }
  std::string Path(const char* name) const { return directory_ + "/" + name; }

  static State Example(const KeyStore& store, SecretBytes& material) {
    State state;
    state.accounts["111122223333"] = "customer";
    Key key;
    key.id = NewUuid();
    key.account = "111122223333";
    key.region = "eu-west-1";
    key.description = "a \"quoted\" \xc3\xa9";
    key.state = KeyState::kPendingDeletion;
    key.deletion = WallTime{std::chrono::hours(7)};
    key.tags["t"] = "v";
    key.materials.push_back({NewMaterialId(), *store.Seal(material, "m"), {}, ""});
    state.keys[key.Place()] = key;
    Key replica = key;
    replica.id = NewMultiRegionId();
    replica.primary_region = "us-east-1";
    replica.pending_days = 7;
    state.keys[replica.Place()] = replica;
    state.grants["g"] = {"g", "token",     key.region, key.id, "", "arn:aws:iam::1:root",
                         "",  {"Decrypt"}, {},         {},     {}};
    const Alias alias{key.account, key.region, "alias/a", key.id, {}, {}};
    state.aliases[alias.Arn()] = alias;
    state.users[{key.account, "u"}] = {key.account, "u", "AIDA1", {}, {{"p", "{}"}}};
    state.roles[{key.account, "r"}] = {key.account, "r", "AROA1", "", "{}", 3600, {}, {}};
    state.access["AKIA1"] = {"AKIA1", key.account, "", Bytes{1, 2}, {}};
    return state;
  }

  std::string directory_;
};

TEST_F(KeyStoreTest, RemembersEverythingAcrossARestart) {
  SecretBytes material = RandomSecret(32);
  std::string before;
  {
    auto store = Open();
    EXPECT_TRUE(store->is_new());
    ASSERT_TRUE(store
                    ->Update([&](State& state) -> AwsStatus {
                      state = Example(*store, material);
                      return {};
                    })
                    .ok());
    before = EncodeState(*store->Read());
  }
  auto store = Open();
  EXPECT_FALSE(store->is_new());
  EXPECT_EQ(EncodeState(*store->Read()), before);
  const Key& key = store->Read()->keys.begin()->second;
  EXPECT_TRUE(store->Unseal(key.materials[0].sealed, "m")->Equals(material));
  EXPECT_FALSE(store->Unseal(key.materials[0].sealed, "other").ok());
}

TEST_F(KeyStoreTest, AnEarlierReleasesGrantIsOfItsKeysOnlyRegion) {
  SecretBytes material = RandomSecret(32);
  auto store = Open();
  const State state = Example(*store, material);
  std::string text = EncodeState(state);
  const std::string field = "\"region\":\"eu-west-1\",\"key_id\"";
  ASSERT_NE(text.find(field), std::string::npos);
  for (auto at = text.find(field); at != std::string::npos; at = text.find(field)) {
    text.replace(at, field.size(), "\"key_id\"");
  }
  const auto read = DecodeState(text);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read->grants.at("g").region, "eu-west-1");
}

TEST_F(KeyStoreTest, ChangesNothingWhenAChangeFails) {
  auto store = Open();
  const auto failed = store->Update([](State& state) -> AwsStatus {
    state.accounts["1"] = "x";
    return AwsFailure{"NotFoundException", ""};
  });
  EXPECT_EQ(failed.error().code, "NotFoundException");
  EXPECT_TRUE(store->Read()->accounts.empty());
  EXPECT_FALSE(PathExists(Path("store")));
}

TEST_F(KeyStoreTest, KeepsNoSecretInTheClearAndItsFilesPrivate) {
  SecretBytes material = RandomSecret(32);
  auto store = Open();
  ASSERT_TRUE(store
                  ->Update([&](State& state) -> AwsStatus {
                    state = Example(*store, material);
                    return {};
                  })
                  .ok());
  const std::string file(AsText(*ReadFile(Path("store"))));
  EXPECT_EQ(file.find(AsText(material.ExposeSecret())), std::string::npos);
  EXPECT_EQ(file.find(Base64Encode(material.ExposeSecret())), std::string::npos);
  for (const char* name : {"store", "master.key", "lock"}) {
    struct stat st {};
    ASSERT_EQ(stat(Path(name).c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(KeyStoreTest, RefusesADamagedStoreAndLeavesItAlone) {
  SecretBytes material = RandomSecret(32);
  {
    auto store = Open();
    ASSERT_TRUE(store
                    ->Update([&](State& state) -> AwsStatus {
                      state = Example(*store, material);
                      return {};
                    })
                    .ok());
  }
  const Bytes good = *ReadFile(Path("store"));
  for (std::size_t i = 0; i < good.size(); i += 7) {
    Bytes bad = good;
    bad[i] ^= 1;
    ASSERT_TRUE(ReplaceFile(Path("store"), bad, 0600).ok());
    EXPECT_THAT(Refusal(), HasSubstr("is damaged")) << i;
    EXPECT_EQ(*ReadFile(Path("store")), bad);
  }
  for (const std::size_t length : {std::size_t{0}, std::size_t{10}, good.size() - 1}) {
    ASSERT_TRUE(ReplaceFile(Path("store"), ByteView(good).first(length), 0600).ok());
    EXPECT_THAT(Refusal(), HasSubstr("is damaged")) << length;
  }
}

TEST_F(KeyStoreTest, RefusesWhenAFileIsMissingOrForeign) {
  {
    auto store = Open();
    ASSERT_TRUE(store->Update([](State&) -> AwsStatus { return {}; }).ok());
  }
  const Bytes master = *ReadFile(Path("master.key"));
  std::filesystem::remove(Path("master.key"));
  EXPECT_THAT(Refusal(), HasSubstr("is missing"));
  EXPECT_FALSE(PathExists(Path("master.key")));
  ASSERT_TRUE(ReplaceFile(Path("master.key"), RandomBytes(32), 0600).ok());
  EXPECT_THAT(Refusal(), HasSubstr("another master.key"));
  ASSERT_TRUE(ReplaceFile(Path("master.key"), RandomBytes(31), 0600).ok());
  EXPECT_THAT(Refusal(), HasSubstr("32 bytes"));
  ASSERT_TRUE(ReplaceFile(Path("master.key"), master, 0600).ok());
  EXPECT_EQ(Refusal(), "");
  ASSERT_TRUE(ReplaceFile(Path("credentials"), AsBytes("x"), 0600).ok());
  std::filesystem::remove(Path("store"));
  EXPECT_THAT(Refusal(), HasSubstr("store is missing"));
}

TEST_F(KeyStoreTest, IsHeldByOneProcessAtATime) {
  auto store = Open();
  EXPECT_THAT(Refusal(), HasSubstr("another process serves"));
  store.reset();
  EXPECT_EQ(Refusal(), "");
}

TEST(CiphertextBlob, NamesAMultiRegionKey) {
  const SecretBytes material = RandomSecret(32);
  const BlobLabel label{NewMultiRegionId(), NewMaterialId()};
  Bytes blob = *EncryptBlob(label, "arn:k", {}, material, AsBytes("payload"));
  EXPECT_EQ(ReadBlobLabel(blob)->key_id, label.key_id);
  EXPECT_EQ(AsText(DecryptBlob(blob, "arn:k", {}, material)->ExposeSecret()), "payload");
  blob[0] = 1;  // as if it were of an ordinary key
  EXPECT_FALSE(DecryptBlob(blob, "arn:k", {}, material).ok());
}

TEST(CiphertextBlob, OpensOnlyWithItsOwnKeyArnContextAndEveryBitInPlace) {
  const SecretBytes material = RandomSecret(32);
  const BlobLabel label{NewUuid(), NewMaterialId()};
  const Context context{{"a", "b"}, {"c", ""}};
  const Bytes blob = *EncryptBlob(label, "arn:k", context, material, AsBytes("payload"));
  EXPECT_EQ(ReadBlobLabel(blob)->key_id, label.key_id);
  EXPECT_EQ(ReadBlobLabel(blob)->material_id, label.material_id);
  EXPECT_EQ(AsText(DecryptBlob(blob, "arn:k", context, material)->ExposeSecret()), "payload");
  EXPECT_FALSE(DecryptBlob(blob, "arn:other", context, material).ok());
  EXPECT_FALSE(DecryptBlob(blob, "arn:k", {{"a", "b"}}, material).ok());
  EXPECT_FALSE(DecryptBlob(blob, "arn:k", {{"a", "bc"}, {"", ""}}, material).ok());
  EXPECT_FALSE(DecryptBlob(blob, "arn:k", context, RandomSecret(32)).ok());
  for (std::size_t i = 0; i < blob.size(); ++i) {
    Bytes flipped = blob;
    flipped[i] ^= 0x80;
    EXPECT_FALSE(DecryptBlob(flipped, "arn:k", context, material).ok()) << i;
  }
  for (std::size_t size = 0; size < blob.size(); ++size) {
    EXPECT_FALSE(DecryptBlob(ByteView(blob).first(size), "arn:k", context, material).ok()) << size;
  }
}

}  // namespace
}  // namespace freehold::embedded
