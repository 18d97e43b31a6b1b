// File: the contents of one file, by position. The interface under which plain, encrypted,
// in-memory and faulty files look the same.
//
// Contract: positions and lengths are bytes of the file's own contents. Reads past the end are
// short; bytes never written read as zeros. A write is whole or an Error; after an Error the file
// holds old or new bytes in the range, never others, and its size is the old one or lies within the
// write. What Sync has returned for survives a crash. After one failed Sync every later Sync of the
// object fails too: the kernel forgets which pages it lost.
// Threads: safe; a read sees a concurrent write to the same 16 bytes wholly or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"

namespace freehold {

enum class SyncKind { kData, kDataAndMetadata };  // fdatasync, fsync

enum class AllocateMode {
  kExtend,     // reserve, and grow the file to the range's end
  kKeepSize,   // reserve without growing
  kPunchHole,  // contents become zeros, space is given back, size stays
  kZeroRange,  // contents become zeros, space stays, size stays
};

class File {
 public:
  virtual ~File() = default;

  virtual Result<std::size_t> ReadAt(std::uint64_t offset, MutableByteView into) = 0;
  virtual Status WriteAt(std::uint64_t offset, ByteView data) = 0;
  virtual Result<std::uint64_t> Size() = 0;
  virtual Status Truncate(std::uint64_t size) = 0;  // both ways
  virtual Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) = 0;
  virtual Status Sync(SyncKind kind) = 0;
  // What the object holds back goes to where the other objects of this file see it; no Sync.
  virtual Status Flush() { return {}; }
  // Where bytes change below and contents do not: what the operating system changes with every
  // write (when the file was modified, a program's capabilities), as it is now. Put back when the
  // result goes; what cannot be put back stays as the write made it.
  virtual std::shared_ptr<void> KeepAttributes() { return nullptr; }
  // Runs it while nobody holds such attributes to put them back.
  virtual void ChangeAttributes(const std::function<void()>& change) { change(); }
  // The next byte of data (or hole) at or after offset; kNotFound where there is none.
  virtual Result<std::uint64_t> SeekData(std::uint64_t offset) = 0;
  virtual Result<std::uint64_t> SeekHole(std::uint64_t offset) = 0;
};

// What lies between a mount and the backing files: encryption, nothing, or a fault for tests.
class FileLayer {
 public:
  virtual ~FileLayer() = default;
  // Wraps one backing file, freshly opened for reading and writing.
  virtual Result<std::unique_ptr<File>> Open(std::unique_ptr<File> backing) = 0;
  // The size that a file shows when its backing file has `backing_size` bytes.
  virtual std::uint64_t VisibleSize(std::uint64_t backing_size) const = 0;
  // Whether files refuse what would write over bytes. A cache that hands writes over late would
  // tell the refusal too late.
  virtual bool write_once() const { return false; }
};

}  // namespace freehold
