// The JSON that status, verify and rotate-key print and the control socket carries.
//
// One place, so that `--json` has one shape. Never holds a secret: ids, names, times, words.
// Spec: docs/control-socket.md.
#pragma once

#include <boost/json/object.hpp>

#include "custody/custody.h"
#include "keyring/keyring.h"
#include "node/reencryption.h"
#include "node/seal.h"
#include "node/verify.h"

namespace freehold {

boost::json::object KeyringJson(const Keyring& keyring);
boost::json::object CustodyJson(const CustodyStatus& status, const CustodySettings& settings);
// As CustodyJson has them; a setting that is not there keeps its value in `present`, what is no
// setting is passed over. kInvalidArgument for one that cannot be.
Result<CustodySettings> SettingsFromJson(const boost::json::object& object,
                                         const CustodySettings& present);
boost::json::object SettingsJson(const CustodySettings& settings);
boost::json::object SealReportJson(const SealReport& report);
// null where there is none.
boost::json::value ReencryptionJson(const std::optional<ReencryptionProgress>& progress);
boost::json::object VerifyReportJson(const VerifyReport& report);

// {"key": URI, "principal": ..., "external_id": ...}; the last two may be missing.
boost::json::object KeyAccessJson(const KeyAccess& access);
Result<KeyAccess> KeyAccessFromJson(const boost::json::object& object);

}  // namespace freehold
