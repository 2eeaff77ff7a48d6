// SPDX-License-Identifier: Apache-2.0
// The model card: what a person must know before using a version of a model (after Mitchell et al.
// 2019, Model Cards for Model Reporting). Plain data in, Markdown or one HTML page out.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "evaluation/group_evaluation.h"

namespace millrace::evaluation {

/// A name and what there is to say of it.
using CardFacts = std::vector<std::pair<std::string, std::string>>;

/// A table of a card: the first row are the headings.
struct CardTable {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

/// Everything on the card; empty parts are left out.
struct ModelCard {
  /// "churn, version 3".
  std::string title;
  /// What the model is for, for whom, and what it is not for.
  std::string intended_use;
  std::string description;
  /// Version, stage, aliases, run, source, times.
  CardFacts identity;
  /// Data sets with their content hashes.
  CardTable data;
  /// Names of the model's inputs, in order.
  std::vector<std::string> features;
  CardFacts parameters;
  CardFacts metrics;
  /// The test rows by group, one per column.
  std::vector<GroupTable> segments;
  /// By sensitive column, with its measures; empty where none was measured.
  std::vector<GroupTable> fairness;
  CardTable gates;
  CardTable approvals;
  /// One line per step: "table transactions -> features customer_activity".
  std::vector<std::string> lineage;
  /// What a reader should be warned of: no signature, no approvals, ...
  std::vector<std::string> warnings;
};

/// A picture of a card; Markdown refers to it by its file's name.
struct CardPicture {
  /// "segments", "fairness".
  std::string name;
  std::string title;
  std::string svg;
};

/// The pictures that the card's groups allow, in the order of the card.
std::vector<CardPicture> ModelCardPictures(const ModelCard& card);
/// @param picture_prefix  pictures are referred to as PREFIX + NAME + ".svg"; empty: not at all
std::string ModelCardMarkdown(const ModelCard& card, const std::string& picture_prefix = "");
/// A page of its own, without scripts and outside resources.
std::string ModelCardHtml(const ModelCard& card);

}  // namespace millrace::evaluation
