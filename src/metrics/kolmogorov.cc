// SPDX-License-Identifier: Apache-2.0
// The law of the one-sample Kolmogorov-Smirnov statistic. n rows, distance d, t = n d, z = sqrt(n)
// d.
//
// Sources: Simard and L'Ecuyer 2011 (which method where; the limits are theirs, as SciPy has them);
// Marsaglia, Tsang and Wang 2003 (Durbin's matrix); Pelz and Good 1976 (expansion in z);
// Birnbaum and Tingey 1951 (one-sided sum); Ruben and Gambino 1982 (both ends).
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <vector>

#include <math.h>  // lgamma_r: std::lgamma writes a global

#include "metrics/drift.h"

namespace millrace::metrics {
namespace {

constexpr double kPi = std::numbers::pi;
// From here on the sum below costs more than its last digits are worth.
constexpr std::int64_t kManyRows = 2'000'000;

double LogFactorial(double n) {
  int sign = 0;
  return ::lgamma_r(n + 1, &sign);
}

using Matrix = std::vector<double>;

Matrix Multiply(const Matrix& a, const Matrix& b, std::size_t size) {
  Matrix product(size * size);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t k = 0; k < size; ++k) {
      const double factor = a[i * size + k];
      for (std::size_t j = 0; j < size; ++j) {
        product[i * size + j] += factor * b[k * size + j];
      }
    }
  }
  return product;
}

// P(D_n <= d) by Durbin's matrix: H^n with a common exponent, since its entries leave the range of
// double.
double MatrixCdf(std::int64_t n, double d) {
  const double t = static_cast<double>(n) * d;
  const auto k = static_cast<std::size_t>(std::ceil(t));
  const double h = static_cast<double>(k) - t;
  const std::size_t size = 2 * k - 1;
  std::vector<double> border(size);
  std::vector<double> inverse_factorial(size);
  double factor = 1;
  for (std::size_t j = 1; j <= size; ++j) {
    inverse_factorial[j - 1] = factor;
    factor /= static_cast<double>(j);
    border[j - 1] = (1 - std::pow(h, static_cast<double>(j))) * factor;
  }
  const double power = static_cast<double>(size);
  border[size - 1] =
      (1 + std::pow(std::max(2 * h - 1, 0.0), power) - 2 * std::pow(h, power)) * factor;
  Matrix base(size * size);
  for (std::size_t column = 1; column < size; ++column) {
    for (std::size_t row = column - 1; row < size; ++row) {
      base[row * size + column] = inverse_factorial[row - column + 1];
    }
  }
  for (std::size_t i = 0; i < size; ++i) {
    base[i * size] = border[i];
    base[(size - 1) * size + i] = border[size - 1 - i];
  }
  Matrix result(size * size);
  for (std::size_t i = 0; i < size; ++i) {
    result[i * size + i] = 1;
  }
  constexpr int kShift = 128;
  int base_exponent = 0;
  int exponent = 0;
  const std::size_t middle = (k - 1) * size + (k - 1);
  for (std::int64_t rest = n; rest > 0; rest /= 2) {
    if (rest % 2 == 1) {
      result = Multiply(result, base, size);
      exponent += base_exponent;
    }
    base = Multiply(base, base, size);
    base_exponent *= 2;
    if (std::abs(base[middle]) > std::ldexp(1.0, kShift)) {
      for (double& entry : base) {
        entry = std::ldexp(entry, -kShift);
      }
      base_exponent += kShift;
    }
  }
  double p = result[middle];
  for (std::int64_t i = 1; i <= n; ++i) {
    p = static_cast<double>(i) * p / static_cast<double>(n);
    if (std::abs(p) < std::ldexp(1.0, -kShift)) {
      p = std::ldexp(p, kShift);
      exponent -= kShift;
    }
  }
  return std::ldexp(p, exponent);
}

// P(D_n <= d), Pelz and Good's expansion in 1 / sqrt(n), written for small z by Jacobi's theta
// functions.
double ExpansionCdf(std::int64_t n, double d) {
  const double root = std::sqrt(static_cast<double>(n));
  const double z = root * d;
  const double z2 = z * z;
  const double z4 = z2 * z2;
  const double z6 = z4 * z2;
  const double pi2 = kPi * kPi;
  const double pi4 = pi2 * pi2;
  const double pi6 = pi4 * pi2;
  const double q_log = -pi2 / 8 / z2;
  if (q_log < -708) {
    return 0;
  }
  const double q = std::exp(q_log);
  double k[4] = {0, 0, 0, 0};
  const int terms = static_cast<int>(std::ceil(16 * z / kPi));
  for (int term = terms; term > 0; --term) {
    const double m = 2.0 * term - 1;
    const double m2 = m * m;
    const double m4 = m2 * m2;
    const double m6 = m4 * m2;
    const double scale = std::pow(q, 8.0 * term);
    const double coefficients[4] = {
        1, -z2 + pi2 / 4 * m2,
        6 * z6 + 2 * z4 + (2 * z4 - 5 * z2) * pi2 / 4 * m2 + pi4 * (1 - 2 * z2) / 16 * m4,
        -30 * z6 - 90 * z4 * z4 + pi2 * (135 * z4 - 96 * z6) / 4 * m2 +
            pi4 * (-60 * z2 + 212 * z4) / 16 * m4 + pi6 * (5 - 30 * z2) / 64 * m6};
    for (int i = 0; i < 4; ++i) {
      k[i] = k[i] * scale + coefficients[i];
    }
  }
  const double root_2pi = std::sqrt(2 * kPi);
  const double divisors[4] = {z, 6 * z4, 72 * z6 * z, 6480 * z6 * z4};
  for (int i = 0; i < 4; ++i) {
    k[i] *= q * root_2pi / divisors[i];
  }
  const double q_extra = std::exp(-pi2 / 2 / z2);
  double second = 0;
  double third = 0;
  for (int term = terms; term > 0; --term) {
    const double term2 = static_cast<double>(term) * term;
    const double power = std::pow(q_extra, term2);
    second += term2 * power;
    third += (3 * z2 - pi2 * term2) * term2 * power;
  }
  k[2] += second * pi2 * root_2pi / (-36 * z2 * z);
  k[3] += third * pi2 * root_2pi / (216 * z6);
  return k[0] + k[1] / root + k[2] / (root * root) + k[3] / (root * root * root);
}

// P(D_n^+ >= d) of the one-sided statistic.
double OneSided(std::int64_t rows, double d) {
  const double n = static_cast<double>(rows);
  if (rows > kManyRows) {
    // Maag and Dicaire 1971: relative error of order 1 / n.
    const double t = 6 * n * d + 1;
    return std::exp(-t * t / (18 * n));
  }
  const double log_n_factorial = LogFactorial(n);
  double sum = 0;
  const auto last = static_cast<std::int64_t>(std::floor(n * (1 - d)));
  for (std::int64_t v = 0; v <= last; ++v) {
    const double j = static_cast<double>(v);
    const double rest = 1 - d - j / n;
    const double log_choose = log_n_factorial - LogFactorial(j) - LogFactorial(n - j);
    if (rest <= 0) {
      // Only at the end of the sum; 0^0 is 1.
      sum += v == rows ? std::exp(log_choose + (j - 1) * std::log(d + j / n)) : 0;
      continue;
    }
    sum += std::exp(log_choose + (j - 1) * std::log(d + j / n) + (n - j) * std::log(rest));
  }
  return d * sum;
}

}  // namespace

double KolmogorovSurvival(std::int64_t n, double d) {
  if (n < 1 || std::isnan(d)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const double rows = static_cast<double>(n);
  const double t = rows * d;
  if (d >= 1) {
    return 0;
  }
  if (t <= 0.5) {
    return 1;
  }
  if (t <= 1) {
    return 1 - std::exp(LogFactorial(rows) - rows * std::log(rows) + rows * std::log(2 * t - 1));
  }
  if (t >= rows - 1) {
    return 2 * std::pow(1 - d, rows);
  }
  const double nd2 = t * d;
  constexpr std::int64_t kFewRows = 140;
  constexpr double kLateTail = 370;  // below 1e-320
  if (nd2 >= kLateTail) {
    return 0;
  }
  if (d >= 0.5 || nd2 >= (n <= kFewRows ? 4.0 : 2.2)) {
    return std::clamp(2 * OneSided(n, d), 0.0, 1.0);
  }
  const bool use_matrix = n <= kFewRows || (n <= 100'000 && rows * d * std::sqrt(d) <= 1.4);
  return std::clamp(1 - (use_matrix ? MatrixCdf(n, d) : ExpansionCdf(n, d)), 0.0, 1.0);
}

}  // namespace millrace::metrics
