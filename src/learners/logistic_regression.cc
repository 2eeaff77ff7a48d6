// SPDX-License-Identifier: Apache-2.0
// Logistic regression with L2 penalty by damped Newton steps, over imputed and standardised
// columns.
#include "models/logistic_regression.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "base/number_format.h"
#include "base/thread_pool.h"
#include "data/matrix.h"
#include "learners/internal/training.h"
#include "learners/registry.h"

namespace millrace::learners {
namespace {

/// Rows per block; sums are made per block and added in the order of the blocks, whatever thread
/// made them.
constexpr std::size_t kBlock = 2048;

LearnerInfo MakeInfo() {
  using internal::DoubleParam;
  using internal::IntegerParam;
  LearnerInfo info;
  info.name = "logistic_regression";
  info.summary =
      "Linear model of the log odds with L2 penalty; missing values become medians, columns are "
      "standardised.";
  info.capabilities = {.native_missing = false, .early_stopping = false, .parallel = true};
  info.params = {
      DoubleParam("C", 1, 1e-9, 1e9,
                  "Inverse strength of the L2 penalty; the intercept is not penalised."),
      IntegerParam("max_iter", 100, 1, 100'000, "Most Newton steps."),
      DoubleParam("tol", 1e-8, 1e-15, 1,
                  "Stop when no element of the gradient per row is greater."),
  };
  return info;
}

/// Median of the values that are not missing (the mean of the two middle ones); 0 if there is none.
double Median(const data::Matrix& rows, std::size_t column) {
  std::vector<double> values;
  values.reserve(rows.rows);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    if (!std::isnan(rows.At(i, column))) {
      values.push_back(rows.At(i, column));
    }
  }
  if (values.empty()) {
    return 0;
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) {
    return *middle;
  }
  const double lower = *std::max_element(values.begin(), middle);
  return lower + (*middle - lower) / 2;
}

/// Fills impute, mean and scale of one column: standard deviation over n, as scikit-learn's
/// StandardScaler.
void Standardise(const data::Matrix& rows, std::size_t column, models::LogisticData* model) {
  const double median = Median(rows, column);
  const auto value = [&](std::size_t i) {
    const double x = rows.At(i, column);
    return std::isnan(x) ? median : x;
  };
  const double n = static_cast<double>(rows.rows);
  double low = value(0);
  double high = low;
  double sum = 0;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    sum += value(i) / n;  // Divided first: the sum of large values must not overflow.
    low = std::min(low, value(i));
    high = std::max(high, value(i));
  }
  double squares = 0;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    squares += (value(i) - sum) * (value(i) - sum) / n;
  }
  const double deviation = std::sqrt(squares);
  const bool constant = low == high || !(deviation > 0) || !std::isfinite(deviation);
  model->impute[column] = median;
  // A constant column's mean is exactly its value, so that its standardised value is exactly 0.
  model->mean[column] = low == high ? low : sum;
  model->scale[column] = constant ? 1.0 : deviation;
}

/// log(1 + exp(z)) without overflow.
double Softplus(double z) {
  return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
}

/// The standardised rows and the penalised loss over them. Weights have the intercept last.
class Problem {
 public:
  Problem(const Context& context, const TrainingData& data, double c)
      : context_(context), labels_(data.train_labels), c_(c) {}

  Result<void> Prepare(const data::Matrix& rows, models::LogisticData* model) {
    const std::size_t d = rows.names.size();
    MILL_RETURN_IF_ERROR(Run(d, 1, [&](std::size_t begin, std::size_t end) -> Result<void> {
      for (std::size_t column = begin; column < end; ++column) {
        Standardise(rows, column, model);
      }
      return {};
    }));
    n_ = rows.rows;
    width_ = d + 1;
    x_.resize(n_ * width_);
    return Run(n_, kBlock, [&](std::size_t begin, std::size_t end) -> Result<void> {
      for (std::size_t i = begin; i < end; ++i) {
        for (std::size_t j = 0; j < d; ++j) {
          const double value = rows.At(i, j);
          x_[i * width_ + j] =
              ((std::isnan(value) ? model->impute[j] : value) - model->mean[j]) / model->scale[j];
        }
        x_[i * width_ + d] = 1;
      }
      return {};
    });
  }

  std::size_t width() const { return width_; }
  std::size_t rows() const { return n_; }

  /// c * sum of log losses + half the squared weights.
  Result<double> Loss(const std::vector<double>& w) const {
    std::vector<double> partial((n_ + kBlock - 1) / kBlock);
    MILL_RETURN_IF_ERROR(Run(n_, kBlock, [&](std::size_t begin, std::size_t end) -> Result<void> {
      double sum = 0;
      for (std::size_t i = begin; i < end; ++i) {
        const double z = Score(w, i);
        sum += labels_[i] != 0 ? Softplus(-z) : Softplus(z);
      }
      partial[begin / kBlock] = sum;
      return {};
    }));
    double loss = 0;
    for (const double sum : partial) {
      loss += c_ * sum;
    }
    for (std::size_t j = 0; j + 1 < width_; ++j) {
      loss += 0.5 * w[j] * w[j];
    }
    return loss;
  }

  /// Gradient and (lower triangle of the) Hessian of Loss.
  Result<void> Derivatives(const std::vector<double>& w, std::vector<double>* gradient,
                           std::vector<double>* hessian) const {
    const std::size_t size = width_ + width_ * width_;
    std::vector<std::vector<double>> partial((n_ + kBlock - 1) / kBlock);
    MILL_RETURN_IF_ERROR(Run(n_, kBlock, [&](std::size_t begin, std::size_t end) -> Result<void> {
      std::vector<double>& sums = partial[begin / kBlock];
      sums.assign(size, 0.0);
      for (std::size_t i = begin; i < end; ++i) {
        AddRow(w, i, &sums);
      }
      return {};
    }));
    gradient->assign(width_, 0.0);
    hessian->assign(width_ * width_, 0.0);
    for (const std::vector<double>& sums : partial) {
      for (std::size_t j = 0; j < width_; ++j) {
        (*gradient)[j] += c_ * sums[j];
      }
      for (std::size_t j = 0; j < width_ * width_; ++j) {
        (*hessian)[j] += c_ * sums[width_ + j];
      }
    }
    for (std::size_t j = 0; j + 1 < width_; ++j) {
      (*gradient)[j] += w[j];
      (*hessian)[j * width_ + j] += 1;
    }
    return {};
  }

 private:
  Result<void> Run(std::size_t n, std::size_t block,
                   const std::function<Result<void>(std::size_t, std::size_t)>& body) const {
    if (context_.cpu != nullptr) {
      return context_.cpu->ParallelFor(context_, n, block, body);
    }
    for (std::size_t begin = 0; begin < n; begin += block) {
      MILL_RETURN_IF_ERROR(context_.Check());
      MILL_RETURN_IF_ERROR(body(begin, std::min(n, begin + block)));
    }
    return {};
  }

  double Score(const std::vector<double>& w, std::size_t i) const {
    double z = 0;
    for (std::size_t j = 0; j < width_; ++j) {
      z += w[j] * x_[i * width_ + j];
    }
    return z;
  }

  void AddRow(const std::vector<double>& w, std::size_t i, std::vector<double>* sums) const {
    const double* x = x_.data() + i * width_;
    const double p = 1 / (1 + std::exp(-Score(w, i)));
    const double error = p - static_cast<double>(labels_[i]);
    const double curvature = p * (1 - p);
    double* gradient = sums->data();
    double* hessian = sums->data() + width_;
    for (std::size_t j = 0; j < width_; ++j) {
      gradient[j] += error * x[j];
      const double scaled = curvature * x[j];
      for (std::size_t k = 0; k <= j; ++k) {
        hessian[j * width_ + k] += scaled * x[k];
      }
    }
  }

  const Context& context_;
  std::span<const std::uint8_t> labels_;
  double c_;
  std::size_t n_ = 0;
  std::size_t width_ = 0;
  std::vector<double> x_;
};

/// Solves A x = b for a symmetric positive definite A (lower triangle, destroyed) by Cholesky;
/// false if it is not.
bool Solve(std::vector<double>& a, std::vector<double>& b) {
  const std::size_t n = b.size();
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      double sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) {
        sum -= a[i * n + k] * a[j * n + k];
      }
      if (i > j) {
        a[i * n + j] = sum / a[j * n + j];
      } else if (sum > 0) {
        a[j * n + j] = std::sqrt(sum);
      } else {
        return false;
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      b[i] -= a[i * n + k] * b[k];
    }
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) {
      b[i] -= a[k * n + i] * b[k];
    }
    b[i] /= a[i * n + i];
  }
  return true;
}

double MaxAbs(const std::vector<double>& values) {
  double most = 0;
  for (const double value : values) {
    most = std::max(most, std::abs(value));
  }
  return most;
}

struct Fit {
  std::vector<double> weights;
  std::vector<double> curve;
  bool converged = false;
  double gradient = 0;
};

/// One Newton step, halved until the loss does not rise. Returns false when no step lowers it any
/// more.
Result<bool> Step(const Problem& problem, std::vector<double> gradient, std::vector<double> hessian,
                  double* loss, std::vector<double>* weights) {
  std::vector<double> lower = hessian;
  std::vector<double> direction = gradient;
  // Saturated probabilities make the intercept's row vanish; a growing ridge keeps the matrix
  // positive definite.
  for (double ridge = 1e-10; !Solve(lower, direction); ridge *= 100) {
    if (ridge > 1e12) {
      return false;  // Not a number in the matrix: columns beyond what squares of doubles hold.
    }
    lower = hessian;
    direction = gradient;
    for (std::size_t j = 0; j < gradient.size(); ++j) {
      lower[j * gradient.size() + j] += ridge;
    }
  }
  double share = 1;
  for (int halvings = 0; halvings < 40; ++halvings, share /= 2) {
    std::vector<double> next = *weights;
    for (std::size_t j = 0; j < next.size(); ++j) {
      next[j] -= share * direction[j];
    }
    MILL_ASSIGN_OR_RETURN(const double next_loss, problem.Loss(next));
    if (next_loss < *loss) {
      *loss = next_loss;
      *weights = std::move(next);
      return true;
    }
  }
  return false;
}

Result<Fit> Newton(const Context& context, const Problem& problem, int max_iter, double tol) {
  Fit fit;
  fit.weights.assign(problem.width(), 0.0);
  internal::ProgressScope progress(context, "logistic_regression",
                                   static_cast<std::uint64_t>(max_iter));
  MILL_ASSIGN_OR_RETURN(double loss, problem.Loss(fit.weights));
  std::vector<double> gradient;
  std::vector<double> hessian;
  for (int i = 0;; ++i) {
    MILL_RETURN_IF_ERROR(context.Check());
    MILL_RETURN_IF_ERROR(problem.Derivatives(fit.weights, &gradient, &hessian));
    fit.gradient = MaxAbs(gradient) / static_cast<double>(problem.rows());
    if (fit.gradient <= tol) {
      fit.converged = true;
      return fit;
    }
    if (i == max_iter) {
      return fit;
    }
    MILL_ASSIGN_OR_RETURN(const bool moved, Step(problem, gradient, hessian, &loss, &fit.weights));
    if (!moved) {
      // The loss is at the floor of double precision: there is nothing left to gain.
      fit.converged = fit.gradient <= std::max(tol, 1e-6);
      return fit;
    }
    fit.curve.push_back(loss);
    progress.Advance(1);
  }
}

class LogisticRegressionLearner final : public Learner {
 public:
  LogisticRegressionLearner() : info_(MakeInfo()) {}
  const LearnerInfo& info() const override { return info_; }
  Result<Trained> Train(const Context& context, const TrainingData& data,
                        const Params& given) const override;

 private:
  LearnerInfo info_;
};

Result<Trained> LogisticRegressionLearner::Train(const Context& context, const TrainingData& data,
                                                 const Params& given) const {
  Trained trained;
  MILL_ASSIGN_OR_RETURN(trained.params, CheckParams(info_, given));
  MILL_ASSIGN_OR_RETURN(trained.notes, internal::CheckTrainingData(data));
  const std::size_t d = data.train.names.size();
  models::LogisticData model;
  model.feature_names = data.train.names;
  model.impute.resize(d);
  model.mean.resize(d);
  model.scale.resize(d);
  Problem problem(context, data, internal::Number(trained.params, "C"));
  MILL_RETURN_IF_ERROR(problem.Prepare(data.train, &model));
  MILL_ASSIGN_OR_RETURN(Fit fit,
                        Newton(context, problem, internal::Integer(trained.params, "max_iter"),
                               internal::Number(trained.params, "tol")));
  if (!fit.converged) {
    trained.notes.push_back("logistic regression stopped after " +
                            std::to_string(fit.curve.size()) + " steps with a gradient of " +
                            base::FormatDouble(fit.gradient) + " per row, above tol " +
                            base::FormatDouble(internal::Number(trained.params, "tol")) +
                            "; raise max_iter or lower C");
  }
  model.intercept = fit.weights.back();
  fit.weights.pop_back();
  model.weights = std::move(fit.weights);
  trained.best_iteration = static_cast<int>(fit.curve.size());
  trained.curve = std::move(fit.curve);
  trained.curve_metric = "objective";
  MILL_ASSIGN_OR_RETURN(trained.estimator, models::MakeLogisticRegression(std::move(model)));
  trained.gain = internal::Shares(trained.estimator->GainImportance());
  MILL_ASSIGN_OR_RETURN(trained.validation_auc, internal::ValidationAuc(*trained.estimator, data));
  return trained;
}

}  // namespace

std::unique_ptr<Learner> MakeLogisticRegressionLearner() {
  return std::make_unique<LogisticRegressionLearner>();
}

}  // namespace millrace::learners
