// SPDX-License-Identifier: Apache-2.0
// The only file that knows PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include <array>
#include <utility>

#include <pcre2.h>

namespace millrace::base {
namespace {

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

}  // namespace

struct Regex::Impl {
  std::unique_ptr<pcre2_code, CodeFree> code;
};

Result<Regex> Regex::Compile(const std::string& pattern) {
  int error_number = 0;
  PCRE2_SIZE error_offset = 0;
  auto impl = std::make_shared<Impl>();
  // Data may hold broken UTF-8: such bytes then match nothing, and are no error.
  impl->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error_number,
                                 &error_offset, nullptr));
  if (impl->code == nullptr) {
    std::array<PCRE2_UCHAR, 256> text{};
    pcre2_get_error_message(error_number, text.data(), text.size());
    return InvalidArgument("regular expression \"" + pattern +
                           "\": " + reinterpret_cast<const char*>(text.data()) + " at character " +
                           std::to_string(error_offset + 1));
  }
  // Without a just-in-time compiler for this processor the interpreter does the same, only slower.
  pcre2_jit_compile(impl->code.get(), PCRE2_JIT_COMPLETE);
  return Regex(std::move(impl));
}

bool Regex::Search(std::string_view text) const {
  thread_local const std::unique_ptr<pcre2_match_data, MatchFree> data(
      pcre2_match_data_create(1, nullptr));
  // PCRE2 wants a pointer even for an empty text.
  const char* begin = text.empty() ? "" : text.data();
  return pcre2_match(impl_->code.get(), reinterpret_cast<PCRE2_SPTR>(begin), text.size(), 0, 0,
                     data.get(), nullptr) >= 0;
}

}  // namespace millrace::base
