// SPDX-License-Identifier: Apache-2.0
// Writes OpenLineage events to a file and to a server.
#include "app/lineage_sink.h"

#include <mutex>

#include "base/file.h"
#include "base/log.h"
#include "net/http_client.h"

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

class FileAndHttpSink final : public pipelines::LineageSink {
 public:
  FileAndHttpSink(const Context& context, fs::path file, std::string url, std::string endpoint,
                  std::string api_key)
      : context_(context),
        file_(std::move(file)),
        url_(std::move(url)),
        endpoint_(std::move(endpoint)),
        api_key_(std::move(api_key)) {}

  void Emit(const std::string& event) override {
    const std::lock_guard lock(mutex_);
    if (!file_.empty()) {
      if (const auto written = Append(event); !written.ok()) {
        Warn("lineage_file_failed", written.error());
        file_.clear();
      }
    }
    if (!url_.empty()) {
      if (const auto sent = Post(event); !sent.ok()) {
        Warn("lineage_server_failed", sent.error());
        url_.clear();
      }
    }
  }

 private:
  Result<void> Append(const std::string& event) {
    if (!made_folder_) {
      MILL_RETURN_IF_ERROR(base::MakeDirectories(file_.parent_path()));
      made_folder_ = true;
    }
    return base::AppendFile(file_, event + "\n");
  }

  Result<void> Post(const std::string& event) {
    MILL_ASSIGN_OR_RETURN(net::HttpClient client,
                          net::HttpClient::Make(url_, {.connect_timeout = kTimeout,
                                                       .request_timeout = kTimeout,
                                                       .max_body_bytes = 64 * 1024}));
    net::HttpClient::Headers headers;
    if (!api_key_.empty()) {
      headers.emplace_back("Authorization", "Bearer " + api_key_);
    }
    MILL_ASSIGN_OR_RETURN(const net::ClientResponse response,
                          client.Post(endpoint_, "application/json", event, headers));
    if (response.status >= 400) {
      return base::Unavailable("lineage server " + url_ + endpoint_ + " answers status " +
                               std::to_string(response.status));
    }
    return {};
  }

  void Warn(const char* event, const Error& error) const {
    if (context_.logger != nullptr) {
      context_.logger->Log(base::LogLevel::kWarn, "pipelines", event,
                           {{"error", error.ToString()}});
    }
  }

  static constexpr std::chrono::milliseconds kTimeout{3000};
  const Context& context_;
  std::mutex mutex_;
  fs::path file_;
  bool made_folder_ = false;
  std::string url_;
  std::string endpoint_;
  std::string api_key_;
};

}  // namespace

std::unique_ptr<pipelines::LineageSink> MakeLineageSink(
    const Context& context, const fs::path& workspace,
    const std::function<std::optional<std::string>(const std::string&)>& variable) {
  const fs::path file = variable("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH")
                            .value_or((workspace / "lineage" / "openlineage.jsonl").string());
  std::string endpoint = variable("OPENLINEAGE_ENDPOINT").value_or("api/v1/lineage");
  if (!endpoint.starts_with('/')) {
    endpoint.insert(0, 1, '/');
  }
  std::string url = variable("OPENLINEAGE_URL").value_or("");
  while (url.ends_with('/')) {
    url.pop_back();
  }
  return std::make_unique<FileAndHttpSink>(context, file, url, endpoint,
                                           variable("OPENLINEAGE_API_KEY").value_or(""));
}

}  // namespace millrace::app
