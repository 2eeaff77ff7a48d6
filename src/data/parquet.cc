// SPDX-License-Identifier: Apache-2.0
// Parquet through Arrow's reader and writer.
#include "data/parquet.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>
#include <utility>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include "base/file.h"
#include "data/internal/arrow_status.h"
#include "data/internal/normalize.h"
#include "data/internal/open_file.h"

namespace millrace::data {
namespace {

using internal::Check;
using internal::Guarded;

constexpr std::int64_t kRowGroupRows = 128 * 1024;
constexpr std::int64_t kMagicBytes = 4;
// Magic, footer length and magic again: the least that a Parquet file can be.
constexpr std::int64_t kMinimumBytes = 12;

// Bytes as a person can read them: letters as they are, the rest in hex.
std::string Printable(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    if (std::isprint(static_cast<unsigned char>(c)) != 0) {
      out.push_back(c);
    } else {
      static constexpr char kHex[] = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      out.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    }
  }
  return out;
}

Result<std::string> ReadAt(arrow::io::RandomAccessFile& file, std::int64_t offset, std::int64_t n,
                           const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Buffer> buffer,
                        Check(file.ReadAt(offset, n), "reading", name));
  return buffer->ToString();
}

// Says in words what Arrow's reader would say in terms of its footer.
Result<void> CheckFraming(arrow::io::RandomAccessFile& file, const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t size, Check(file.GetSize(), "reading", name));
  static constexpr const char* kAgain = "write or copy the file again";
  if (size == 0) {
    return base::DataLoss(name + " is empty (0 bytes); wanted a Parquet file").Hint(kAgain);
  }
  MILL_ASSIGN_OR_RETURN(const std::string head, ReadAt(file, 0, std::min(size, kMagicBytes), name));
  if (head != "PAR1") {
    return base::DataLoss(name + " is not a Parquet file: it begins with \"" + Printable(head) +
                          "\", wanted \"PAR1\"")
        .Hint("if it is a CSV file, its name must end in .csv or .csv.gz");
  }
  if (size < kMinimumBytes) {
    return base::DataLoss(name + " is truncated: " + std::to_string(size) +
                          " bytes, a Parquet file has at least " + std::to_string(kMinimumBytes))
        .Hint(kAgain);
  }
  MILL_ASSIGN_OR_RETURN(const std::string tail, ReadAt(file, size - 8, 8, name));
  if (tail.substr(4) != "PAR1") {
    return base::DataLoss(name + " is truncated: its " + std::to_string(size) +
                          " bytes end with \"" + Printable(tail.substr(4)) + "\", wanted \"PAR1\"")
        .Hint(kAgain);
  }
  std::uint32_t footer = 0;
  std::memcpy(&footer, tail.data(),
              sizeof(footer));  // little-endian on disk as on every supported machine
  if (static_cast<std::int64_t>(footer) + kMinimumBytes > size) {
    return base::DataLoss(name + " is damaged: its footer claims " + std::to_string(footer) +
                          " of " + std::to_string(size) + " bytes")
        .Hint(kAgain);
  }
  return {};
}

// A file that got past CheckFraming and still cannot be read has lost bytes inside.
Error Damaged(Error error, const std::string& name) {
  if (error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kInternal ||
      error.code() == ErrorCode::kInvalidArgument) {
    return base::DataLoss(name + " is damaged: " + error.message())
        .Hint("write or copy the file again");
  }
  return error;
}

Result<std::unique_ptr<parquet::arrow::FileReader>> OpenReader(const Location& location) {
  MILL_ASSIGN_OR_RETURN(std::shared_ptr<arrow::io::RandomAccessFile> file,
                        internal::OpenFile(location));
  MILL_RETURN_IF_ERROR(CheckFraming(*file, location.text()));
  auto reader = Guarded("reading", location.text(),
                        [&]() -> Result<std::unique_ptr<parquet::arrow::FileReader>> {
                          parquet::arrow::FileReaderBuilder builder;
                          MILL_RETURN_IF_ERROR(Check(builder.Open(file), "reading", ""));
                          parquet::ArrowReaderProperties properties(/*use_threads=*/true);
                          properties.set_pre_buffer(!location.is_local());
                          builder.properties(properties);
                          return Check(builder.Build(), "reading", "");
                        });
  if (!reader.ok()) {
    return Damaged(std::move(reader).error(), location.text());
  }
  return reader;
}

Result<std::shared_ptr<arrow::Schema>> SchemaOf(parquet::arrow::FileReader& reader,
                                                const std::string& name) {
  std::shared_ptr<arrow::Schema> schema;
  MILL_RETURN_IF_ERROR(Check(reader.GetSchema(&schema), "reading the schema of", name));
  return schema;
}

Result<std::vector<int>> ColumnIndices(const arrow::Schema& schema,
                                       std::span<const std::string> columns) {
  std::vector<int> indices;
  for (const std::string& column : columns) {
    const int index = schema.GetFieldIndex(column);
    if (index < 0) {
      return UnknownColumn(column, schema.field_names());
    }
    indices.push_back(index);
  }
  return indices;
}

Result<void> WriteTo(const Context& context, const arrow::Table& table,
                     const std::filesystem::path& path, const std::string& name) {
  MILL_ASSIGN_OR_RETURN(std::shared_ptr<arrow::io::FileOutputStream> file,
                        Check(arrow::io::FileOutputStream::Open(path.string()), "writing", name));
  const std::shared_ptr<parquet::WriterProperties> properties =
      parquet::WriterProperties::Builder()
          .compression(arrow::Compression::ZSTD)
          ->compression_level(1)
          ->max_row_group_length(kRowGroupRows)
          ->version(parquet::ParquetVersion::PARQUET_2_6)
          ->build();
  // Columns are encoded side by side and written in their order: the bytes do not depend on the
  // threads.
  const std::shared_ptr<parquet::ArrowWriterProperties> arrow_properties =
      parquet::ArrowWriterProperties::Builder().set_use_threads(true)->build();
  MILL_ASSIGN_OR_RETURN(
      std::unique_ptr<parquet::arrow::FileWriter> writer,
      Check(parquet::arrow::FileWriter::Open(*table.schema(), arrow::default_memory_pool(), file,
                                             properties, arrow_properties),
            "writing", name));
  for (std::int64_t row = 0; row < table.num_rows(); row += kRowGroupRows) {
    MILL_RETURN_IF_ERROR(context.Check());
    // One chunk per row group: page boundaries follow chunks, and the bytes must not tell how the
    // table was made.
    MILL_ASSIGN_OR_RETURN(
        const std::shared_ptr<arrow::RecordBatch> group,
        Check(table.Slice(row, kRowGroupRows)->CombineChunksToBatch(), "writing", name));
    MILL_RETURN_IF_ERROR(Check(writer->NewBufferedRowGroup(), "writing", name));
    MILL_RETURN_IF_ERROR(Check(writer->WriteRecordBatch(*group), "writing", name));
  }
  MILL_RETURN_IF_ERROR(Check(writer->Close(), "writing", name));
  return Check(file->Close(), "writing", name);
}

}  // namespace

Result<Table> ReadParquet(const Context& context, const Location& location,
                          std::span<const std::string> columns) {
  MILL_RETURN_IF_ERROR(context.Check());
  MILL_ASSIGN_OR_RETURN(const std::unique_ptr<parquet::arrow::FileReader> reader,
                        OpenReader(location));
  auto read = Guarded("reading", location.text(), [&]() -> Result<std::shared_ptr<arrow::Table>> {
    if (columns.empty()) {
      return Check(reader->ReadTable(), "reading", "");
    }
    MILL_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Schema> schema,
                          SchemaOf(*reader, location.text()));
    MILL_ASSIGN_OR_RETURN(const std::vector<int> indices, ColumnIndices(*schema, columns));
    std::vector<std::shared_ptr<arrow::ChunkedArray>> read_columns(indices.size());
    std::vector<std::shared_ptr<arrow::Field>> fields;
    for (std::size_t i = 0; i < indices.size(); ++i) {
      MILL_RETURN_IF_ERROR(Check(reader->ReadColumn(indices[i], &read_columns[i]), "reading", ""));
      fields.push_back(schema->field(indices[i]));
    }
    const std::int64_t rows = read_columns[0]->length();
    return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(read_columns), rows);
  });
  if (!read.ok()) {
    // An unknown column is the caller's mistake, not the file's.
    const bool is_callers = read.error().message().starts_with("unknown column");
    Error error = std::move(read).error();
    return is_callers ? std::move(error).With("reading " + location.text())
                      : Damaged(std::move(error), location.text());
  }
  return Table::FromArrow(std::move(read).value()).With("reading " + location.text());
}

Result<ParquetInfo> ParquetSchema(const Location& location) {
  MILL_ASSIGN_OR_RETURN(const std::unique_ptr<parquet::arrow::FileReader> reader,
                        OpenReader(location));
  return Guarded("reading", location.text(), [&]() -> Result<ParquetInfo> {
    MILL_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Schema> schema,
                          SchemaOf(*reader, location.text()));
    MILL_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Table> empty,
                          Check(arrow::Table::MakeEmpty(schema), "reading", location.text()));
    MILL_ASSIGN_OR_RETURN(const Table table,
                          Table::FromArrow(empty).With("reading " + location.text()));
    ParquetInfo info;
    info.columns = table.columns();
    info.rows = reader->parquet_reader()->metadata()->num_rows();
    return info;
  });
}

Result<void> WriteParquet(const Context& context, const Table& table,
                          const std::filesystem::path& path) {
  return base::ReplaceAtomic(path, [&](const std::filesystem::path& temporary) {
    return Guarded("writing", path.string(),
                   [&] { return WriteTo(context, *table.arrow(), temporary, path.string()); });
  });
}

}  // namespace millrace::data
