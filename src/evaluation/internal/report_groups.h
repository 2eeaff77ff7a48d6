// SPDX-License-Identifier: Apache-2.0
// Groups of rows for people: tables and pictures, the same on report and model card.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluation/group_evaluation.h"
#include "evaluation/model_card.h"
#include "plots/figure.h"

namespace millrace::evaluation::internal {

/// What a page says before the tables.
std::string SegmentIntro();
std::string FairnessIntro(std::span<const GroupTable> tables);

/// HTML of one column's groups: picture and table.
std::string SegmentHtml(const GroupTable& table);
std::string FairnessHtml(const GroupTable& table);

/// The same as plain tables; the second is that of the measures.
CardTable SegmentText(const GroupTable& table);
CardTable FairnessGroupText(const GroupTable& table);
CardTable FairnessMeasureText(const GroupTable& table);

/// One panel per column with the groups that are judged; empty where there are none.
std::optional<plots::Figure> SegmentFigure(std::span<const GroupTable> tables);
std::optional<plots::Figure> FairnessFigure(std::span<const GroupTable> tables);

}  // namespace millrace::evaluation::internal
