// SPDX-License-Identifier: Apache-2.0
// Reads the URIs of sources and checks that none leads out of where it may.
#include "tracking/internal/sources.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <vector>

namespace millrace::tracking::internal {
namespace {

namespace fs = std::filesystem;

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
  });
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

int HexDigit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/// Every round shortens the text, so this ends.
std::string UnquoteAll(std::string text) {
  for (std::string plain = Unquote(text); plain != text; plain = Unquote(text)) {
    text = std::move(plain);
  }
  return text;
}

/// Those that are not empty.
std::vector<std::string> DecodedParts(std::string_view path) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) {
      parts.push_back(UnquoteAll(std::string(path.substr(begin, end - begin))));
    }
    begin = end + 1;
  }
  return parts;
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    text += (text.empty() ? "" : "/") + part;
  }
  return text;
}

bool HasSegment(std::string_view text, std::string_view segment) {
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    if (text.substr(begin, end - begin) == segment) {
      return true;
    }
    begin = end + 1;
  }
  return false;
}

bool IsOtherMachine(std::string_view authority) {
  const std::string_view host = authority.substr(authority.rfind('@') + 1);
  return !(host.empty() || host == "." || host.starts_with("localhost") ||
           host.starts_with("127.0.0.1"));
}

/// The path of a local URI as it is written, percent-signs and all.
std::string LocalPath(const std::string& text) {
  return text.starts_with("file:") ? ParseUri(text).path : text;
}

/// Absolute, without symbolic links, "." and ".."; empty where there is none such.
fs::path Resolved(const std::string& path) {
  if (path.find('\0') != std::string::npos) {
    return {};
  }
  std::error_code error;
  fs::path resolved = fs::weakly_canonical(fs::absolute(path, error), error);
  if (!resolved.has_filename()) {
    resolved = resolved.parent_path();
  }
  return error ? fs::path() : resolved;
}

}  // namespace

std::string Unquote(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      plain += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

Uri ParseUri(std::string_view text) {
  Uri uri;
  const std::size_t colon = text.find(':');
  const auto in_scheme = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '-' || c == '.';
  };
  if (colon != std::string_view::npos && colon > 0 &&
      std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
      std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), in_scheme)) {
    uri.scheme = Lower(text.substr(0, colon));
    text.remove_prefix(colon + 1);
  }
  text = text.substr(0, text.find_first_of("?#"));
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    const std::size_t slash = std::min(text.find('/'), text.size());
    uri.authority = text.substr(0, slash);
    text.remove_prefix(slash);
  }
  uri.path = text;
  return uri;
}

std::optional<ModelUri> ParseModelUri(std::string_view text) {
  const Uri uri = ParseUri(text);
  if (uri.scheme != "models" || !uri.authority.empty() || !uri.path.starts_with("/")) {
    return std::nullopt;
  }
  const std::string_view path =
      std::string_view(uri.path).substr(std::min(uri.path.find_first_not_of('/'), uri.path.size()));
  const std::size_t slash = path.find('/');
  const std::string first(path.substr(0, slash));
  ModelUri model;
  if (first.empty()) {
    return std::nullopt;
  }
  if (slash == std::string_view::npos) {
    const std::size_t at = first.rfind('@');
    if (at == std::string::npos) {
      model.model_id = first;
      return model;
    }
    model.name = first.substr(0, at);
    model.alias = first.substr(at + 1);
    return model.alias.empty() ? std::nullopt : std::optional(model);
  }
  const std::string second(path.substr(slash + 1));
  if (second.empty() || second.find('/') != std::string::npos) {
    return std::nullopt;
  }
  model.name = first;
  if (IsDigits(second)) {
    model.version = second;
  } else if (Lower(second) != "latest") {
    model.stage = second;
  }
  return model;
}

Result<bool> IsLocalUri(const std::string& text) {
  const Uri uri = ParseUri(text);
  if (uri.scheme == "file" && IsOtherMachine(uri.authority)) {
    return base::InvalidArgument(text +
                                 " is not a valid remote uri. A file URI without a host, or "
                                 "a path of this machine, is wanted.");
  }
  return uri.scheme.empty() || uri.scheme == "file";
}

Result<bool> IsInside(const std::string& source, const std::string& folder) {
  MILL_ASSIGN_OR_RETURN(const bool is_local, IsLocalUri(folder));
  if (!is_local) {
    return false;
  }
  const fs::path outer = Resolved(Unquote(LocalPath(folder)));
  // A reader may decode once or to the end: neither may lead out.
  for (const std::string& path : {Unquote(LocalPath(source)), UnquoteAll(LocalPath(source))}) {
    const fs::path inner = Resolved(path);
    if (outer.empty() || inner.empty() ||
        std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first !=
            outer.end()) {
      return false;
    }
  }
  return true;
}

bool IsProxiedUri(const std::string& text) {
  const Uri uri = ParseUri(text);
  return uri.scheme == "mlflow-artifacts" ||
         ((uri.scheme == "http" || uri.scheme == "https") &&
          ("/" + Joined(DecodedParts(uri.path)) + "/")
                  .find("/api/2.0/mlflow-artifacts/artifacts/") != std::string::npos);
}

bool IsBelowUri(const std::string& source, const std::string& root) {
  const Uri inner = ParseUri(source);
  const Uri outer = ParseUri(root);
  const std::vector<std::string> inside = DecodedParts(inner.path);
  const std::vector<std::string> folder = DecodedParts(outer.path);
  return inner.scheme == outer.scheme && Lower(inner.authority) == Lower(outer.authority) &&
         !folder.empty() && folder.size() <= inside.size() &&
         std::equal(folder.begin(), folder.end(), inside.begin());
}

Result<void> CheckRemoteSource(const std::string& source) {
  std::string plain = UnquoteAll(source);
  std::replace(plain.begin(), plain.end(), '+', ' ');
  std::string path = ParseUri(plain).path;
  path.erase(std::find_if(path.rbegin(), path.rend(), [](char c) { return c != '/'; }).base(),
             path.end());
  const bool is_normal = path.starts_with('/') && path.find('\0') == std::string::npos &&
                         !HasSegment(plain, "..") && !HasSegment(path, ".");
  if (!is_normal) {
    return base::InvalidArgument(
        "Invalid model version source: '" + source +
        "'. If supplying a source as an http, https, local file path, ftp, objectstore, or "
        "mlflow-artifacts uri, an absolute path must be provided without relative path references "
        "present. Please provide an absolute path.");
  }
  return {};
}

}  // namespace millrace::tracking::internal
