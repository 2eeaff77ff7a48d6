// SPDX-License-Identifier: Apache-2.0
// The parser of GraphQL documents (specification of October 2021, section 2).
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "api/internal/graphql.h"
#include "base/json.h"

namespace millrace::api::internal {

namespace {

using nlohmann::json;

// MLflow's limits (mlflow/server/graphql/graphql_no_batching.py).
constexpr int kMaxDepth = 10;
constexpr int kMaxSelections = 1000;
constexpr int kMaxRootFields = 10;
constexpr int kMaxAliases = 10;
// Of values within values and selections within selections, while parsing.
constexpr int kMaxNesting = 64;

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// A selection as written: variables and fragments are not filled in yet.
struct RawSelection {
  enum class Kind { kField, kSpread, kInline };
  Kind kind = Kind::kField;
  std::string name;
  std::string key;
  // Values; {"$": name} stands for a variable, which no literal can look like.
  json arguments = json::object();
  std::vector<RawSelection> selections = {};
};

struct RawOperation {
  std::string kind = "query";
  std::string name;
  std::map<std::string, json> defaults;
  std::vector<RawSelection> selections;
};

struct RawDocument {
  std::vector<RawOperation> operations;
  std::map<std::string, std::vector<RawSelection>> fragments;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<RawDocument> Parse() {
    RawDocument document;
    SkipBlanks();
    while (at_ < text_.size()) {
      if (Peek() == '{') {
        RawOperation operation;
        MILL_RETURN_IF_ERROR(ParseSelections(operation.selections, 0));
        document.operations.push_back(std::move(operation));
        continue;
      }
      MILL_ASSIGN_OR_RETURN(const std::string word, Name());
      if (word == "fragment") {
        MILL_RETURN_IF_ERROR(ParseFragment(document));
      } else if (word == "query" || word == "mutation") {
        MILL_RETURN_IF_ERROR(ParseOperation(word, document));
      } else {
        return Bad("Unexpected Name \"" + word + "\".");
      }
    }
    if (document.operations.empty()) {
      return Bad("Unexpected <EOF>.");
    }
    return document;
  }

 private:
  Error Bad(const std::string& what) const {
    return base::InvalidArgument("Syntax Error: " + what + " (at byte " + std::to_string(at_) +
                                 ")");
  }

  // Blanks, commas, a byte order mark and comments mean nothing.
  void SkipBlanks() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',') {
        ++at_;
      } else if (text_.substr(at_).starts_with("\xEF\xBB\xBF")) {
        at_ += 3;
      } else {
        return;
      }
    }
  }

  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool Take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) {
      return false;
    }
    at_ += token.size();
    SkipBlanks();
    return true;
  }

  Result<void> Want(std::string_view token) {
    if (!Take(token)) {
      const std::string seen = at_ < text_.size() ? "\"" + std::string(1, Peek()) + "\"" : "<EOF>";
      return Bad("Expected \"" + std::string(token) + "\", found " + seen + ".");
    }
    return {};
  }

  Result<std::string> Name() {
    const std::size_t begin = at_;
    if (!IsNameStart(Peek())) {
      return Bad("Expected Name.");
    }
    while (IsNameStart(Peek()) || IsDigit(Peek())) {
      ++at_;
    }
    std::string name(text_.substr(begin, at_ - begin));
    SkipBlanks();
    return name;
  }

  Result<void> ParseFragment(RawDocument& document) {
    MILL_ASSIGN_OR_RETURN(const std::string name, Name());
    MILL_ASSIGN_OR_RETURN(const std::string on, Name());
    if (on != "on") {
      return Bad("Expected \"on\", found Name \"" + on + "\".");
    }
    MILL_ASSIGN_OR_RETURN(const std::string type, Name());
    MILL_RETURN_IF_ERROR(SkipDirectives());
    return ParseSelections(document.fragments[name], 0);
  }

  Result<void> ParseOperation(const std::string& kind, RawDocument& document) {
    RawOperation operation;
    operation.kind = kind;
    if (IsNameStart(Peek())) {
      MILL_ASSIGN_OR_RETURN(operation.name, Name());
    }
    if (Take("(")) {
      while (!Take(")")) {
        MILL_RETURN_IF_ERROR(Want("$"));
        MILL_ASSIGN_OR_RETURN(const std::string name, Name());
        MILL_RETURN_IF_ERROR(Want(":"));
        MILL_RETURN_IF_ERROR(SkipType(0));
        if (Take("=")) {
          MILL_ASSIGN_OR_RETURN(operation.defaults[name], Value(0));
        }
        MILL_RETURN_IF_ERROR(SkipDirectives());
      }
    }
    MILL_RETURN_IF_ERROR(SkipDirectives());
    MILL_RETURN_IF_ERROR(ParseSelections(operation.selections, 0));
    document.operations.push_back(std::move(operation));
    return {};
  }

  // The types of variables are not needed: the request behind each field checks its values.
  Result<void> SkipType(int depth) {
    if (depth > kMaxNesting) {
      return Bad("nested too deeply");
    }
    if (Take("[")) {
      MILL_RETURN_IF_ERROR(SkipType(depth + 1));
      MILL_RETURN_IF_ERROR(Want("]"));
    } else {
      MILL_RETURN_IF_ERROR(Name());
    }
    Take("!");
    return {};
  }

  Result<void> SkipDirectives() {
    while (Take("@")) {
      MILL_RETURN_IF_ERROR(Name());
      json ignored = json::object();
      MILL_RETURN_IF_ERROR(ParseArguments(ignored));
    }
    return {};
  }

  Result<void> ParseArguments(json& arguments) {
    if (!Take("(")) {
      return {};
    }
    while (!Take(")")) {
      MILL_ASSIGN_OR_RETURN(const std::string name, Name());
      MILL_RETURN_IF_ERROR(Want(":"));
      MILL_ASSIGN_OR_RETURN(arguments[name], Value(0));
    }
    return {};
  }

  Result<void> ParseSelections(std::vector<RawSelection>& into, int depth) {
    if (depth > kMaxNesting) {
      return base::InvalidArgument("Query exceeds maximum depth of " + std::to_string(kMaxDepth));
    }
    MILL_RETURN_IF_ERROR(Want("{"));
    while (!Take("}")) {
      MILL_ASSIGN_OR_RETURN(RawSelection selection, ParseSelection(depth));
      into.push_back(std::move(selection));
    }
    return into.empty() ? Result<void>(Bad("Expected Name, found \"}\".")) : Result<void>();
  }

  Result<RawSelection> ParseSelection(int depth) {
    RawSelection selection;
    if (Take("...")) {
      selection.kind = RawSelection::Kind::kInline;
      if (IsNameStart(Peek())) {
        MILL_ASSIGN_OR_RETURN(selection.name, Name());
        if (selection.name != "on") {
          selection.kind = RawSelection::Kind::kSpread;
          MILL_RETURN_IF_ERROR(SkipDirectives());
          return selection;
        }
        MILL_RETURN_IF_ERROR(Name());
      }
      MILL_RETURN_IF_ERROR(SkipDirectives());
      MILL_RETURN_IF_ERROR(ParseSelections(selection.selections, depth + 1));
      return selection;
    }
    MILL_ASSIGN_OR_RETURN(selection.name, Name());
    selection.key = selection.name;
    if (Take(":")) {
      MILL_ASSIGN_OR_RETURN(selection.name, Name());
    }
    MILL_RETURN_IF_ERROR(ParseArguments(selection.arguments));
    MILL_RETURN_IF_ERROR(SkipDirectives());
    if (Peek() == '{') {
      MILL_RETURN_IF_ERROR(ParseSelections(selection.selections, depth + 1));
    }
    return selection;
  }

  Result<json> Value(int depth) {
    if (depth > kMaxNesting) {
      return Bad("nested too deeply");
    }
    const char c = Peek();
    if (Take("$")) {
      MILL_ASSIGN_OR_RETURN(const std::string name, Name());
      return json{{"$", name}};
    }
    if (Take("[")) {
      json list = json::array();
      while (!Take("]")) {
        MILL_ASSIGN_OR_RETURN(json item, Value(depth + 1));
        list.push_back(std::move(item));
      }
      return list;
    }
    if (Take("{")) {
      json object = json::object();
      while (!Take("}")) {
        MILL_ASSIGN_OR_RETURN(const std::string name, Name());
        MILL_RETURN_IF_ERROR(Want(":"));
        MILL_ASSIGN_OR_RETURN(object[name], Value(depth + 1));
      }
      return object;
    }
    if (c == '"') {
      return Text();
    }
    if (c == '-' || IsDigit(c)) {
      return Number();
    }
    MILL_ASSIGN_OR_RETURN(const std::string word, Name());
    if (word == "true" || word == "false") {
      return json(word == "true");
    }
    return word == "null" ? json() : json(word);
  }

  Result<json> Number() {
    const std::size_t begin = at_;
    while (IsDigit(Peek()) || std::string_view("+-.eE").find(Peek()) < 5) {
      ++at_;
    }
    const std::string_view token = text_.substr(begin, at_ - begin);
    SkipBlanks();
    std::int64_t whole = 0;
    const char* const end = token.data() + token.size();
    if (const auto read = std::from_chars(token.data(), end, whole);
        read.ec == std::errc() && read.ptr == end) {
      return json(whole);
    }
    double value = 0;
    if (const auto read = std::from_chars(token.data(), end, value);
        read.ec == std::errc() && read.ptr == end) {
      return json(value);
    }
    return Bad("Invalid number.");
  }

  // The escapes of a GraphQL string are those of JSON.
  Result<json> Text() {
    if (text_.substr(at_).starts_with("\"\"\"")) {
      const std::size_t end = text_.find("\"\"\"", at_ + 3);
      if (end == std::string_view::npos) {
        return Bad("Unterminated string.");
      }
      json text(std::string(text_.substr(at_ + 3, end - at_ - 3)));
      at_ = end + 3;
      SkipBlanks();
      return text;
    }
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != '"' && text_[end] != '\n') {
      end += text_[end] == '\\' ? 2 : 1;
    }
    if (end >= text_.size() || text_[end] != '"') {
      return Bad("Unterminated string.");
    }
    Result<json> text = base::ParseJson(text_.substr(at_, end + 1 - at_), "string");
    if (!text.ok()) {
      return Bad("Invalid string.");
    }
    at_ = end + 1;
    SkipBlanks();
    return text;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// Fills in variables and fragments, and counts.
class Resolver {
 public:
  Resolver(const RawDocument& document, const RawOperation& operation, const json& variables)
      : document_(document), operation_(operation), variables_(variables) {}

  Result<std::vector<Selection>> Run() {
    std::vector<Selection> selections;
    MILL_RETURN_IF_ERROR(Fill(operation_.selections, 1, selections));
    return selections;
  }

 private:
  Result<void> Fill(const std::vector<RawSelection>& raw, int depth, std::vector<Selection>& into) {
    if (depth > kMaxDepth) {
      return base::InvalidArgument("Query exceeds maximum depth of " + std::to_string(kMaxDepth));
    }
    int n_aliases = 0;
    MILL_RETURN_IF_ERROR(Merge(raw, depth, n_aliases, into));
    if (depth == 1 && static_cast<int>(into.size()) > kMaxRootFields) {
      return TooMany("root fields", "MAX_ROOT_FIELDS", kMaxRootFields,
                     static_cast<int>(into.size()));
    }
    if (n_aliases > kMaxAliases) {
      return TooMany("aliases", "MAX_ALIASES", kMaxAliases, n_aliases);
    }
    return {};
  }

  // Fragments count as if their fields stood here.
  Result<void> Merge(const std::vector<RawSelection>& raw, int depth, int& n_aliases,
                     std::vector<Selection>& into) {
    for (const RawSelection& each : raw) {
      if (each.kind == RawSelection::Kind::kInline) {
        MILL_RETURN_IF_ERROR(Merge(each.selections, depth, n_aliases, into));
        continue;
      }
      if (each.kind == RawSelection::Kind::kSpread) {
        const auto fragment = document_.fragments.find(each.name);
        if (fragment == document_.fragments.end()) {
          return base::InvalidArgument("Unknown fragment '" + each.name + "'.");
        }
        if (!open_fragments_.insert(each.name).second) {
          return base::InvalidArgument("Cannot spread fragment '" + each.name + "' within itself.");
        }
        MILL_RETURN_IF_ERROR(Merge(fragment->second, depth, n_aliases, into));
        open_fragments_.erase(each.name);
        continue;
      }
      if (++n_selections_ > kMaxSelections) {
        return base::InvalidArgument("Query exceeds maximum total selections of " +
                                     std::to_string(kMaxSelections));
      }
      n_aliases += each.key != each.name ? 1 : 0;
      Selection selection{.name = each.name, .key = each.key};
      selection.arguments = WithVariables(each.arguments);
      if (!each.selections.empty()) {
        MILL_RETURN_IF_ERROR(Fill(each.selections, depth + 1, selection.selections));
      }
      into.push_back(std::move(selection));
    }
    return {};
  }

  static Error TooMany(const std::string& what, const std::string& variable, int most, int seen) {
    return base::InvalidArgument("GraphQL queries should have at most " + std::to_string(most) +
                                 " " + what + ", got " + std::to_string(seen) + " " + what +
                                 ". To increase the limit, set the MLFLOW_SERVER_GRAPHQL_" +
                                 variable + " environment variable.");
  }

  json WithVariables(const json& value) const {
    if (value.is_object() && value.size() == 1 && value.contains("$")) {
      const std::string& name = value["$"].get_ref<const std::string&>();
      if (variables_.is_object() && variables_.contains(name)) {
        return variables_[name];
      }
      const auto found = operation_.defaults.find(name);
      return found == operation_.defaults.end() ? json() : found->second;
    }
    json filled = value;
    if (filled.is_structured()) {
      for (auto& item : filled) {
        item = WithVariables(item);
      }
    }
    return filled;
  }

  const RawDocument& document_;
  const RawOperation& operation_;
  const json& variables_;
  std::set<std::string> open_fragments_;
  int n_selections_ = 0;
};

}  // namespace

Result<GraphqlOperation> ParseGraphql(std::string_view document, const json& variables,
                                      std::string_view operation_name) {
  MILL_ASSIGN_OR_RETURN(const RawDocument parsed, Parser(document).Parse());
  const RawOperation* chosen = nullptr;
  for (const RawOperation& operation : parsed.operations) {
    if (operation_name.empty() || operation.name == operation_name) {
      if (chosen != nullptr) {
        return base::InvalidArgument(
            "Must provide operation name if query contains multiple operations.");
      }
      chosen = &operation;
    }
  }
  if (chosen == nullptr) {
    return base::InvalidArgument("Unknown operation named '" + std::string(operation_name) + "'.");
  }
  GraphqlOperation operation;
  operation.is_mutation = chosen->kind == "mutation";
  MILL_ASSIGN_OR_RETURN(operation.selections, Resolver(parsed, *chosen, variables).Run());
  return operation;
}

}  // namespace millrace::api::internal
