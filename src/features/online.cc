// SPDX-License-Identifier: Apache-2.0
// Online rows and the list of published views as bytes of a key-value store; docs/formats/online.md
// is their description.
#include "features/online.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "features/aggregates.h"
#include "features/internal/bytes.h"
#include "store/key_value.h"

namespace millrace::features {
namespace {

using nlohmann::json;

// On disk: see docs/formats/online.md before changing any of these.
constexpr std::string_view kRowPrefix = "fr";
constexpr std::string_view kViewPrefix = "fv";
constexpr char kInt64Key = 'i';
constexpr char kTextKey = 's';
constexpr std::uint8_t kRowFormat = 1;
constexpr int kViewFormat = 1;

constexpr std::size_t kPutsPerBatch = 16384;

std::string Prefixed(std::string_view prefix, const ContentHash& view) {
  std::string key(prefix);
  key.append(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
  return key;
}

/// Integers in big-endian with the sign turned, so that bytes are in the order of the numbers.
void AppendKey(std::string& out, const EntityKey& key) {
  if (const auto* number = std::get_if<std::int64_t>(&key)) {
    out.push_back(kInt64Key);
    const std::uint64_t ordered = static_cast<std::uint64_t>(*number) ^ (std::uint64_t{1} << 63);
    internal::AppendBytes(out, __builtin_bswap64(ordered));
    return;
  }
  out.push_back(kTextKey);
  out += std::get<std::string>(key);
}

std::optional<EntityKey> ReadKey(std::string_view bytes) {
  if (bytes.empty()) {
    return std::nullopt;
  }
  const char kind = bytes.front();
  bytes.remove_prefix(1);
  if (kind == kTextKey) {
    return EntityKey(std::string(bytes));
  }
  std::uint64_t ordered = 0;
  if (kind != kInt64Key || bytes.size() != sizeof(ordered) ||
      !internal::TakeBytes(bytes, ordered)) {
    return std::nullopt;
  }
  return EntityKey(
      static_cast<std::int64_t>(__builtin_bswap64(ordered) ^ (std::uint64_t{1} << 63)));
}

std::string RowBytes(Timestamp as_of, std::span<const double> values) {
  std::string out;
  const std::size_t bitmap_bytes = (values.size() + 7) / 8;
  out.reserve(1 + 8 + 4 + bitmap_bytes + values.size() * 8);
  internal::AppendBytes(out, kRowFormat);
  internal::AppendBytes(out, as_of.micros);
  internal::AppendBytes(out, static_cast<std::uint32_t>(values.size()));
  std::string bitmap(bitmap_bytes, '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      bitmap[i / 8] =
          static_cast<char>(static_cast<unsigned char>(bitmap[i / 8]) | (1u << (i % 8)));
    }
  }
  out += bitmap;
  for (const double value : values) {
    internal::AppendBytes(out, std::isnan(value) ? 0.0 : value);
  }
  return out;
}

Result<OnlineRow> ReadRow(std::string_view bytes, std::string_view what) {
  OnlineRow row;
  std::uint8_t format = 0;
  std::uint32_t n = 0;
  if (internal::TakeBytes(bytes, format) && format > kRowFormat) {
    return base::FailedPrecondition("online row of " + std::string(what) + " has format " +
                                    std::to_string(format) + ", this version reads up to " +
                                    std::to_string(kRowFormat))
        .Hint("use the version of millrace that published it, or publish again");
  }
  const bool has_head = format == kRowFormat && internal::TakeBytes(bytes, row.as_of.micros) &&
                        internal::TakeBytes(bytes, n);
  const std::size_t bitmap_bytes = (std::size_t{n} + 7) / 8;
  if (!has_head || bytes.size() != bitmap_bytes + std::size_t{n} * 8) {
    return base::DataLoss("online row of " + std::string(what) +
                          " is damaged: " + std::to_string(bytes.size()) + " bytes for " +
                          std::to_string(n) + " values")
        .Hint("publish the view again");
  }
  const std::string_view bitmap = bytes.substr(0, bitmap_bytes);
  bytes.remove_prefix(bitmap_bytes);
  row.values.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    internal::TakeBytes(bytes, row.values[i]);
    if ((static_cast<unsigned char>(bitmap[i / 8]) >> (i % 8) & 1u) != 0) {
      row.values[i] = kNull;
    }
  }
  return row;
}

std::string ViewBytes(const ViewPlan& plan, Timestamp as_of, std::size_t keys) {
  json columns = json::array();
  for (const FeatureColumn& column : plan.columns) {
    columns.push_back({{"name", column.name},
                       {"type", data::ColumnTypeName(column.type)},
                       {"is_derived", column.is_derived},
                       {"definition", column.definition}});
  }
  return base::DumpJson({{"format", kViewFormat},
                         {"name", plan.name},
                         {"entity", plan.entity},
                         {"key", plan.key},
                         {"key_type", data::ColumnTypeName(plan.key_type)},
                         {"source", plan.source},
                         {"as_of", as_of.micros},
                         {"keys", keys},
                         {"columns", std::move(columns)}});
}

Result<PublishedView> ReadView(std::string_view key, std::string_view bytes) {
  PublishedView view;
  if (key.size() != kViewPrefix.size() + view.hash.bytes.size()) {
    return base::DataLoss("the online store has a view entry with a key of " +
                          std::to_string(key.size()) + " bytes, wanted 18");
  }
  std::copy(key.begin() + kViewPrefix.size(), key.end(),
            reinterpret_cast<char*>(view.hash.bytes.data()));
  const std::string source = "online view " + view.hash.Hex();
  MILL_ASSIGN_OR_RETURN(const json text, base::ParseJson(bytes, source));
  try {
    if (const int format = text.at("format").get<int>(); format > kViewFormat) {
      return base::FailedPrecondition(source + " has format " + std::to_string(format) +
                                      ", this version reads up to " + std::to_string(kViewFormat));
    }
    view.name = text.at("name").get<std::string>();
    view.entity = text.at("entity").get<std::string>();
    view.key = text.at("key").get<std::string>();
    view.key_type = text.at("key_type").get<std::string>() == "string" ? data::ColumnType::kString
                                                                       : data::ColumnType::kInt64;
    view.source = text.at("source").get<std::string>();
    view.as_of.micros = text.at("as_of").get<std::int64_t>();
    view.keys = text.at("keys").get<std::int64_t>();
    for (const json& column : text.at("columns")) {
      FeatureColumn& out = view.columns.emplace_back();
      out.name = column.at("name").get<std::string>();
      out.type = column.at("type").get<std::string>() == "int64" ? data::ColumnType::kInt64
                                                                 : data::ColumnType::kDouble;
      out.is_derived = column.at("is_derived").get<bool>();
      out.definition = column.at("definition").get<std::string>();
    }
  } catch (const json::exception& e) {
    return base::DataLoss(source + " is damaged: " + e.what()).Hint("publish the view again");
  }
  return view;
}

/// Refuses null keys and keys given twice: which of two rows would stay is nobody's to guess.
Result<void> CheckKeys(const ViewPlan& plan, const KeyColumn& keys, std::int64_t value_rows) {
  if (static_cast<std::int64_t>(keys.size()) != value_rows) {
    return base::InvalidArgument(
        "publishing view \"" + plan.name + "\": " + std::to_string(keys.size()) + " keys, but " +
        std::to_string(value_rows) + " rows of values; wanted one row per key");
  }
  std::set<EntityKey> seen;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys.IsNull(i)) {
      return base::InvalidArgument("publishing view \"" + plan.name + "\": the key of row " +
                                   std::to_string(i) + " is null, wanted a value");
    }
    if (!seen.insert(keys.At(i)).second) {
      return base::InvalidArgument("publishing view \"" + plan.name + "\": key " +
                                   KeyText(keys.At(i)) + " comes twice (second: row " +
                                   std::to_string(i) + "), wanted each key once");
    }
  }
  if (keys.size() > 0 && keys.type() != plan.key_type) {
    return base::InvalidArgument("publishing view \"" + plan.name + "\": keys have type " +
                                 std::string(data::ColumnTypeName(keys.type())) + ", wanted " +
                                 std::string(data::ColumnTypeName(plan.key_type)));
  }
  return {};
}

}  // namespace

Result<void> OnlineStore::Publish(const Context& context, const ViewPlan& plan,
                                  const KeyColumn& keys, Timestamp as_of,
                                  const data::Table& values) {
  MILL_RETURN_IF_ERROR(CheckKeys(plan, keys, values.rows()));
  std::vector<std::vector<double>> columns;
  for (const FeatureColumn& column : plan.columns) {
    MILL_ASSIGN_OR_RETURN(std::vector<double> doubles, values.Doubles(column.name));
    columns.push_back(std::move(doubles));
  }
  const store::Version version{as_of.micros, 0, 0};
  const std::string prefix = Prefixed(kRowPrefix, plan.hash);
  std::vector<store::Put> puts;
  std::vector<double> row(columns.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      row[c] = columns[c][i];
    }
    std::string key = prefix;
    AppendKey(key, keys.At(i));
    puts.push_back({std::move(key), version, RowBytes(as_of, row)});
    if (puts.size() == kPutsPerBatch) {
      MILL_RETURN_IF_ERROR(context.Check());
      MILL_RETURN_IF_ERROR(kv_->PutMany(puts));
      puts.clear();
    }
  }
  // The view's entry goes last: once it says this as-of time, all rows of it are there.
  puts.push_back({Prefixed(kViewPrefix, plan.hash), version, ViewBytes(plan, as_of, keys.size())});
  return kv_->PutMany(puts);
}

Result<std::optional<OnlineRow>> OnlineStore::Get(const ContentHash& view,
                                                  const EntityKey& key) const {
  MILL_ASSIGN_OR_RETURN(std::vector<std::optional<OnlineRow>> rows,
                        GetMany(view, std::span(&key, 1)));
  return std::move(rows.front());
}

Result<std::vector<std::optional<OnlineRow>>> OnlineStore::GetMany(
    const ContentHash& view, std::span<const EntityKey> keys) const {
  const std::string prefix = Prefixed(kRowPrefix, view);
  std::vector<std::string> stored_keys(keys.size(), prefix);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    AppendKey(stored_keys[i], keys[i]);
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<std::optional<store::Entry>> entries,
                        kv_->GetMany(stored_keys));
  std::vector<std::optional<OnlineRow>> rows(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (entries[i].has_value()) {
      MILL_ASSIGN_OR_RETURN(rows[i], ReadRow(entries[i]->value, KeyText(keys[i])));
    }
  }
  return rows;
}

Result<std::vector<PublishedView>> OnlineStore::Views() const {
  std::vector<PublishedView> views;
  std::optional<Error> error;
  MILL_RETURN_IF_ERROR(kv_->Scan(kViewPrefix, [&](std::string_view key, const store::Entry& entry) {
    Result<PublishedView> view = ReadView(key, entry.value);
    if (!view.ok()) {
      error = std::move(view).error();
      return false;
    }
    views.push_back(*std::move(view));
    return true;
  }));
  if (error.has_value()) {
    return *std::move(error);
  }
  std::stable_sort(views.begin(), views.end(),
                   [](const PublishedView& a, const PublishedView& b) { return a.name < b.name; });
  return views;
}

Result<std::optional<PublishedView>> OnlineStore::FindView(const ContentHash& view) const {
  const std::string key = Prefixed(kViewPrefix, view);
  MILL_ASSIGN_OR_RETURN(const std::vector<std::optional<store::Entry>> entries,
                        kv_->GetMany(std::span(&key, 1)));
  if (!entries.front().has_value()) {
    return std::optional<PublishedView>();
  }
  MILL_ASSIGN_OR_RETURN(PublishedView found, ReadView(key, entries.front()->value));
  return std::optional<PublishedView>(std::move(found));
}

Result<std::vector<std::pair<EntityKey, OnlineRow>>> OnlineStore::Rows(const ContentHash& view,
                                                                       std::size_t limit) const {
  const std::string prefix = Prefixed(kRowPrefix, view);
  std::vector<std::pair<EntityKey, OnlineRow>> rows;
  std::optional<Error> error;
  MILL_RETURN_IF_ERROR(kv_->Scan(prefix, [&](std::string_view key, const store::Entry& entry) {
    if (rows.size() >= limit) {
      return false;
    }
    const std::optional<EntityKey> entity_key = ReadKey(key.substr(prefix.size()));
    Result<OnlineRow> row =
        ReadRow(entry.value, entity_key.has_value() ? KeyText(*entity_key) : "an unreadable key");
    if (!row.ok() || !entity_key.has_value()) {
      error = row.ok() ? base::DataLoss("a stored key of view " + view.Hex() + " is damaged")
                       : std::move(row).error();
      return false;
    }
    rows.emplace_back(*entity_key, *std::move(row));
    return true;
  }));
  if (error.has_value()) {
    return *std::move(error);
  }
  return rows;
}

Result<void> OnlineStore::DropView(const ContentHash& view) {
  // The entry goes first, so that a view that is listed has its rows.
  MILL_RETURN_IF_ERROR(kv_->DeletePrefix(Prefixed(kViewPrefix, view)));
  return kv_->DeletePrefix(Prefixed(kRowPrefix, view));
}

}  // namespace millrace::features
