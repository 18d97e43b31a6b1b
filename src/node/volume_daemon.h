// VolumeDaemon: one volume, its custody and its mount, in the process that holds the keys.
//
// Runs the custody loop: asks the state machine what to do, probes, opens, seals; answers the
// control socket; keeps a guardian fed. Keys exist here only between opening and sealing.
// Errors: Run() ends with the first that no retry can mend. Threads: Run() is the custody loop;
// the control socket, a ticker and the watch for new key versions call in from their own threads.
// Spec: design section 3; requests in docs/control-socket.md.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "custody/custody.h"
#include "node/control_socket.h"
#include "node/guardian.h"
#include "node/reencryption.h"
#include "node/seal.h"
#include "node/volume.h"
#include "vfs/file.h"

namespace freehold {

struct DaemonOptions {
  std::string mount_point;  // absolute, without symbolic links
  CustodySettings custody;  // to begin with
  // Hears of them, and of each change; under a lock of the daemon's.
  std::function<void(const CustodySettings&)> on_settings = [](const CustodySettings&) {};
  int workers = 2;
  bool wait_for_key = false;  // start sealed and go on trying, instead of failing
  bool null_cipher_allowed = false;
  std::vector<std::string> direct;       // see fuse::MountOptions
  std::optional<std::uint64_t> reserve;  // bytes of the disk; Mount::DefaultReserve unless said
  // Set while an order waits to be obeyed; the factory's providers give up when it is.
  std::shared_ptr<std::atomic<bool>> interrupt = std::make_shared<std::atomic<bool>>(false);
};

class VolumeDaemon {
 public:
  VolumeDaemon(std::unique_ptr<Volume> volume, KeyProviderFactory& factory, DaemonOptions options,
               const Clock& clock);
  ~VolumeDaemon();

  // The first opening: mounted and open, or (with wait_for_key) sealed and trying.
  Status Start();
  // Until unmounted, or asked to stop; kIo when the mount or the guardian was taken away.
  Status Run();
  // From a signal thread: seal and end.
  void RequestStop();

 private:
  struct OpenVolume;  // what exists only while the keys do

  // The custody loop's steps.
  void Probe();
  KmsResult<void> Open();
  void Seal(SealReason reason);
  void StopDatabase();
  Result<std::shared_ptr<OpenVolume>> MountWith(VolumeKeys keys);
  std::shared_ptr<OpenVolume> CurrentlyOpen();
  void Close(bool everything_synced);
  void StartReencryption(const std::shared_ptr<OpenVolume>& open, std::uint64_t bytes_per_second);
  Status RetireOldDeks(OpenVolume& open);
  void KeyringChanged();
  void WatchKeyVersions();
  Status RewrapToNewVersion(const std::string& present);
  void FindDeletion(std::unique_lock<std::mutex>& lock);
  void NoteFailure(const KmsFailure& failure);
  boost::json::object CustodyAnswer() const;

  // The control socket.
  Result<boost::json::object> Handle(const boost::json::object& request,
                                     ControlConnection& connection);
  Result<boost::json::object> HandleRotateKey(const boost::json::object& request);
  Result<boost::json::object> HandleRekey(const boost::json::object& request);
  Result<boost::json::object> HandleReencrypt(const boost::json::object& request);
  Result<boost::json::object> GoOnReencrypting(const std::shared_ptr<OpenVolume>& open,
                                               std::optional<std::uint64_t> rate, bool names_a_key);
  Result<boost::json::object> HandleUnmount(const boost::json::object& request);
  Result<boost::json::object> HandleVerify();
  Result<boost::json::object> HandleSeal();
  Result<boost::json::object> HandleCustody(const boost::json::object& request);
  Result<boost::json::object> HandleOpen();
  Result<boost::json::object> HandleProbe();
  Result<boost::json::object> HandleDatabaseStarted(const boost::json::object& request);
  Result<boost::json::object> HandleDatabaseReady();
  Result<boost::json::object> HandleWatch(ControlConnection& connection);
  boost::json::object StatusJson();

  void Tick();
  bool Hangs() const;
  void Changed();

  const std::unique_ptr<Volume> volume_;
  KeyProviderFactory& factory_;
  const DaemonOptions options_;
  const Clock& clock_;

  // The custody loop's own: from one probe to the next, while the volume is open.
  std::unique_ptr<KeyProvider> prober_;
  KeyAccess prober_access_;
  std::uint64_t prober_settings_ = 0;  // the change of settings that it was made after

  std::mutex volume_mutex_;  // volume_; held during an opening and a rewrap, KMS calls and all

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Custody custody_;
  std::uint64_t settings_changes_ = 0;
  Keyring keyring_;   // copies of the volume's, so that neither a probe nor a status waits for
  KeyAccess access_;  // a rewrap
  std::uint64_t revision_ = 0;    // raised at every change of state
  std::string deletion_at_;       // of the key, while it is refused for that; "" = not known
  bool deletion_wanted_ = false;  // somebody is to ask the KMS for it
  std::uint64_t probes_begun_ = 0;
  std::uint64_t probes_ended_ = 0;
  std::optional<SealReport> last_seal_;
  std::optional<BootTime> sealing_since_;
  int orders_waiting_ = 0;  // for the volume, which an opening or a rotation holds
  bool stopping_ = false;
  bool lost_ = false;        // the mount or the guardian: ended, but not because anybody asked
  bool supervised_ = false;  // a supervisor watches and confirms that the database stopped
  bool database_stopped_ = false;  // its confirmation
  pid_t protected_pid_ = 0;
  std::string_view database_ = "down";  // or "starting", "ready": as its supervisor says

  std::mutex open_mutex_;  // guards the pointer and what it holds of a re-encryption; never held
                           // over a call that may wait
  std::shared_ptr<OpenVolume> open_;

  std::unique_ptr<ControlServer> control_;
  std::thread ticker_;
  std::thread version_watch_;
};

}  // namespace freehold
