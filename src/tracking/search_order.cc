// SPDX-License-Identifier: Apache-2.0
// Parses and checks order_by lists.
#include <algorithm>
#include <optional>
#include <utility>

#include "tracking/internal/search_fields.h"
#include "tracking/internal/search_tokens.h"
#include "tracking/search.h"

namespace millrace::tracking {
namespace {

using base::InvalidArgument;
using internal::Node;
using internal::NodeKind;
using internal::TokenKind;

struct Written {
  std::string identifier;
  bool is_ascending = true;
};

// `identifier [ASC|DESC]`; the identifier keeps its quotes.
Result<Written> Split(const std::string& text) {
  const auto could_not = [&] {
    return InvalidArgument("Invalid order_by clause '" + text + "'. Could not be parsed.");
  };
  const std::vector<internal::Token> tokens = internal::Tokenize(text);
  if (tokens.empty() || tokens.size() > 1000 || tokens.front().kind == TokenKind::kBlank ||
      tokens.back().kind == TokenKind::kBlank) {
    return could_not();
  }
  const std::vector<Node> nodes = internal::GroupNodes(text, tokens);
  const bool is_timestamp = nodes[0].kind == NodeKind::kBuiltin &&
                            internal::EqualsIgnoringCase(nodes[0].text, "timestamp");
  if ((nodes[0].kind != NodeKind::kIdentifier && !is_timestamp) || nodes.size() > 2) {
    return could_not();
  }
  Written written{is_timestamp ? "timestamp" : std::string(nodes[0].text), true};
  if (nodes.size() == 1) {
    return written;
  }
  if (nodes[1].kind == NodeKind::kIdentifier && !is_timestamp) {
    return InvalidArgument("Invalid ordering key in order_by clause '" + text + "'.");
  }
  // MLflow's parser takes what follows its keyword for a part of no clause.
  if (nodes[1].kind != NodeKind::kOrder || nodes[1].text.size() > 4) {
    return could_not();
  }
  written.is_ascending = internal::EqualsIgnoringCase(nodes[1].text, "ASC");
  return written;
}

Result<Field> ReadRegisteredModelField(const internal::FieldRules& rules,
                                       const std::string& identifier) {
  if (std::find(rules.order_attributes.begin(), rules.order_attributes.end(), identifier) ==
      rules.order_attributes.end()) {
    return InvalidArgument("Invalid order by key '" + identifier +
                           "' specified. Valid keys are '{'name', 'timestamp'}'");
  }
  return Field{FieldKind::kAttribute, identifier};
}

// MLflow looks at the key alone: `tags.name` orders model versions by their name.
Result<Field> ReadVersionField(const internal::FieldRules& rules, const std::string& identifier) {
  MILL_ASSIGN_OR_RETURN(Field field, rules.ReadOrderField(identifier));
  if (std::find(rules.order_attributes.begin(), rules.order_attributes.end(), field.key) ==
      rules.order_attributes.end()) {
    return InvalidArgument("Invalid order by key '" + field.key + "' specified. Valid keys are " +
                           internal::PythonSet(rules.order_attributes));
  }
  field.kind = FieldKind::kAttribute;
  return field;
}

Result<Field> ReadField(const internal::FieldRules& rules, const std::string& identifier) {
  switch (rules.target) {
    case SearchTarget::kRegisteredModels:
      return ReadRegisteredModelField(rules, identifier);
    case SearchTarget::kModelVersions:
      return ReadVersionField(rules, identifier);
    default:
      return rules.ReadOrderField(identifier);
  }
}

// Which entities things may be ordered by.
Result<void> CheckKind(SearchTarget target, const Field& field) {
  const std::string entity(internal::EntityName(field.kind));
  switch (target) {
    case SearchTarget::kRuns:
      return field.kind == FieldKind::kDataset
                 ? InvalidArgument("Invalid identifier type '" + entity + "'")
                 : Result<void>();
    case SearchTarget::kTraces: {
      const bool is_valid = field.kind == FieldKind::kAttribute || field.kind == FieldKind::kTag ||
                            field.kind == FieldKind::kMetadata;
      return is_valid ? Result<void>()
                      : InvalidArgument("Invalid identifier type '" + entity + "'");
    }
    default:
      return field.kind == FieldKind::kAttribute
                 ? Result<void>()
                 : InvalidArgument("Invalid order_by entity: " + entity);
  }
}

std::string PythonList(const std::vector<std::string>& texts) {
  std::string list = "[";
  for (const std::string& text : texts) {
    list += (list.size() == 1 ? "" : ", ") + internal::PythonText(text);
  }
  return list + "]";
}

}  // namespace

Result<std::vector<OrderTerm>> ParseOrderBy(const std::vector<std::string>& order_by,
                                            SearchTarget target) {
  const internal::FieldRules& rules = internal::RulesOf(target);
  std::vector<OrderTerm> terms;
  for (const std::string& text : order_by) {
    MILL_ASSIGN_OR_RETURN(const Written written, Split(text));
    MILL_ASSIGN_OR_RETURN(Field field, ReadField(rules, written.identifier));
    internal::Canonicalise(rules, field);
    MILL_RETURN_IF_ERROR(CheckKind(target, field));
    const bool is_known = std::any_of(terms.begin(), terms.end(),
                                      [&](const OrderTerm& term) { return term.field == field; });
    // MLflow lets experiments and evaluation datasets repeat a field, without an effect.
    if (is_known && target != SearchTarget::kExperiments &&
        target != SearchTarget::kEvaluationDatasets) {
      return InvalidArgument("`order_by` contains duplicate fields: " + PythonList(order_by));
    }
    terms.push_back({.field = std::move(field), .is_ascending = written.is_ascending});
  }
  return terms;
}

Result<OrderTerm> ParseLoggedModelOrder(std::string_view field_name, bool is_ascending,
                                        std::string dataset_name, std::string dataset_digest) {
  const internal::FieldRules& rules = internal::RulesOf(SearchTarget::kLoggedModels);
  OrderTerm term{.field = {},
                 .is_ascending = is_ascending,
                 .dataset_name = std::move(dataset_name),
                 .dataset_digest = std::move(dataset_digest)};
  const std::size_t dot = field_name.find('.');
  if (dot != std::string_view::npos) {
    if (field_name.substr(0, dot) != "metrics") {
      return InvalidArgument("Invalid order by field name: " + std::string(field_name) +
                             ". Only metrics are supported.");
    }
    term.field = {FieldKind::kMetric, std::string(field_name.substr(dot + 1))};
    return term;
  }
  const auto& valid = rules.order_attributes;
  if (std::find(valid.begin(), valid.end(), field_name) == valid.end()) {
    return InvalidArgument("Invalid order by field name: " + std::string(field_name) + ".");
  }
  term.field = {FieldKind::kAttribute, std::string(field_name)};
  internal::Canonicalise(rules, term.field);
  return term;
}

}  // namespace millrace::tracking
