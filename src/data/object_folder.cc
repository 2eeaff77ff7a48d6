// SPDX-License-Identifier: Apache-2.0
// Objects through Arrow's file systems.
#include "data/object_folder.h"

#include <chrono>

#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>

#include "data/internal/arrow_status.h"

namespace millrace::data {

namespace {

using internal::Check;
using internal::Guarded;

// Arrow calls most failures of a network "IOError"; what is not "no such object" may pass by
// itself.
Error AsUnavailable(Error error, std::string_view what) {
  if (error.code() == ErrorCode::kNotFound) {
    return error;
  }
  return base::Unavailable(std::string(what) + ": " + error.message())
      .Hint("check the network, the address and the credentials in the environment");
}

class Writer final : public ObjectWriter {
 public:
  Writer(std::shared_ptr<arrow::io::OutputStream> stream, std::string what)
      : stream_(std::move(stream)), what_(std::move(what)) {}
  ~Writer() override {
    if (stream_ != nullptr) {
      try {
        static_cast<void>(stream_->Abort());
      } catch (const std::exception&) {
        // What was uploaded stays invisible; the store's own rules remove it.
      }
    }
  }
  Result<void> Write(std::string_view bytes) override {
    return Told([&] {
      return Check(stream_->Write(bytes.data(), static_cast<std::int64_t>(bytes.size())), "writing",
                   what_);
    });
  }
  Result<void> Close() override {
    const std::shared_ptr<arrow::io::OutputStream> stream = std::move(stream_);
    return Told([&] { return Check(stream->Close(), "writing", what_); });
  }

 private:
  template <typename Body>
  Result<void> Told(const Body& body) {
    Result<void> done = Guarded("writing", what_, body);
    return done.ok() ? std::move(done) : AsUnavailable(std::move(done).error(), "object store");
  }

  std::shared_ptr<arrow::io::OutputStream> stream_;
  std::string what_;
};

class Reader final : public ObjectReader {
 public:
  Reader(std::shared_ptr<arrow::io::RandomAccessFile> file, std::uint64_t size, std::string what)
      : file_(std::move(file)), size_(size), what_(std::move(what)) {}
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> ReadAt(std::uint64_t offset, std::span<char> into) override {
    Result<std::int64_t> n = Guarded("reading", what_, [&] {
      return Check(file_->ReadAt(static_cast<std::int64_t>(offset),
                                 static_cast<std::int64_t>(into.size()), into.data()),
                   "reading", what_);
    });
    if (!n.ok()) {
      return AsUnavailable(std::move(n).error(), "object store");
    }
    return static_cast<std::size_t>(*n);
  }

 private:
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  std::uint64_t size_;
  std::string what_;
};

}  // namespace

std::string ObjectFolder::PathOf(std::string_view key) const {
  std::string path = location_.path();
  while (path.ends_with('/')) {
    path.pop_back();
  }
  return path + "/" + std::string(key);
}

Result<std::unique_ptr<ObjectWriter>> ObjectFolder::Create(std::string_view key) const {
  const std::string path = PathOf(key);
  auto stream = Guarded("writing", path, [&] {
    return Check(location_.file_system()->OpenOutputStream(path), "writing", path);
  });
  if (!stream.ok()) {
    return AsUnavailable(std::move(stream).error(), "object store");
  }
  return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(std::move(*stream), path));
}

Result<std::unique_ptr<ObjectReader>> ObjectFolder::Open(std::string_view key) const {
  const std::string path = PathOf(key);
  auto reader = Guarded("reading", path, [&]() -> Result<std::unique_ptr<ObjectReader>> {
    MILL_ASSIGN_OR_RETURN(auto file,
                          Check(location_.file_system()->OpenInputFile(path), "reading", path));
    MILL_ASSIGN_OR_RETURN(const std::int64_t size, Check(file->GetSize(), "reading", path));
    return std::unique_ptr<ObjectReader>(
        std::make_unique<Reader>(std::move(file), static_cast<std::uint64_t>(size), path));
  });
  if (!reader.ok()) {
    return AsUnavailable(std::move(reader).error(), "object store");
  }
  return reader;
}

Result<void> ObjectFolder::Remove(std::string_view key) const {
  const std::string path = PathOf(key);
  Result<void> removed = Guarded("removing", path, [&] {
    return Check(location_.file_system()->DeleteFile(path), "removing", path);
  });
  if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) {
    return AsUnavailable(std::move(removed).error(), "object store");
  }
  return {};
}

Result<std::vector<ObjectInfo>> ObjectFolder::List(std::string_view folder) const {
  arrow::fs::FileSelector selector;
  selector.base_dir = PathOf(folder);
  selector.allow_not_found = true;
  selector.recursive = true;
  auto found = Guarded("listing", selector.base_dir, [&] {
    return Check(location_.file_system()->GetFileInfo(selector), "listing", selector.base_dir);
  });
  if (!found.ok()) {
    return AsUnavailable(std::move(found).error(), "object store");
  }
  const std::size_t prefix = PathOf("").size();
  std::vector<ObjectInfo> objects;
  for (const arrow::fs::FileInfo& info : *found) {
    if (info.IsFile()) {
      const auto time = info.mtime().time_since_epoch();
      objects.push_back({info.path().substr(prefix), static_cast<std::uint64_t>(info.size()),
                         std::chrono::duration_cast<std::chrono::milliseconds>(time).count()});
    }
  }
  return objects;
}

}  // namespace millrace::data
