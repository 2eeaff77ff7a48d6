// SPDX-License-Identifier: Apache-2.0
// CSV through Arrow's reader.
#include "data/csv.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <arrow/api.h>
#include <arrow/csv/api.h>
#include <arrow/io/compressed.h>
#include <arrow/io/file.h>
#include <arrow/util/compression.h>
#include <arrow/util/value_parsing.h>

#include "data/internal/arrow_status.h"
#include "data/internal/normalize.h"
#include "data/internal/open_file.h"
#include "data/parquet.h"

namespace millrace::data {
namespace {

using internal::Check;
using internal::Guarded;

// A row whose number of fields is not the header's.
struct RaggedRow {
  std::int64_t row =
      0;  // counted as lines of the file, the header is 1; 0 if the reader did not know
  int fields = 0;
  int wanted = 0;
  std::string text;
};

Result<std::shared_ptr<arrow::io::InputStream>> OpenStream(const Location& location) {
  MILL_ASSIGN_OR_RETURN(std::shared_ptr<arrow::io::RandomAccessFile> file,
                        internal::OpenFile(location));
  MILL_ASSIGN_OR_RETURN(const std::int64_t size,
                        Check(file->GetSize(), "reading", location.text()));
  if (size == 0) {
    return base::InvalidArgument(location.text() +
                                 " is empty (0 bytes); wanted a header line with column names")
        .Hint("write the file again");
  }
  if (!location.path().ends_with(".gz")) {
    return std::shared_ptr<arrow::io::InputStream>(std::move(file));
  }
  MILL_ASSIGN_OR_RETURN(
      std::shared_ptr<arrow::util::Codec> codec,
      Check(arrow::util::Codec::Create(arrow::Compression::GZIP), "reading", location.text()));
  // The stream keeps using its codec; a shared holder keeps both together.
  struct Holder {
    std::shared_ptr<arrow::util::Codec> codec;
    std::shared_ptr<arrow::io::CompressedInputStream> stream;
  };
  auto holder = std::make_shared<Holder>();
  holder->codec = std::move(codec);
  MILL_ASSIGN_OR_RETURN(holder->stream,
                        Check(arrow::io::CompressedInputStream::Make(holder->codec.get(), file),
                              "reading", location.text()));
  return std::shared_ptr<arrow::io::InputStream>(holder, holder->stream.get());
}

// One attempt. Arrow knows row numbers only when it reads with one thread; then `ragged` (not null)
// receives the first bad row. It is shared because Arrow's threads may outlive a read that failed.
Result<std::shared_ptr<arrow::Table>> Attempt(const Location& location, const CsvOptions& options,
                                              std::shared_ptr<std::optional<RaggedRow>> ragged) {
  MILL_ASSIGN_OR_RETURN(std::shared_ptr<arrow::io::InputStream> stream, OpenStream(location));
  arrow::csv::ReadOptions read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = ragged == nullptr;
  read.block_size = 1 << 22;
  arrow::csv::ParseOptions parse = arrow::csv::ParseOptions::Defaults();
  parse.delimiter = options.delimiter;
  parse.newlines_in_values = true;
  if (ragged != nullptr) {
    parse.invalid_row_handler = [ragged](const arrow::csv::InvalidRow& row) {
      if (!ragged->has_value()) {
        *ragged = RaggedRow{std::max<std::int64_t>(row.number, 0), row.actual_columns,
                            row.expected_columns, std::string(row.text)};
      }
      return arrow::csv::InvalidRowResult::Error;
    };
  }
  arrow::csv::ConvertOptions convert = arrow::csv::ConvertOptions::Defaults();
  convert.null_values = options.missing_values;
  convert.strings_can_be_null = true;
  convert.quoted_strings_can_be_null = true;
  convert.timestamp_parsers = {arrow::TimestampParser::MakeISO8601()};
  for (const ColumnInfo& column : options.types) {
    convert.column_types[column.name] = internal::ArrowType(column.type);
  }
  MILL_ASSIGN_OR_RETURN(std::shared_ptr<arrow::csv::TableReader> reader,
                        Check(arrow::csv::TableReader::Make(arrow::io::default_io_context(), stream,
                                                            read, parse, convert),
                              "reading", location.text()));
  return Check(reader->Read(), "reading", location.text());
}

Error RaggedError(const RaggedRow& ragged, const Location& location) {
  static constexpr std::size_t kShown = 60;
  std::string text = ragged.text.substr(0, kShown);
  if (ragged.text.size() > kShown) {
    text += "...";
  }
  const std::string line = ragged.row > 0 ? "line " + std::to_string(ragged.row) : "a line";
  return base::InvalidArgument(location.text() + ": " + line + " has " +
                               std::to_string(ragged.fields) + " fields, the header has " +
                               std::to_string(ragged.wanted) + " (the line: \"" + text + "\")")
      .At({location.text(), static_cast<int>(ragged.row), 0})
      .Hint("mend the line, or set the delimiter if it is not a comma");
}

}  // namespace

Result<Table> ReadCsv(const Context& context, const Location& location, const CsvOptions& options) {
  MILL_RETURN_IF_ERROR(context.Check());
  MILL_RETURN_IF_ERROR(internal::StartCompute());
  const auto attempt = [&](const std::shared_ptr<std::optional<RaggedRow>>& ragged) {
    return Guarded("reading", location.text(), [&] { return Attempt(location, options, ragged); });
  };
  Result<std::shared_ptr<arrow::Table>> read = attempt(nullptr);
  if (!read.ok() && read.error().code() == ErrorCode::kInvalidArgument) {
    const auto ragged = std::make_shared<std::optional<RaggedRow>>();
    read = attempt(ragged);
    if (!read.ok() && ragged->has_value()) {
      return RaggedError(**ragged, location);
    }
  }
  if (!read.ok()) {
    return std::move(read).error();
  }
  const std::vector<std::string> names = read.value()->ColumnNames();
  for (const ColumnInfo& column : options.types) {
    if (std::find(names.begin(), names.end(), column.name) == names.end()) {
      return UnknownColumn(column.name, names).With("reading " + location.text());
    }
  }
  return Table::FromArrow(std::move(read).value()).With("reading " + location.text());
}

Result<Table> ReadAny(const Context& context, const Location& location) {
  const std::string& path = location.path();
  if (path.ends_with(".parquet")) {
    return ReadParquet(context, location);
  }
  if (path.ends_with(".csv") || path.ends_with(".csv.gz")) {
    return ReadCsv(context, location);
  }
  return base::InvalidArgument(location.text() +
                               " ends in no known format; wanted .parquet, .csv or .csv.gz")
      .Hint("rename or convert the file");
}

}  // namespace millrace::data
