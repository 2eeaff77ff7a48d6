// SPDX-License-Identifier: Apache-2.0
// Metric points as few bytes: differences of differences for step and time, XOR for the value.
// Bytes: docs/formats/metric_journal.md. Inline, because reading ten million points is this loop.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "tracking/types.h"

namespace millrace::tracking::internal {

static_assert(std::endian::native == std::endian::little, "files are little-endian");

inline std::uint64_t ZigZag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
inline std::int64_t UnZigZag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

/// LEB128: seven bits a byte, lowest first.
inline void PutVarint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

/// Reads bytes in order. Past the end or in a number that is too long it gives zeros and `ok()` is
/// false.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes)
      : at_(reinterpret_cast<const std::uint8_t*>(bytes.data())), end_(at_ + bytes.size()) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return at_ == end_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  std::uint8_t Byte() {
    if (at_ == end_) [[unlikely]] {
      ok_ = false;
      return 0;
    }
    return *at_++;
  }
  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = Byte();
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    ok_ = false;
    return 0;
  }
  /// `count` bytes, lowest first.
  std::uint64_t Bytes(unsigned count) {
    if (left() < count) [[unlikely]] {
      ok_ = false;
      at_ = end_;
      return 0;
    }
    std::uint64_t value = 0;
    if (left() >= 8) {
      std::memcpy(&value, at_, 8);
      value &= count == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * count)) - 1;
    } else {
      std::memcpy(&value, at_, count);
    }
    at_ += count;
    return value;
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool ok_ = true;
};

/// What encoder and decoder remember of the point before.
struct PointState {
  std::uint64_t step = 0;
  std::uint64_t step_delta = 0;
  std::uint64_t timestamp = 0;
  std::uint64_t timestamp_delta = 0;
  std::uint64_t value = 0;
};

// A point is a control byte and what it announces. Low four bits: 0 the same value as before, 1 to
// 8 that many low bytes of the XOR with it, 9 to 15 one to seven high bytes of it.
inline constexpr unsigned kStepBit = 0x10;
inline constexpr unsigned kTimestampBit = 0x20;

class PointEncoder {
 public:
  /// NaN loses its payload: there is one NaN.
  void Add(const MetricPoint& point, std::string& out) {
    char bytes[32];
    std::size_t size = 1;
    unsigned control = 0;
    const auto put = [&](std::uint64_t number) {
      for (; number >= 0x80; number >>= 7) {
        bytes[size++] = static_cast<char>(number | 0x80);
      }
      bytes[size++] = static_cast<char>(number);
    };
    const auto step = static_cast<std::uint64_t>(point.step);
    const std::uint64_t step_delta = step - state_.step;
    if (step_delta != state_.step_delta) {
      control |= kStepBit;
      put(ZigZag(static_cast<std::int64_t>(step_delta - state_.step_delta)));
    }
    const auto timestamp = static_cast<std::uint64_t>(point.timestamp_ms);
    const std::uint64_t timestamp_delta = timestamp - state_.timestamp;
    if (timestamp_delta != state_.timestamp_delta) {
      control |= kTimestampBit;
      put(ZigZag(static_cast<std::int64_t>(timestamp_delta - state_.timestamp_delta)));
    }
    const auto value = std::isnan(point.value) ? std::uint64_t{0x7FF8'0000'0000'0000}
                                               : std::bit_cast<std::uint64_t>(point.value);
    std::uint64_t difference = value ^ state_.value;
    if (difference != 0) {
      const auto leading = static_cast<unsigned>(std::countl_zero(difference)) / 8;
      const auto trailing = static_cast<unsigned>(std::countr_zero(difference)) / 8;
      unsigned count = 8 - leading;
      if (trailing > leading) {
        count = 8 - trailing;
        difference >>= 8 * trailing;
        control |= 8 + count;
      } else {
        control |= count;
      }
      std::memcpy(bytes + size, &difference, count);
      size += count;
    }
    bytes[0] = static_cast<char>(control);
    out.append(bytes, size);
    state_ = {step, step_delta, timestamp, timestamp_delta, value};
  }

 private:
  PointState state_;
};

class PointDecoder {
 public:
  /// The next point; the reader's `ok()` says whether it is one.
  MetricPoint Next(ByteReader& reader) {
    const unsigned control = reader.Byte();
    if ((control & kStepBit) != 0) {
      state_.step_delta += static_cast<std::uint64_t>(UnZigZag(reader.Varint()));
    }
    if ((control & kTimestampBit) != 0) {
      state_.timestamp_delta += static_cast<std::uint64_t>(UnZigZag(reader.Varint()));
    }
    state_.step += state_.step_delta;
    state_.timestamp += state_.timestamp_delta;
    const unsigned code = control & 0x0F;
    if (code > 8) {
      state_.value ^= reader.Bytes(code - 8) << (8 * (16 - code));
    } else if (code > 0) {
      state_.value ^= reader.Bytes(code);
    }
    return {static_cast<std::int64_t>(state_.timestamp), static_cast<std::int64_t>(state_.step),
            std::bit_cast<double>(state_.value)};
  }

 private:
  PointState state_;
};

/// NaN as 0, and after it.
inline bool ValueLess(double a, double b) {
  const bool a_is_nan = std::isnan(a);
  const bool b_is_nan = std::isnan(b);
  const double a_value = a_is_nan ? 0 : a;
  const double b_value = b_is_nan ? 0 : b;
  return a_value != b_value ? a_value < b_value : a_is_nan < b_is_nan;
}

/// The order of a history: (timestamp, step, value).
inline bool PointLess(const MetricPoint& a, const MetricPoint& b) {
  if (a.timestamp_ms != b.timestamp_ms) {
    return a.timestamp_ms < b.timestamp_ms;
  }
  return a.step != b.step ? a.step < b.step : ValueLess(a.value, b.value);
}

/// The order of a plot: (step, timestamp, value).
inline bool StepLess(const MetricPoint& a, const MetricPoint& b) {
  if (a.step != b.step) {
    return a.step < b.step;
  }
  return a.timestamp_ms != b.timestamp_ms ? a.timestamp_ms < b.timestamp_ms
                                          : ValueLess(a.value, b.value);
}

}  // namespace millrace::tracking::internal
