// SPDX-License-Identifier: Apache-2.0
// Checks filters for each kind of thing: entities, keys, comparators and values, with MLflow's
// messages.
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

#include "tracking/internal/search_fields.h"
#include "tracking/internal/search_regex.h"
#include "tracking/internal/search_tokens.h"
#include "tracking/search.h"

namespace millrace::tracking {
namespace {

using base::InvalidArgument;
using internal::FieldRules;
using internal::Node;
using internal::NodeKind;
using internal::Phrase;
using internal::PythonSet;
using internal::StripQuotes;
using Value = decltype(Clause::value);

constexpr std::size_t kMaxTokens = 10'000;

bool IsQuotable(const Node& node) {
  return node.kind == NodeKind::kString || node.kind == NodeKind::kIdentifier;
}
bool IsNumber(const Node& node) {
  return node.kind == NodeKind::kInteger || node.kind == NodeKind::kFloat;
}

std::string Text(std::string_view view) {
  return std::string(view);
}

// The text between quotes.
Result<Value> QuotedText(std::string_view value) {
  const std::string_view stripped = StripQuotes(value);
  if (stripped.size() == value.size()) {
    return InvalidArgument(
        "Parameter value is either not quoted or unidentified quote types used for string value " +
        Text(value) + ". Use either single or double quotes.");
  }
  return Value(Text(stripped));
}

Value Number(const Node& node) {
  const char* end = node.text.data() + node.text.size();
  std::int64_t whole = 0;
  if (node.kind == NodeKind::kInteger &&
      std::from_chars(node.text.data(), end, whole).ec == std::errc()) {
    return whole;
  }
  double number = 0;
  if (std::from_chars(node.text.data(), end, number).ec == std::errc::result_out_of_range) {
    // Python reads 1e999 as infinity and 1e-999 as 0.
    const std::size_t exponent = node.text.find_first_of("eE");
    const bool is_tiny = exponent != std::string_view::npos && exponent + 1 < node.text.size() &&
                         node.text[exponent + 1] == '-';
    number = is_tiny ? 0.0 : (node.text[0] == '-' ? -HUGE_VAL : HUGE_VAL);
  }
  return number;
}

// One text of a list, in either quotes with a backslash as escape; advances `at` behind it.
std::optional<std::string> ListText(std::string_view list, std::size_t& at) {
  const char quote = list[at];
  std::string text;
  for (++at; at < list.size(); ++at) {
    if (list[at] == quote) {
      ++at;
      return text;
    }
    if (list[at] == '\\' && at + 1 < list.size()) {
      ++at;
      if (list[at] != '\\' && list[at] != '\'' && list[at] != '"') {
        text += '\\';
      }
    }
    text += list[at];
  }
  return std::nullopt;
}

// "('a', 'b')": texts only, at least one.
Result<Value> ListOfTexts(std::string_view list) {
  const auto ill_formed = [] {
    return InvalidArgument(
        "While parsing a list in the query, expected a non-empty list of string values, but got "
        "ill-formed list.");
  };
  std::vector<std::string> texts;
  bool wants_comma = false;
  bool has_other = false;
  for (std::size_t at = 1; at + 1 < list.size();) {
    const char c = list[at];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at;
    } else if (c == ',') {
      if (!wants_comma) {
        return ill_formed();
      }
      wants_comma = false;
      ++at;
    } else if (c == '\'' || c == '"') {
      const std::optional<std::string> text = ListText(list, at);
      if (!text.has_value()) {
        return ill_formed();
      }
      // Neighbours without a comma are one text, as in Python.
      if (wants_comma) {
        texts.back() += *text;
      } else {
        texts.push_back(*text);
      }
      wants_comma = true;
    } else if (!wants_comma && ((c >= '0' && c <= '9') || c == '-' || c == '.')) {
      has_other = true;
      wants_comma = true;
      texts.emplace_back();
      while (at + 1 < list.size() && list[at] != ',' && list[at] != ' ') {
        ++at;
      }
    } else {
      return ill_formed();
    }
  }
  if (has_other) {
    return InvalidArgument(
        "While parsing a list in the query, expected string value, punctuation, or whitespace, but "
        "got different type in list: " +
        (list.find(',') == std::string_view::npos ? Text(list.substr(0, list.size() - 1)) + ",)"
                                                  : Text(list)));
  }
  if (texts.empty()) {
    return InvalidArgument(
        "While parsing a list in the query, expected a non-empty list of string values, but got "
        "empty list");
  }
  return Value(std::move(texts));
}

Error ExpectedQuoted(std::string_view what, const Node& node) {
  return InvalidArgument("Expected a quoted string value for " + Text(what) +
                         " (e.g. 'my-value'). Got value " + Text(node.text));
}

// An attribute's value where numbers and texts are both let through at first.
Result<Value> LooseAttributeValue(const FieldRules& rules, std::string_view key, const Node& node) {
  if (IsQuotable(node)) {
    return QuotedText(node.text);
  }
  if (node.kind == NodeKind::kParenthesis) {
    MILL_RETURN_IF_ERROR(rules.CheckListKey(key));
    return ListOfTexts(node.text);
  }
  if (rules.allows_numbers && IsNumber(node)) {
    if (!rules.IsNumeric(key)) {
      return InvalidArgument("Only the '" + PythonSet(rules.numeric) +
                             "' attributes support comparison with numeric values.");
    }
    return Number(node);
  }
  return InvalidArgument(
      "Expected a quoted string value or a list of quoted string values for attributes. Got "
      "value " +
      Text(node.text));
}

Result<Value> AttributeValue(const FieldRules& rules, std::string_view key, const Node& node) {
  if (rules.is_loose) {
    return LooseAttributeValue(rules, key, node);
  }
  if (rules.IsNumeric(key)) {
    if (!IsNumber(node)) {
      return InvalidArgument("Expected numeric value type for numeric attribute: " + Text(key) +
                             ". Found " + Text(node.text));
    }
    return Number(node);
  }
  if (IsQuotable(node)) {
    return QuotedText(node.text);
  }
  if (node.kind == NodeKind::kParenthesis) {
    MILL_RETURN_IF_ERROR(rules.CheckListKey(key));
    return ListOfTexts(node.text);
  }
  return InvalidArgument("Expected a quoted string value for attributes. Got value " +
                         Text(node.text));
}

Result<Value> AssessmentValue(std::string_view entity, std::string_view comparator,
                              const Node& node) {
  const bool is_numeric =
      comparator == "<" || comparator == "<=" || comparator == ">" || comparator == ">=";
  if (is_numeric) {
    if (!IsNumber(node)) {
      return InvalidArgument("Expected a numeric value for " + Text(entity) +
                             " when using comparator '" + Text(comparator) + "'. Got value " +
                             Text(node.text));
    }
    return Number(node);
  }
  if (!IsQuotable(node)) {
    return ExpectedQuoted(entity, node);
  }
  return QuotedText(node.text);
}

Result<Value> ReadValue(const FieldRules& rules, const Field& field, std::string_view comparator,
                        const Node& node) {
  switch (field.kind) {
    case FieldKind::kMetric:
      if (!IsNumber(node)) {
        return InvalidArgument("Expected numeric value type for metric. Found " + Text(node.text));
      }
      return Number(node);
    case FieldKind::kParam:
    case FieldKind::kTag:
    case FieldKind::kMetadata:
    case FieldKind::kSpan:
    case FieldKind::kIssue: {
      const bool takes_list = rules.target == SearchTarget::kTraces &&
                              (field.kind == FieldKind::kTag || field.kind == FieldKind::kSpan);
      if (takes_list && node.kind == NodeKind::kParenthesis) {
        return ListOfTexts(node.text);
      }
      if (!IsQuotable(node)) {
        return ExpectedQuoted(internal::EntityName(field.kind), node);
      }
      return QuotedText(node.text);
    }
    case FieldKind::kDataset:
      if (node.kind == NodeKind::kParenthesis) {
        return ListOfTexts(node.text);
      }
      if (!IsQuotable(node)) {
        return InvalidArgument("Expected a quoted string value for dataset attributes. Got value " +
                               Text(node.text));
      }
      return QuotedText(node.text);
    case FieldKind::kFeedback:
    case FieldKind::kExpectation:
      return AssessmentValue(internal::EntityName(field.kind), comparator, node);
    case FieldKind::kAttribute:
      break;
  }
  return AttributeValue(rules, field.key, node);
}

// Logged models and issues take any word for a text, quoted or not.
Result<Value> LoggedModelValue(const FieldRules& rules, const Field& field, const Node& node) {
  if (field.kind == FieldKind::kMetric || rules.IsNumeric(field.key)) {
    if (!IsNumber(node)) {
      return InvalidArgument("Expected numeric value type for metric. Found " + Text(node.text));
    }
    return Number(node);
  }
  if (node.kind == NodeKind::kParenthesis) {
    return ListOfTexts(node.text);
  }
  return Value(Text(StripQuotes(node.text)));
}

// A list needs IN, and IN a list, wherever MLflow's own message has not come first.
Result<void> CheckShape(const Clause& clause, std::string_view comparator, const Field& field) {
  const bool is_list = std::holds_alternative<std::vector<std::string>>(clause.value);
  const bool wants_list =
      clause.comparator == Comparator::kIn || clause.comparator == Comparator::kNotIn;
  if (is_list != wants_list) {
    return InvalidArgument("Invalid comparator '" + Text(comparator) + "' for the value of '" +
                           field.key +
                           "': a list goes with IN and NOT IN, a single value does not");
  }
  const auto* text = std::get_if<std::string>(&clause.value);
  if (clause.comparator == Comparator::kRLike &&
      (text == nullptr || !internal::SearchRegex(*text).is_valid())) {
    return InvalidArgument("Invalid regular expression in RLIKE: '" +
                           (text == nullptr ? std::string() : *text) + "'");
  }
  return {};
}

// Versions and ids that came as texts become the numbers or texts that the field has.
Result<void> ConvertNumericText(const FieldRules& rules, Clause& clause) {
  const bool is_id = rules.target == SearchTarget::kExperiments &&
                     clause.field.kind == FieldKind::kAttribute &&
                     clause.field.key == "experiment_id";
  const auto invalid_id = [](const std::string& text) {
    return InvalidArgument("Invalid experiment ID '" + text +
                           "'. Experiment ID must be a valid integer.");
  };
  if (is_id) {
    std::vector<std::string> ids;
    if (const auto* list = std::get_if<std::vector<std::string>>(&clause.value)) {
      ids = *list;
    } else if (const auto* id = std::get_if<std::string>(&clause.value)) {
      ids.push_back(*id);
    }
    for (const std::string& id : ids) {
      if (!internal::ParseWhole(id).has_value()) {
        return invalid_id(id);
      }
    }
    return {};
  }
  if (clause.field.kind != FieldKind::kAttribute || !rules.IsNumeric(clause.field.key)) {
    return {};
  }
  if (rules.target == SearchTarget::kTraces) {
    const auto* text = std::get_if<std::string>(&clause.value);
    if (const auto whole = text == nullptr ? std::nullopt : internal::ParseWhole(*text)) {
      clause.value = *whole;
    }
    return {};
  }
  if (!rules.wants_whole_numbers) {
    return {};
  }
  const auto invalid = [&](const std::string& text) {
    return InvalidArgument("Invalid value for numeric attribute '" + clause.field.key +
                           "': " + text);
  };
  if (const auto* number = std::get_if<double>(&clause.value)) {
    const std::string text = internal::PythonFloat(*number);
    return invalid(rules.target == SearchTarget::kModelVersions ? text : "'" + text + "'");
  }
  if (const auto* text = std::get_if<std::string>(&clause.value)) {
    const std::optional<std::int64_t> whole = internal::ParseWhole(*text);
    if (!whole.has_value()) {
      return invalid("'" + *text + "'");
    }
    clause.value = *whole;
  }
  return {};
}

Result<Clause> ReadClause(const FieldRules& rules, const Phrase& phrase) {
  if (phrase.left.kind != NodeKind::kIdentifier && phrase.left.kind != NodeKind::kBuiltin) {
    return InvalidArgument("Invalid comparison clause. Expected 'Identifier' found '" +
                           Text(phrase.left.text) + "'");
  }
  MILL_ASSIGN_OR_RETURN(Field field, rules.ReadField(phrase.left.text));
  const std::string comparator = internal::UpperCase(phrase.comparator);
  Clause clause{std::move(field), {}, {}};
  const bool is_null_test = comparator == "IS NULL" || comparator == "IS NOT NULL";
  if (is_null_test && rules.target == SearchTarget::kLoggedModels) {
    return InvalidArgument("Invalid comparison: " + Text(phrase.node.text) +
                           ". Expected a comparison with 3 tokens.");
  }
  if (is_null_test) {
    MILL_RETURN_IF_ERROR(rules.CheckNullTest(clause.field));
  } else if (rules.target == SearchTarget::kLoggedModels || rules.target == SearchTarget::kIssues) {
    MILL_RETURN_IF_ERROR(rules.CheckComparator(clause.field, comparator));
    MILL_ASSIGN_OR_RETURN(clause.value, LoggedModelValue(rules, clause.field, phrase.right));
  } else {
    MILL_ASSIGN_OR_RETURN(clause.value, ReadValue(rules, clause.field, comparator, phrase.right));
  }
  internal::Canonicalise(rules, clause.field);
  MILL_RETURN_IF_ERROR(rules.CheckComparator(clause.field, comparator));
  clause.comparator = *internal::ParseComparator(comparator);
  MILL_RETURN_IF_ERROR(ConvertNumericText(rules, clause));
  MILL_RETURN_IF_ERROR(CheckShape(clause, comparator, clause.field));
  return clause;
}

// More than one statement: something other than blanks behind a ";".
bool HasSecondStatement(const std::vector<internal::Token>& tokens) {
  bool is_over = false;
  int depth = 0;
  for (const internal::Token& token : tokens) {
    if (is_over && token.kind != internal::TokenKind::kBlank) {
      return true;
    }
    depth += token.kind == internal::TokenKind::kOpen ? 1 : 0;
    depth -= token.kind == internal::TokenKind::kClose ? 1 : 0;
    is_over = is_over || (token.kind == internal::TokenKind::kSemicolon && depth <= 0);
  }
  return false;
}

Result<void> CheckPhrases(const FieldRules& rules, const std::vector<Phrase>& phrases,
                          std::string_view filter) {
  std::string invalid;
  for (const Phrase& phrase : phrases) {
    const bool is_and = phrase.node.kind == NodeKind::kKeyword &&
                        internal::EqualsIgnoringCase(phrase.node.text, "AND");
    if (phrase.node.kind != NodeKind::kComparison && !is_and) {
      if (rules.target == SearchTarget::kLoggedModels) {
        return InvalidArgument(
            "Invalid filter string: " + internal::PythonText(filter) +
            ". Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > 0.1 AND "
            "params.lr = 0.01').");
      }
      const std::string quote = rules.quotes_invalid_clauses ? "'" : "";
      invalid += (invalid.empty() ? "" : ", ") + quote + Text(phrase.node.text) + quote;
    }
  }
  if (!invalid.empty()) {
    return InvalidArgument("Invalid clause(s) in filter string: " + invalid);
  }
  return {};
}

}  // namespace

Result<std::vector<Clause>> ParseFilter(std::string_view filter, SearchTarget target) {
  std::vector<Clause> clauses;
  if (filter.empty()) {
    return clauses;
  }
  const FieldRules& rules = internal::RulesOf(target);
  const std::vector<internal::Token> tokens = internal::Tokenize(filter);
  // sqlparse gives up there too.
  if (tokens.size() > kMaxTokens) {
    return InvalidArgument("Error on parsing filter '" + Text(filter.substr(0, 200)) +
                           "...': " + std::to_string(tokens.size()) + " words, at most " +
                           std::to_string(kMaxTokens) + " are allowed");
  }
  const bool is_blank = tokens.size() == 1 && tokens[0].kind == internal::TokenKind::kBlank;
  if (is_blank || HasSecondStatement(tokens)) {
    if (target == SearchTarget::kLoggedModels) {
      return InvalidArgument("Invalid filter string: " + internal::PythonText(filter) +
                             ". Expected a single SQL expression.");
    }
    return InvalidArgument(is_blank ? "Invalid filter '" + Text(filter) + "'. Could not be parsed."
                                    : "Search filter contained multiple expression " +
                                          internal::PythonText(filter) +
                                          ". Provide AND-ed expression list.");
  }
  const std::vector<Phrase> phrases = internal::GroupPhrases(
      filter, internal::GroupNodes(filter, tokens), target == SearchTarget::kTraces);
  MILL_RETURN_IF_ERROR(CheckPhrases(rules, phrases, filter));
  for (const Phrase& phrase : phrases) {
    if (phrase.node.kind == NodeKind::kComparison) {
      MILL_ASSIGN_OR_RETURN(Clause clause, ReadClause(rules, phrase));
      clauses.push_back(std::move(clause));
    }
  }
  return clauses;
}

}  // namespace millrace::tracking
