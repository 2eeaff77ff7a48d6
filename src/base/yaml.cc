// SPDX-License-Identifier: Apache-2.0
// YAML by the events of yaml-cpp, whose exceptions end here. Own nodes, because yaml-cpp's keep no
// place once a key is missing and let a key appear twice.
#include "base/yaml.h"

#include <charconv>
#include <limits>
#include <map>
#include <new>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/number_format.h"

namespace millrace::base {

struct YamlNode::Data {
  Kind kind = Kind::kNull;
  std::string text;
  bool is_quoted = false;
  std::shared_ptr<const std::string> file;
  int line = 0;
  int column = 0;
  std::vector<YamlNode> items;
  std::vector<std::pair<YamlNode, YamlNode>> entries;
  // Nodes below this one with aliases counted each time, so that a few lines of aliases cannot
  // stand for billions.
  std::size_t size = 1;
};

namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxNodes = 1'000'000;

// Leaves the parser from within a callback; caught in Parse.
struct Stop {
  Error error;
};

const std::string kNoText;

}  // namespace

// Builds nodes from parser events; a stack holds the open lists and maps.
struct YamlBuilder final : public YAML::EventHandler {
  explicit YamlBuilder(std::string_view file_name)
      : file(std::make_shared<const std::string>(file_name)) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(Make(YamlNode::Kind::kNull, mark), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors.find(anchor);
    if (found == anchors.end()) {
      Fail(mark, "an alias points into the node that contains it");
    }
    Add(std::make_shared<YamlNode::Data>(*found->second), 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = Make(YamlNode::Kind::kScalar, mark);
    node->is_quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (!node->is_quoted) {
      RefuseTag(mark, tag);
    }
    node->text = value;
    Add(std::move(node), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    RefuseTag(mark, tag);
    Open(YamlNode::Kind::kList, mark, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    RefuseTag(mark, tag);
    Open(YamlNode::Kind::kMap, mark, anchor);
  }
  void OnMapEnd() override { Close(); }

  Error ErrorAt(const YAML::Mark& mark, std::string message) const {
    SourceLocation where{.file = *file};
    if (!mark.is_null()) {
      where.line = mark.line + 1;
      where.column = mark.column + 1;
    }
    return InvalidArgument(std::move(message)).At(std::move(where));
  }

  YamlNode Finish() const { return root ? YamlNode(root) : YamlNode(); }

 private:
  using DataPtr = std::shared_ptr<YamlNode::Data>;
  struct Level {
    DataPtr node;
    YAML::anchor_t anchor;
    std::optional<YamlNode> key;
    std::map<std::string, int, std::less<>> lines_of_keys;
  };

  [[noreturn]] void Fail(const YAML::Mark& mark, std::string message) const {
    throw Stop{ErrorAt(mark, std::move(message))};
  }
  void RefuseTag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!") {
      Fail(mark, "the tag \"" + tag + "\" is not supported; write the plain value");
    }
  }
  DataPtr Make(YamlNode::Kind kind, const YAML::Mark& mark) const {
    auto node = std::make_shared<YamlNode::Data>();
    node->kind = kind;
    node->file = file;
    node->line = mark.line + 1;
    node->column = mark.column + 1;
    return node;
  }
  void Open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (stack.size() >= kMaxDepth) {
      Fail(mark, "nesting deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    stack.push_back({Make(kind, mark), anchor, std::nullopt, {}});
  }
  void Close() {
    Level level = std::move(stack.back());
    stack.pop_back();
    Add(std::move(level.node), level.anchor);
  }
  void Add(DataPtr node, YAML::anchor_t anchor) {
    if (anchor != 0) {
      anchors[anchor] = node;
    }
    if (stack.empty()) {
      root = std::move(node);
      return;
    }
    Level& level = stack.back();
    level.node->size += node->size;
    if (level.node->size > kMaxNodes) {
      throw Stop{InvalidArgument("more than 1000000 values, aliases counted")
                     .At({*file, node->line, node->column})};
    }
    if (level.node->kind == YamlNode::Kind::kList) {
      level.node->items.push_back(YamlNode(std::move(node)));
    } else if (!level.key) {
      AddKey(level, std::move(node));
    } else {
      level.node->entries.emplace_back(*std::move(level.key), YamlNode(std::move(node)));
      level.key.reset();
    }
  }
  void AddKey(Level& level, DataPtr node) const {
    if (node->kind != YamlNode::Kind::kScalar) {
      throw Stop{
          InvalidArgument("a key must be a plain text").At({*file, node->line, node->column})};
    }
    const auto [place, is_new] = level.lines_of_keys.emplace(node->text, node->line);
    if (!is_new) {
      throw Stop{InvalidArgument("the key \"" + node->text + "\" appears twice, first on line " +
                                 std::to_string(place->second))
                     .Hint("remove one of the two")
                     .At({*file, node->line, node->column})};
    }
    level.key = YamlNode(std::move(node));
  }

  std::shared_ptr<const std::string> file;
  std::vector<Level> stack;
  std::map<YAML::anchor_t, DataPtr> anchors;
  DataPtr root;
};

YamlNode::YamlNode() {
  static const std::shared_ptr<const Data> null = std::make_shared<const Data>();
  data_ = null;
}
YamlNode::YamlNode(std::shared_ptr<const Data> data) : data_(std::move(data)) {
}

Result<YamlNode> YamlNode::Parse(std::string_view text, std::string_view file_name) {
  YamlBuilder builder(file_name);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      return builder.Finish();
    }
    YamlNode node = builder.Finish();
    YamlBuilder second(file_name);
    if (parser.HandleNextDocument(second)) {
      return InvalidArgument("more than one document (\"---\"), wanted one")
          .At({std::string(file_name), 0, 0});
    }
    return node;
  } catch (Stop& stop) {
    return std::move(stop.error);
  } catch (const YAML::Exception& error) {
    return builder.ErrorAt(error.mark, "not valid YAML: " + error.msg);
  } catch (const std::exception& error) {
    return InvalidArgument(std::string("not valid YAML: ") + error.what())
        .At({std::string(file_name), 0, 0});
  }
}

YamlNode::Kind YamlNode::kind() const {
  return data_->kind;
}
const std::string& YamlNode::text() const {
  return data_->text;
}
bool YamlNode::is_quoted() const {
  return data_->is_quoted;
}
SourceLocation YamlNode::where() const {
  return {data_->file ? *data_->file : kNoText, data_->line, data_->column};
}
const std::vector<YamlNode>& YamlNode::items() const {
  return data_->items;
}
const std::vector<std::pair<YamlNode, YamlNode>>& YamlNode::entries() const {
  return data_->entries;
}

std::optional<YamlNode> YamlNode::Find(std::string_view key) const {
  for (const auto& [name, value] : data_->entries) {
    if (name.text() == key) {
      return value;
    }
  }
  return std::nullopt;
}

namespace {

std::string Describe(const YamlNode& node) {
  switch (node.kind()) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
    case YamlNode::Kind::kScalar:
      break;
  }
  return "\"" + node.text() + "\"" + (node.is_quoted() ? " (quoted, so a text)" : "");
}

Error Wanted(const YamlNode& node, std::string_view what) {
  return node.ErrorHere("found " + Describe(node) + ", wanted " + std::string(what));
}

bool IsPlainScalar(const YamlNode& node) {
  return node.kind() == YamlNode::Kind::kScalar && !node.is_quoted();
}

// from_chars takes no plus sign.
std::string_view WithoutPlus(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') {
    text.remove_prefix(1);
  }
  return text;
}

}  // namespace

Result<std::int64_t> YamlNode::AsInt() const {
  const std::string_view text = WithoutPlus(data_->text);
  int radix = 10;
  std::string_view digits = text;
  if (text.starts_with("0x") || text.starts_with("0o")) {
    radix = text[1] == 'x' ? 16 : 8;
    digits.remove_prefix(2);
  }
  std::int64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, radix);
  const bool is_read = result.ec == std::errc() && result.ptr == digits.data() + digits.size();
  if (!IsPlainScalar(*this) || !is_read || (radix != 10 && value < 0)) {
    if (IsPlainScalar(*this) && result.ec == std::errc::result_out_of_range) {
      return Wanted(*this, "a whole number that fits 64 bits");
    }
    return Wanted(*this, "a whole number");
  }
  return value;
}

Result<double> YamlNode::AsDouble() const {
  if (!IsPlainScalar(*this)) {
    return Wanted(*this, "a number");
  }
  const std::string_view text = WithoutPlus(data_->text);
  if (text == ".inf" || text == ".Inf" || text == ".INF") {
    return std::numeric_limits<double>::infinity();
  }
  if (text == "-.inf" || text == "-.Inf" || text == "-.INF") {
    return -std::numeric_limits<double>::infinity();
  }
  if (text == ".nan" || text == ".NaN" || text == ".NAN") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  // from_chars also reads "inf" and "nan", which are texts in YAML.
  const bool is_number = text.find_first_of("0123456789") != std::string_view::npos;
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || !is_number) {
    return Wanted(*this, "a number");
  }
  return value;
}

Result<bool> YamlNode::AsBool() const {
  if (IsPlainScalar(*this)) {
    const std::string& text = data_->text;
    if (text == "true" || text == "True" || text == "TRUE") {
      return true;
    }
    if (text == "false" || text == "False" || text == "FALSE") {
      return false;
    }
  }
  return Wanted(*this, "true or false");
}

Result<std::string> YamlNode::AsString() const {
  if (data_->kind != Kind::kScalar) {
    return Wanted(*this, "a text");
  }
  return data_->text;
}

Error YamlNode::ErrorHere(std::string message) const {
  return InvalidArgument(std::move(message)).At(where());
}

}  // namespace millrace::base
