// SPDX-License-Identifier: Apache-2.0
// Spans of OpenTelemetry from protocol buffers.
#include <bit>
#include <cstdint>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "api/internal/json_writer.h"
#include "api/internal/otlp_span.h"
#include "api/internal/wire_reader.h"

namespace millrace::api::internal {

namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;

std::string Hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[(static_cast<unsigned char>(c) >> 4) & 15];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

/// Text that is UTF-8 for sure: other bytes become U+FFFD.
std::string CleanText(std::string_view bytes) {
  std::string clean;
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t n = Utf8Length(bytes, i);
    clean += n == 0 ? std::string_view("\xEF\xBF\xBD") : bytes.substr(i, n);
    i += n == 0 ? 1 : n;
  }
  return clean;
}

std::optional<json> WireAttributes(std::string_view pair, int depth, json into);

std::optional<json> WireValue(std::string_view bytes, int depth) {
  if (depth > kMaxDepth) {
    return std::nullopt;
  }
  json value;
  WireReader reader(bytes);
  for (WireField field; reader.Next(field);) {
    switch (field.number) {
      case 1:
        value = CleanText(field.bytes);
        break;
      case 2:
        value = field.value != 0;
        break;
      case 3:
        value = static_cast<std::int64_t>(field.value);
        break;
      case 4:
        value = std::bit_cast<double>(field.value);
        break;
      case 5: {
        value = json::array();
        WireReader items(field.bytes);
        for (WireField item; items.Next(item);) {
          const auto decoded = item.number == 1 ? WireValue(item.bytes, depth + 1) : json();
          if (!decoded.has_value()) {
            return std::nullopt;
          }
          value.push_back(*decoded);
        }
        if (!items.is_valid()) {
          return std::nullopt;
        }
        break;
      }
      case 6: {
        value = json::object();
        WireReader items(field.bytes);
        for (WireField item; items.Next(item);) {
          auto with = WireAttributes(item.bytes, depth + 1, std::move(value));
          if (!with.has_value()) {
            return std::nullopt;
          }
          value = std::move(*with);
        }
        if (!items.is_valid()) {
          return std::nullopt;
        }
        break;
      }
      case 7:
        value = Base64(field.bytes);
        break;
      default:
        break;
    }
  }
  return reader.is_valid() ? std::optional(std::move(value)) : std::nullopt;
}

// Adds one KeyValue to an object.
std::optional<json> WireAttributes(std::string_view pair, int depth, json into) {
  std::string key;
  json value;
  WireReader reader(pair);
  for (WireField field; reader.Next(field);) {
    if (field.number == 1) {
      key = CleanText(field.bytes);
    } else if (field.number == 2) {
      auto decoded = WireValue(field.bytes, depth);
      if (!decoded.has_value()) {
        return std::nullopt;
      }
      value = std::move(*decoded);
    }
  }
  if (!reader.is_valid()) {
    return std::nullopt;
  }
  into[key] = std::move(value);
  return into;
}

bool AddWireAttribute(std::string_view pair, json& into) {
  auto with = WireAttributes(pair, 0, std::move(into));
  if (!with.has_value()) {
    return false;
  }
  into = std::move(*with);
  return true;
}

bool ReadWireEvent(std::string_view bytes, json& events) {
  json event = {{"name", ""}, {"time_unix_nano", 0}, {"attributes", json::object()}};
  WireReader reader(bytes);
  for (WireField field; reader.Next(field);) {
    if (field.number == 1) {
      event["time_unix_nano"] = static_cast<std::int64_t>(field.value);
    } else if (field.number == 2) {
      event["name"] = CleanText(field.bytes);
    } else if (field.number == 3 && !AddWireAttribute(field.bytes, event["attributes"])) {
      return false;
    }
  }
  events.push_back(std::move(event));
  return reader.is_valid();
}

bool ReadWireLink(std::string_view bytes, json& links) {
  json link = {{"trace_id", ""}, {"span_id", ""}, {"attributes", json::object()}};
  WireReader reader(bytes);
  for (WireField field; reader.Next(field);) {
    if (field.number == 1) {
      link["trace_id"] = "tr-" + Hex(field.bytes);
    } else if (field.number == 2) {
      link["span_id"] = Hex(field.bytes);
    } else if (field.number == 4 && !AddWireAttribute(field.bytes, link["attributes"])) {
      return false;
    }
  }
  links.push_back(std::move(link));
  return reader.is_valid();
}

bool ReadWireSpan(std::string_view bytes, RawSpan& span) {
  WireReader reader(bytes);
  bool is_valid = true;
  for (WireField field; is_valid && reader.Next(field);) {
    switch (field.number) {
      case 1:
        span.trace_id = Hex(field.bytes);
        break;
      case 2:
        span.span_id = Hex(field.bytes);
        break;
      case 4:
        span.parent_id = Hex(field.bytes);
        break;
      case 5:
        span.name = CleanText(field.bytes);
        break;
      case 7:
        span.start_ns = static_cast<std::int64_t>(field.value);
        break;
      case 8:
        span.end_ns = static_cast<std::int64_t>(field.value);
        break;
      case 9:
        is_valid = AddWireAttribute(field.bytes, span.attributes);
        break;
      case 11:
        is_valid = ReadWireEvent(field.bytes, span.events);
        break;
      case 13:
        is_valid = ReadWireLink(field.bytes, span.links);
        break;
      case 15: {
        WireReader status(field.bytes);
        for (WireField part; status.Next(part);) {
          if (part.number == 2) {
            span.status_message = CleanText(part.bytes);
          } else if (part.number == 3) {
            span.status_code = static_cast<std::int64_t>(part.value);
          }
        }
        is_valid = status.is_valid();
        break;
      }
      default:
        break;
    }
  }
  return is_valid && reader.is_valid();
}

Result<void> ReadWireScope(std::string_view bytes, OtlpBatch& batch) {
  WireReader reader(bytes);
  for (WireField field; reader.Next(field);) {
    if (field.number != 2) {
      continue;
    }
    RawSpan raw;
    if (!ReadWireSpan(field.bytes, raw)) {
      return NotOtlp();
    }
    MILL_ASSIGN_OR_RETURN(tracking::Span span, FinishSpan(raw));
    batch.spans.push_back(std::move(span));
  }
  return reader.is_valid() ? Result<void>() : NotOtlp();
}

Result<OtlpBatch> ReadWireResource(std::string_view bytes) {
  OtlpBatch batch;
  WireReader reader(bytes);
  for (WireField field; reader.Next(field);) {
    if (field.number == 1) {
      json attributes = json::object();
      WireReader resource(field.bytes);
      for (WireField pair; resource.Next(pair);) {
        if (pair.number == 1 && !AddWireAttribute(pair.bytes, attributes)) {
          return NotOtlp();
        }
      }
      batch.resource = ResourceTags(attributes);
    } else if (field.number == 2) {
      MILL_RETURN_IF_ERROR(ReadWireScope(field.bytes, batch));
    }
  }
  return reader.is_valid() ? Result<OtlpBatch>(std::move(batch)) : NotOtlp();
}

}  // namespace

Result<std::vector<OtlpBatch>> ParseWireOtlp(std::string_view body) {
  std::vector<OtlpBatch> batches;
  WireReader reader(body);
  for (WireField field; reader.Next(field);) {
    if (field.number == 1) {
      MILL_ASSIGN_OR_RETURN(OtlpBatch batch, ReadWireResource(field.bytes));
      batches.push_back(std::move(batch));
    }
  }
  if (!reader.is_valid()) {
    return NotOtlp();
  }
  return batches;
}

}  // namespace millrace::api::internal
