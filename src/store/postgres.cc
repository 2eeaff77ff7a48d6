// SPDX-License-Identifier: Apache-2.0
// PostgreSQL as the metadata database: a connection with its cache of prepared statements.
#include <array>
#include <charconv>
#include <unordered_map>
#include <utility>

#include <postgresql/libpq-fe.h>

#include "base/hash.h"
#include "store/internal/database.h"
#include "store/internal/postgres_dialect.h"
#include "store/internal/postgres_values.h"

namespace millrace::store {
namespace {

// Held by the one transaction that writes, among all processes that share a database: so a change
// number that is committed is higher than all that were committed before it, as with SQLite. The
// number is arbitrary ("millrace" in ASCII).
constexpr const char* kBegin = "BEGIN; SELECT pg_advisory_xact_lock(7883958399838446437)";

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPointer = std::unique_ptr<PGresult, ResultDeleter>;
struct ConnectionDeleter {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using ConnectionPointer = std::unique_ptr<PGconn, ConnectionDeleter>;

struct ConnectionOptions {
  std::string uri;
  bool is_read_only = false;
  int lock_timeout_ms = 0;
  Durability durability = Durability::kDisk;
};

std::string_view WithoutNewline(const char* message) {
  std::string_view text = message == nullptr ? "" : message;
  while (!text.empty() && text.back() == '\n') {
    text.remove_suffix(1);
  }
  return text;
}

// How many rows a statement changed; PostgreSQL says nothing where that means nothing.
std::int64_t CountOf(PGresult* result) {
  std::int64_t n = 0;
  const std::string_view count = PQcmdTuples(result);
  std::from_chars(count.data(), count.data() + count.size(), n);
  return n;
}

class Postgres final : public internal::Connection {
 public:
  static Result<std::unique_ptr<internal::Connection>> Open(const ConnectionOptions& options);

  Result<std::int64_t> Run(std::string_view sql, std::span<const Value> params,
                           const RowFunction* row) override;
  Result<void> Begin() override;
  Result<void> Commit() override;
  bool is_in_transaction() const override {
    const PGTransactionStatusType status = PQtransactionStatus(connection_.get());
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE;
  }
  bool is_alive() const override {
    return !is_lost_ && PQstatus(connection_.get()) == CONNECTION_OK;
  }
  Result<std::uint64_t> DataVersion() override;
  std::string_view table_query() const override {
    return "SELECT 1 FROM information_schema.tables "
           "WHERE table_schema = ANY (current_schemas(false)) AND table_name = ?";
  }

 private:
  struct Statement {
    std::string name;
    std::size_t n_params = 0;
  };

  explicit Postgres(ConnectionOptions options) : options_(std::move(options)) {}

  Result<void> Connect();
  Result<void> CheckServer();
  /// Several statements without rows; returns the number of rows that the last one changed.
  Result<std::int64_t> Script(const std::string& sql);
  Result<const Statement*> StatementOf(std::string_view sql, std::span<const Value> params);
  Result<std::int64_t> RunPrepared(const Statement& statement, std::string_view sql,
                                   std::span<const Value> params, const RowFunction* row);
  Result<std::int64_t> RunHere(std::string_view sql, std::span<const Value> params,
                               const RowFunction* row);
  std::string DisplayName() const;
  Error Failed(const PGresult* result, std::string_view sql);

  const ConnectionOptions options_;
  ConnectionPointer connection_;
  bool is_lost_ = false;
  std::uint64_t n_statements_ = 0;
  /// By the kinds of the parameters and the text.
  std::unordered_map<std::string, Statement> statements_;
};

// Without user and password.
std::string Postgres::DisplayName() const {
  const auto text = [](const char* part) { return std::string(part == nullptr ? "" : part); };
  return "postgresql://" + text(PQhost(connection_.get())) + ":" + text(PQport(connection_.get())) +
         "/" + text(PQdb(connection_.get()));
}

base::ErrorCode CodeOf(std::string_view state) {
  using base::ErrorCode;
  struct Entry {
    std::string_view prefix;
    ErrorCode code;
  };
  // docs/current/errcodes-appendix of PostgreSQL; the first fitting prefix counts.
  static constexpr std::array kCodes = {
      Entry{"23505", ErrorCode::kAlreadyExists},       // unique_violation
      Entry{"23", ErrorCode::kFailedPrecondition},     // other constraints
      Entry{"25P02", ErrorCode::kFailedPrecondition},  // in_failed_sql_transaction
      Entry{"25006", ErrorCode::kPermissionDenied},    // read_only_sql_transaction
      Entry{"53100", ErrorCode::kResourceExhausted},   // disk_full
      Entry{"53200", ErrorCode::kResourceExhausted},   // out_of_memory
      Entry{"53", ErrorCode::kUnavailable},            // too many connections
      Entry{"08", ErrorCode::kUnavailable},            // connection
      Entry{"57", ErrorCode::kUnavailable},            // shutdown, starting up, cancelled
      Entry{"40", ErrorCode::kUnavailable},            // deadlock, serialization
      Entry{"55P03", ErrorCode::kUnavailable},         // lock_not_available
      Entry{"28", ErrorCode::kPermissionDenied},       // password, role
      Entry{"42501", ErrorCode::kPermissionDenied},    // insufficient_privilege
      Entry{"3D000", ErrorCode::kNotFound},            // no such database
      Entry{"22021", ErrorCode::kInvalidArgument},     // character_not_in_repertoire
      Entry{"22P05", ErrorCode::kInvalidArgument},     // untranslatable_character
      Entry{"54000", ErrorCode::kInvalidArgument},     // too long for an index
      Entry{"XX001", ErrorCode::kDataLoss},            // data_corrupted
      Entry{"XX002", ErrorCode::kDataLoss},            // index_corrupted
  };
  for (const Entry& entry : kCodes) {
    if (state.starts_with(entry.prefix)) {
      return entry.code;
    }
  }
  return ErrorCode::kInternal;
}

Error Postgres::Failed(const PGresult* result, std::string_view sql) {
  const auto field = [result](int code) {
    const char* text = result == nullptr ? nullptr : PQresultErrorField(result, code);
    return std::string(text == nullptr ? "" : text);
  };
  const std::string state = field(PG_DIAG_SQLSTATE);
  std::string message = "metadata database \"" + DisplayName() + "\": ";
  // Without a state the server did not answer at all.
  if (state.empty() || state.starts_with("57P0") || PQstatus(connection_.get()) != CONNECTION_OK) {
    is_lost_ = true;
    return base::Unavailable(message + "the connection was lost: " +
                             std::string(WithoutNewline(PQerrorMessage(connection_.get()))))
        .Hint("check that the PostgreSQL server runs, then try again");
  }
  message += field(PG_DIAG_MESSAGE_PRIMARY);
  if (const std::string detail = field(PG_DIAG_MESSAGE_DETAIL); !detail.empty()) {
    message += " (" + detail + ")";
  }
  Error error(CodeOf(state), std::move(message));
  if (state == "55P03") {
    return std::move(error).Hint("another process is writing; try again");
  }
  if (state == "53100") {
    return std::move(error).Hint("free disk space of the PostgreSQL server, then try again");
  }
  if (error.code() == base::ErrorCode::kInternal) {
    return std::move(error).With("SQL " + std::string(sql.substr(0, 200)) + " (SQLSTATE " + state +
                                 ")");
  }
  return error;
}

Result<std::unique_ptr<internal::Connection>> Postgres::Open(const ConnectionOptions& options) {
  auto postgres = std::unique_ptr<Postgres>(new Postgres(options));
  MILL_RETURN_IF_ERROR(postgres->Connect());
  return std::unique_ptr<internal::Connection>(std::move(postgres));
}

Result<void> Postgres::Connect() {
  statements_.clear();
  is_lost_ = false;
  // What stands before the URI is a default that the URI may change.
  const std::array keys = {"fallback_application_name",
                           "connect_timeout",
                           "keepalives_idle",
                           "tcp_user_timeout",
                           "dbname",
                           "client_encoding",
                           static_cast<const char*>(nullptr)};
  const std::array values = {"millrace",
                             "10",
                             "30",
                             "30000",
                             options_.uri.c_str(),
                             "UTF8",
                             static_cast<const char*>(nullptr)};
  connection_.reset(PQconnectdbParams(keys.data(), values.data(), /*expand_dbname=*/1));
  if (connection_ == nullptr) {
    return base::ResourceExhausted("out of memory");
  }
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    return base::Unavailable("cannot open the metadata database \"" + DisplayName() + "\": " +
                             std::string(WithoutNewline(PQerrorMessage(connection_.get()))))
        .Hint("check backend_store_uri and that the PostgreSQL server runs");
  }
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
  MILL_RETURN_IF_ERROR(CheckServer());
  std::string settings = "SET lock_timeout = " + std::to_string(options_.lock_timeout_ms) +
                         "; SET extra_float_digits = 1; SET standard_conforming_strings = on";
  if (options_.is_read_only) {
    settings += "; SET default_transaction_read_only = on";
  } else if (options_.durability == Durability::kProcess) {
    settings += "; SET synchronous_commit = off";
  } else {
    // A server may be set to more than "on" (remote_apply), but never to less.
    settings +=
        "; SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'";
  }
  const ResultPointer result(PQexec(connection_.get(), settings.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    return Failed(result.get(), settings);
  }
  return {};
}

Result<void> Postgres::CheckServer() {
  constexpr int kOldest = 120'000;
  if (const int version = PQserverVersion(connection_.get()); version < kOldest) {
    return base::FailedPrecondition("metadata database \"" + DisplayName() + "\" is PostgreSQL " +
                                    std::to_string(version / 10'000) + "; wanted: 12 or newer");
  }
  const char* encoding = PQparameterStatus(connection_.get(), "server_encoding");
  if (encoding == nullptr || std::string_view(encoding) != "UTF8") {
    return base::FailedPrecondition("metadata database \"" + DisplayName() +
                                    "\" has the encoding " +
                                    (encoding == nullptr ? "?" : encoding) + "; wanted: UTF8")
        .Hint("make one with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0");
  }
  return {};
}

Result<std::int64_t> Postgres::Script(const std::string& sql) {
  const ResultPointer result(PQexec(connection_.get(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
    return Failed(result.get(), sql);
  }
  return CountOf(result.get());
}

Result<void> Postgres::Begin() {
  for (bool is_first = true;; is_first = false) {
    if (!is_alive()) {
      MILL_RETURN_IF_ERROR(Connect());
    }
    Result<std::int64_t> begun = Script(kBegin);
    if (begun.ok()) {
      return {};
    }
    if (is_alive() || !is_first) {
      static_cast<void>(Script("ROLLBACK"));
      return std::move(begun).error();
    }
  }
}

Result<void> Postgres::Commit() {
  // The server answers COMMIT of a failed transaction with success and rolls back.
  if (PQtransactionStatus(connection_.get()) == PQTRANS_INERROR) {
    static_cast<void>(Script("ROLLBACK"));
    return base::FailedPrecondition("metadata database \"" + DisplayName() +
                                    "\": a transaction with a failed statement was committed");
  }
  Result<std::int64_t> committed = Script("COMMIT");
  if (committed.ok()) {
    return {};
  }
  if (is_alive()) {
    return std::move(committed).error();
  }
  return std::move(committed).error().With(
      "committing (whether the server did it before the connection was lost is not known)");
}

Result<std::uint64_t> Postgres::DataVersion() {
  // Lists which transactions are visible: equal texts see equal data.
  std::string snapshot;
  const RowFunction take = [&snapshot](RowView row) { snapshot = TextOr(row[0], ""); };
  MILL_ASSIGN_OR_RETURN([[maybe_unused]] const auto n,
                        Run("SELECT CAST(pg_current_snapshot() AS TEXT)", {}, &take));
  return std::hash<std::string>()(snapshot) >> 16;
}

Result<const Postgres::Statement*> Postgres::StatementOf(std::string_view sql,
                                                         std::span<const Value> params) {
  constexpr std::size_t kMostStatements = 256;
  std::string key = internal::KindsOf(params) + ":" + std::string(sql);
  if (const auto found = statements_.find(key); found != statements_.end()) {
    return &found->second;
  }
  const internal::PostgresSql translated = internal::ToPostgres(sql);
  if (translated.n_params != params.size()) {
    return base::InvalidArgument("SQL with " + std::to_string(translated.n_params) +
                                 " parameters got " + std::to_string(params.size()) + ": " +
                                 std::string(sql));
  }
  if (statements_.size() >= kMostStatements) {
    MILL_ASSIGN_OR_RETURN([[maybe_unused]] const auto n, Script("DEALLOCATE ALL"));
    statements_.clear();
  }
  const std::vector<Oid> types = internal::TypesOf(params);
  const std::string name = "s" + std::to_string(++n_statements_);
  const ResultPointer result(PQprepare(connection_.get(), name.c_str(), translated.text.c_str(),
                                       static_cast<int>(types.size()), types.data()));
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
    return Failed(result.get(), sql);
  }
  return &statements_.emplace(std::move(key), Statement{name, params.size()}).first->second;
}

Result<std::int64_t> Postgres::RunPrepared(const Statement& statement, std::string_view sql,
                                           std::span<const Value> params, const RowFunction* row) {
  MILL_ASSIGN_OR_RETURN(const internal::Texts texts, internal::ToTexts(params));
  PGconn* const connection = connection_.get();
  if (PQsendQueryPrepared(connection, statement.name.c_str(), static_cast<int>(params.size()),
                          texts.values.data(), nullptr, nullptr, /*resultFormat=*/0) == 0) {
    return Failed(nullptr, sql);
  }
  PQsetSingleRowMode(connection);
  std::int64_t changes = 0;
  Result<void> status;
  std::vector<ValueView> values;
  // All results must be taken, after an error too, before the connection can be used again.
  while (ResultPointer result{PQgetResult(connection)}) {
    switch (PQresultStatus(result.get())) {
      case PGRES_SINGLE_TUPLE:
        if (row != nullptr) {
          values.resize(static_cast<std::size_t>(PQnfields(result.get())));
          for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = internal::Column(result.get(), 0, static_cast<int>(i));
          }
          (*row)(values);
        }
        break;
      case PGRES_TUPLES_OK:  // the end of the rows
      case PGRES_COMMAND_OK:
        changes = CountOf(result.get());
        break;
      default:
        status = Failed(result.get(), sql);
    }
  }
  MILL_RETURN_IF_ERROR(std::move(status));
  return changes;
}

Result<std::int64_t> Postgres::RunHere(std::string_view sql, std::span<const Value> params,
                                       const RowFunction* row) {
  if (params.empty() && row == nullptr) {
    const internal::PostgresSql translated = internal::ToPostgres(sql);
    if (translated.n_params != 0) {
      return base::InvalidArgument("SQL with " + std::to_string(translated.n_params) +
                                   " parameters got 0: " + std::string(sql));
    }
    return Script(translated.text);
  }
  MILL_ASSIGN_OR_RETURN(const Statement* statement, StatementOf(sql, params));
  return RunPrepared(*statement, sql, params, row);
}

Result<std::int64_t> Postgres::Run(std::string_view sql, std::span<const Value> params,
                                   const RowFunction* row) {
  if (options_.is_read_only || is_in_transaction()) {
    return RunHere(sql, params, row);
  }
  MILL_RETURN_IF_ERROR(Begin());
  Result<std::int64_t> result = RunHere(sql, params, row);
  if (!result.ok()) {
    static_cast<void>(Script("ROLLBACK"));
    return result;
  }
  MILL_RETURN_IF_ERROR(Commit());
  return result;
}

}  // namespace

Result<std::unique_ptr<Metadata>> OpenPostgres(std::string_view uri,
                                               const PostgresOptions& options) {
  const std::size_t colon = uri.find("://");
  const std::string_view scheme = uri.substr(0, std::min(colon, uri.find('+')));
  if (colon == std::string_view::npos || (scheme != "postgresql" && scheme != "postgres")) {
    return base::InvalidArgument(
        "a PostgreSQL database is named as "
        "postgresql://user:password@host:port/database");
  }
  // MLflow's URIs may name a Python driver (postgresql+psycopg2://).
  ConnectionOptions writer = {.uri = "postgresql" + std::string(uri.substr(colon)),
                              .is_read_only = false,
                              .lock_timeout_ms = options.lock_timeout_ms,
                              .durability = options.durability};
  MILL_ASSIGN_OR_RETURN(auto connection, Postgres::Open(writer));
  ConnectionOptions reader = writer;
  reader.is_read_only = true;
  return std::unique_ptr<Metadata>(std::make_unique<internal::Database>(
      std::move(connection), [reader] { return Postgres::Open(reader); }));
}

}  // namespace millrace::store
