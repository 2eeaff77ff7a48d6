// SPDX-License-Identifier: Apache-2.0
// What a project's files say of the data and of the compiled features; needs an engine, unlike
// LoadProject.
#pragma once

#include <span>

#include "app/project.h"
#include "base/result.h"

namespace millrace::app {

/// Checks what names columns: label key and time in their source, features of baselines and columns
/// of monitors in the views of the training; and that no two views of a training give one name. The
/// error holds all mistakes.
Result<void> CheckAgainstData(const Project& project, data::SqlEngine& engine,
                              std::span<const features::ViewPlan> plans);

}  // namespace millrace::app
