// SPDX-License-Identifier: Apache-2.0
// Distances of two samples by merging their sorted values: Wasserstein-1 and Kolmogorov-Smirnov.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <optional>
#include <string>

#include "metrics/drift.h"
#include "metrics/internal/sample.h"

namespace millrace::metrics {
namespace internal {

Result<std::vector<double>> SortedPresent(std::span<const double> values, std::string_view side) {
  std::vector<double> present;
  present.reserve(values.size());
  for (const double value : values) {
    if (std::isfinite(value)) {
      present.push_back(value);
    }
  }
  if (present.empty()) {
    return base::InvalidArgument("the " + std::string(side) + " sample has " +
                                 (values.empty() ? std::string("no rows")
                                                 : "only missing values in " +
                                                       std::to_string(values.size()) + " rows") +
                                 "; drift needs at least one value")
        .Hint("compare the missing shares instead, or check the column's source");
  }
  std::sort(present.begin(), present.end());
  return present;
}

double QuantileOfSorted(std::span<const double> sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double t = at - static_cast<double>(below);
  const double difference = sorted[above] - sorted[below];
  // numpy interpolates from the nearer end, so that equal neighbours give their value exactly.
  return t >= 0.5 ? sorted[above] - difference * (1 - t) : sorted[below] + difference * t;
}

}  // namespace internal

namespace {

using internal::SortedPresent;

// Rows up to which SciPy's "auto" takes the exact two-sample law.
constexpr std::size_t kMaxExactRows = 10'000;
constexpr double kLeastDeviation = 0.001;

// Calls step(value, next value, share of a <= value, share of b <= value) for each distinct value
// but the last; with the last, `next` is the value itself.
template <typename Step>
void MergeSorted(std::span<const double> a, std::span<const double> b, const Step& step) {
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    const double value = j == b.size() || (i < a.size() && a[i] <= b[j]) ? a[i] : b[j];
    while (i < a.size() && a[i] == value) {
      ++i;
    }
    while (j < b.size() && b[j] == value) {
      ++j;
    }
    double next = value;
    if (i < a.size() && j < b.size()) {
      next = std::min(a[i], b[j]);
    } else if (i < a.size()) {
      next = a[i];
    } else if (j < b.size()) {
      next = b[j];
    }
    step(value, next, static_cast<double>(i) / static_cast<double>(a.size()),
         static_cast<double>(j) / static_cast<double>(b.size()));
  }
}

double WassersteinOfSorted(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  MergeSorted(a, b, [&](double value, double next, double share_a, double share_b) {
    sum += std::abs(share_a - share_b) * (next - value);
  });
  return sum;
}

// P(D >= h / n) for two samples of n rows each: alternating binomials, factored so that nothing
// cancels (Gnedenko and Korolyuk 1951; the nesting is SciPy's).
double ExactEqualSizes(std::int64_t n, std::int64_t h) {
  double p = 0;
  for (std::int64_t k = n / h; k >= 0; --k) {
    double term = 1;
    for (std::int64_t j = 0; j < h; ++j) {
      term = static_cast<double>(n - k * h - j) * term / static_cast<double>(n + k * h + j + 1);
    }
    p = term * (1 - p);
  }
  return 2 * p;
}

// P(D >= h / lcm) by counting lattice paths that leave the band, column by column, each cell as a
// probability (Hodges 1958; the sliding window is SciPy's).
double ExactOtherSizes(std::int64_t n1, std::int64_t n2, std::int64_t divisor, std::int64_t h) {
  const std::int64_t m = std::max(n1, n2);
  const std::int64_t n = std::min(n1, n2);
  const std::int64_t mg = m / divisor;
  const std::int64_t ng = n / divisor;
  const auto ceil_div = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const auto floor_div = [](std::int64_t a, std::int64_t b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
  };
  std::int64_t low = 0;
  std::int64_t high = std::min(ceil_div(h, mg), n + 1);
  std::int64_t length = high - low;
  std::vector<double> column(static_cast<std::size_t>(std::min(2 * high + 2, n + 1)), 1.0);
  std::fill(column.begin(), column.begin() + (high - low), 0.0);
  for (std::int64_t i = 1; i <= m; ++i) {
    const std::int64_t last_low = low;
    const std::int64_t last_length = length;
    low = std::min(std::max<std::int64_t>(floor_div(ng * i - h, mg) + 1, 0), n);
    high = std::min(ceil_div(ng * i + h, mg), n + 1);
    if (high <= low) {
      return 1;
    }
    double value = low == 0 ? 0.0 : 1.0;
    for (std::int64_t j = low; j < high; ++j) {
      const double left = column[static_cast<std::size_t>(j - last_low)];
      value = (left * static_cast<double>(i) + value * static_cast<double>(j)) /
              static_cast<double>(i + j);
      column[static_cast<std::size_t>(j - low)] = value;
    }
    length = high - low;
    if (last_length > length) {
      std::fill_n(column.begin() + length, last_length - length, 1.0);
    }
  }
  return column[static_cast<std::size_t>(length - 1)];
}

std::optional<double> ExactPValue(std::size_t size_a, std::size_t size_b, double& d) {
  const auto n = static_cast<std::int64_t>(size_a);
  const auto m = static_cast<std::int64_t>(size_b);
  const std::int64_t divisor = std::gcd(n, m);
  const std::int64_t lcm = n / divisor * m;
  const std::int64_t h = std::llrint(d * static_cast<double>(lcm));
  d = static_cast<double>(h) / static_cast<double>(lcm);
  if (h == 0) {
    return 1.0;
  }
  const double p = n == m ? ExactEqualSizes(n, h) : ExactOtherSizes(n, m, divisor, h);
  return p >= 0 && p <= 1 ? std::optional<double>(p) : std::nullopt;
}

}  // namespace

SampleShape Describe(std::span<const double> values) {
  SampleShape shape;
  shape.rows = static_cast<std::int64_t>(values.size());
  double sum = 0;
  shape.minimum = std::numeric_limits<double>::infinity();
  shape.maximum = -std::numeric_limits<double>::infinity();
  for (const double value : values) {
    if (!std::isfinite(value)) {
      ++shape.missing;
      continue;
    }
    sum += value;
    shape.minimum = std::min(shape.minimum, value);
    shape.maximum = std::max(shape.maximum, value);
  }
  if (shape.missing == shape.rows) {
    shape.minimum = 0;
    shape.maximum = 0;
    return shape;
  }
  const double n = static_cast<double>(shape.rows - shape.missing);
  shape.mean = sum / n;
  double squares = 0;
  for (const double value : values) {
    if (std::isfinite(value)) {
      squares += (value - shape.mean) * (value - shape.mean);
    }
  }
  shape.standard_deviation = std::sqrt(squares / n);
  return shape;
}

Result<double> Wasserstein(std::span<const double> reference, std::span<const double> current) {
  MILL_ASSIGN_OR_RETURN(const std::vector<double> a, SortedPresent(reference, "reference"));
  MILL_ASSIGN_OR_RETURN(const std::vector<double> b, SortedPresent(current, "current"));
  return WassersteinOfSorted(a, b);
}

Result<double> WassersteinNormed(std::span<const double> reference,
                                 std::span<const double> current) {
  MILL_ASSIGN_OR_RETURN(const std::vector<double> a, SortedPresent(reference, "reference"));
  MILL_ASSIGN_OR_RETURN(const std::vector<double> b, SortedPresent(current, "current"));
  // Described sorted: the sum, and with it the last bit, must not depend on the order of rows.
  return WassersteinOfSorted(a, b) / std::max(Describe(a).standard_deviation, kLeastDeviation);
}

Result<KsResult> KolmogorovSmirnov(std::span<const double> reference,
                                   std::span<const double> current) {
  MILL_ASSIGN_OR_RETURN(const std::vector<double> a, SortedPresent(reference, "reference"));
  MILL_ASSIGN_OR_RETURN(const std::vector<double> b, SortedPresent(current, "current"));
  KsResult result;
  MergeSorted(a, b, [&](double, double, double share_a, double share_b) {
    result.statistic = std::max(result.statistic, std::abs(share_a - share_b));
  });
  if (std::max(a.size(), b.size()) <= kMaxExactRows) {
    if (const std::optional<double> p = ExactPValue(a.size(), b.size(), result.statistic)) {
      result.p_value = *p;
      result.is_exact = true;
      return result;
    }
  }
  const double n = static_cast<double>(a.size());
  const double m = static_cast<double>(b.size());
  // Half to even, as numpy rounds; at least one row.
  const double rows = std::max(1.0, std::nearbyint(n * m / (n + m)));
  result.p_value = KolmogorovSurvival(static_cast<std::int64_t>(rows), result.statistic);
  return result;
}

}  // namespace millrace::metrics
