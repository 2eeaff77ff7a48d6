// SPDX-License-Identifier: Apache-2.0
// SQL of the artifact tables. Columns: docs/formats/artifacts.md.
#include "store/internal/artifact_tables.h"

#include <chrono>

#include "base/ids.h"

namespace millrace::store::internal {

namespace {

std::vector<Migration> Migrations() {
  return {{"artifacts", 1,
           "CREATE TABLE artifact_blobs (sha256 TEXT PRIMARY KEY, size INTEGER NOT NULL, "
           "location TEXT NOT NULL, blocks TEXT NOT NULL, time_ms INTEGER NOT NULL);"
           "CREATE TABLE artifact_files (path TEXT PRIMARY KEY, sha256 TEXT NOT NULL, "
           "time_ms INTEGER NOT NULL);"
           "CREATE INDEX artifact_files_by_hash ON artifact_files (sha256);"
           "CREATE TABLE artifact_uploads (upload_id TEXT PRIMARY KEY, path TEXT NOT NULL, "
           "time_ms INTEGER NOT NULL);"
           "CREATE TABLE artifact_parts (upload_id TEXT NOT NULL, number INTEGER NOT NULL, "
           "sha256 TEXT NOT NULL, PRIMARY KEY (upload_id, number));"
           "CREATE INDEX artifact_parts_by_hash ON artifact_parts (sha256);"}};
}

std::int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string Text(std::string_view text) {
  return std::string(text);
}

// Columns sha256, size, location, blocks from `first` on.
BlobInfo ToBlob(const Row& row, std::size_t first = 0) {
  BlobInfo blob;
  blob.sha256 = TextOr(row[first], "");
  blob.size = static_cast<std::uint64_t>(IntOr(row[first + 1], 0));
  blob.location = TextOr(row[first + 2], "");
  blob.blocks = TextOr(row[first + 3], "");
  return blob;
}

Error UnknownUpload(std::string_view upload_id) {
  return base::NotFound("No upload with id=" + Text(upload_id) + " exists")
      .Hint("it was completed, aborted or never begun");
}

// Below "a/b" lies what is at least "a/b/" and less than "a/b0": '0' follows '/'.
std::string LowerBound(std::string_view folder) {
  return folder.empty() ? std::string() : Text(folder) + "/";
}
std::string UpperBound(std::string_view folder) {
  return folder.empty() ? std::string("\xF4\x8F\xBF\xBF") : Text(folder) + "0";
}

}  // namespace

Result<ArtifactTables> ArtifactTables::Open(Metadata& metadata) {
  MILL_RETURN_IF_ERROR(metadata.Migrate(Migrations()));
  return ArtifactTables(metadata);
}

Result<std::optional<BlobInfo>> ArtifactTables::Find(std::string_view path) const {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_->Query("SELECT b.sha256, b.size, b.location, b.blocks FROM artifact_files f "
                       "JOIN artifact_blobs b ON b.sha256 = f.sha256 WHERE f.path = ?",
                       {Text(path)}));
  return rows.empty() ? std::nullopt : std::optional(ToBlob(rows[0]));
}

Result<std::optional<BlobInfo>> ArtifactTables::FindBlob(std::string_view sha256) const {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_->Query("SELECT sha256, size, location, blocks FROM artifact_blobs WHERE sha256 = ?",
                       {Text(sha256)}));
  return rows.empty() ? std::nullopt : std::optional(ToBlob(rows[0]));
}

Result<BlobInfo> ArtifactTables::PutBlob(const BlobInfo& blob) const {
  MILL_ASSIGN_OR_RETURN(const std::optional<BlobInfo> known, FindBlob(blob.sha256));
  if (known) {
    return *known;
  }
  MILL_RETURN_IF_ERROR(metadata_->Execute(
      "INSERT INTO artifact_blobs (sha256, size, location, blocks, time_ms) VALUES (?, ?, ?, ?, ?)",
      {blob.sha256, static_cast<std::int64_t>(blob.size), blob.location, blob.blocks, NowMs()}));
  return blob;
}

Result<BlobInfo> ArtifactTables::Put(std::string_view path, const BlobInfo& blob,
                                     bool check_folders) const {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*metadata_));
  if (check_folders) {
    MILL_ASSIGN_OR_RETURN(
        std::vector<Row> rows,
        metadata_->Query("SELECT path FROM artifact_files WHERE path >= ? AND path < ? LIMIT 1",
                         {LowerBound(path), UpperBound(path)}));
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos && rows.empty();
         slash = path.find('/', slash + 1)) {
      MILL_ASSIGN_OR_RETURN(rows, metadata_->Query("SELECT path FROM artifact_files WHERE path = ?",
                                                   {Text(path.substr(0, slash))}));
    }
    if (!rows.empty()) {
      return base::InvalidArgument("Invalid path")
          .Hint("'" + Text(path) + "' is a folder, or leads through a file");
    }
  }
  MILL_ASSIGN_OR_RETURN(const BlobInfo kept, PutBlob(blob));
  MILL_RETURN_IF_ERROR(metadata_->Execute(
      "INSERT INTO artifact_files (path, sha256, time_ms) VALUES (?, ?, ?) "
      "ON CONFLICT (path) DO UPDATE SET sha256 = excluded.sha256, time_ms = excluded.time_ms",
      {Text(path), blob.sha256, NowMs()}));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return kept;
}

Result<std::vector<ArtifactEntry>> ArtifactTables::Below(std::string_view folder) const {
  std::vector<ArtifactEntry> entries;
  const std::vector<Value> bounds = {LowerBound(folder), UpperBound(folder)};
  MILL_RETURN_IF_ERROR(metadata_->ForEach(
      "SELECT f.path, b.size FROM artifact_files f JOIN artifact_blobs b ON b.sha256 = f.sha256 "
      "WHERE f.path >= ? AND f.path < ? ORDER BY f.path",
      bounds, [&entries](RowView row) {
        entries.push_back(
            {Text(TextOr(row[0], "")), false, static_cast<std::uint64_t>(IntOr(row[1], 0))});
      }));
  return entries;
}

Result<bool> ArtifactTables::Remove(std::string_view path) const {
  MILL_ASSIGN_OR_RETURN(const std::int64_t n,
                        metadata_->ExecuteCounted(
                            "DELETE FROM artifact_files WHERE path = ? OR (path >= ? AND path < ?)",
                            {Text(path), LowerBound(path), UpperBound(path)}));
  return n > 0;
}

Result<std::string> ArtifactTables::AddUpload(std::string_view path) const {
  std::string upload_id = base::NewRunId();
  MILL_RETURN_IF_ERROR(
      metadata_->Execute("INSERT INTO artifact_uploads (upload_id, path, time_ms) VALUES (?, ?, ?)",
                         {upload_id, Text(path), NowMs()}));
  return upload_id;
}

Result<std::string> ArtifactTables::UploadPath(std::string_view upload_id) const {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_->Query("SELECT path FROM artifact_uploads WHERE upload_id = ?", {Text(upload_id)}));
  if (rows.empty()) {
    return UnknownUpload(upload_id);
  }
  return TextOr(rows[0][0], "");
}

Result<BlobInfo> ArtifactTables::PutPart(std::string_view upload_id, std::int64_t number,
                                         const BlobInfo& blob) const {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*metadata_));
  MILL_RETURN_IF_ERROR(UploadPath(upload_id));
  MILL_ASSIGN_OR_RETURN(const BlobInfo kept, PutBlob(blob));
  MILL_RETURN_IF_ERROR(
      metadata_->Execute("INSERT INTO artifact_parts (upload_id, number, sha256) VALUES (?, ?, ?) "
                         "ON CONFLICT (upload_id, number) DO UPDATE SET sha256 = excluded.sha256",
                         {Text(upload_id), number, blob.sha256}));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return kept;
}

Result<std::vector<PartRow>> ArtifactTables::Parts(std::string_view upload_id) const {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_->Query("SELECT p.number, b.sha256, b.size, b.location, b.blocks "
                       "FROM artifact_parts p JOIN artifact_blobs b ON b.sha256 = p.sha256 "
                       "WHERE p.upload_id = ? ORDER BY p.number",
                       {Text(upload_id)}));
  std::vector<PartRow> parts;
  for (const Row& row : rows) {
    parts.push_back({IntOr(row[0], 0), ToBlob(row, 1)});
  }
  return parts;
}

Result<void> ArtifactTables::RemoveUpload(std::string_view upload_id) const {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*metadata_));
  MILL_RETURN_IF_ERROR(
      metadata_->Execute("DELETE FROM artifact_parts WHERE upload_id = ?", {Text(upload_id)}));
  MILL_RETURN_IF_ERROR(
      metadata_->Execute("DELETE FROM artifact_uploads WHERE upload_id = ?", {Text(upload_id)}));
  return transaction.Commit();
}

Result<std::vector<std::string>> ArtifactTables::UploadsBefore(std::int64_t time_ms) const {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_->Query("SELECT upload_id FROM artifact_uploads WHERE time_ms < ?", {time_ms}));
  std::vector<std::string> ids;
  for (const Row& row : rows) {
    ids.push_back(TextOr(row[0], ""));
  }
  return ids;
}

Result<std::vector<BlobInfo>> ArtifactTables::Unreferenced() const {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_->Query(
          "SELECT b.sha256, b.size, b.location, b.blocks FROM artifact_blobs b WHERE NOT EXISTS "
          "(SELECT 1 FROM artifact_files f WHERE f.sha256 = b.sha256) AND NOT EXISTS "
          "(SELECT 1 FROM artifact_parts p WHERE p.sha256 = b.sha256)"));
  std::vector<BlobInfo> blobs;
  for (const Row& row : rows) {
    blobs.push_back(ToBlob(row));
  }
  return blobs;
}

Result<bool> ArtifactTables::IsInUpload(std::string_view sha256) const {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_->Query("SELECT 1 FROM artifact_parts WHERE sha256 = ? LIMIT 1", {Text(sha256)}));
  return !rows.empty();
}

Result<std::unordered_set<std::string>> ArtifactTables::Locations() const {
  std::unordered_set<std::string> locations;
  MILL_RETURN_IF_ERROR(
      metadata_->ForEach("SELECT location FROM artifact_blobs", std::span<const Value>(),
                         [&locations](RowView row) { locations.emplace(TextOr(row[0], "")); }));
  return locations;
}

Result<bool> ArtifactTables::ForgetBlob(std::string_view sha256) const {
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t n,
      metadata_->ExecuteCounted(
          "DELETE FROM artifact_blobs WHERE sha256 = ? AND NOT EXISTS "
          "(SELECT 1 FROM artifact_files f WHERE f.sha256 = artifact_blobs.sha256) AND NOT EXISTS "
          "(SELECT 1 FROM artifact_parts p WHERE p.sha256 = artifact_blobs.sha256)",
          {Text(sha256)}));
  return n > 0;
}

}  // namespace millrace::store::internal
