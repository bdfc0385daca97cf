#include "server/store/sqlite/connection.h"

#include <cerrno>

#include "server/store/sqlite/sqlite_errors.h"

namespace outpost::store {

absl::Status Connection::Open(const std::string& file, int flags) {
  sqlite3* db = nullptr;
  errno = 0;
  const int result = sqlite3_open_v2(file.c_str(), &db,
                                     flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  db_.reset(db);
  if (db == nullptr) return absl::ResourceExhaustedError("SQLite: out of memory");
  return result == SQLITE_OK ? absl::OkStatus() : Error("can't be opened");
}

absl::StatusOr<Statement> Connection::Prepare(absl::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  errno = 0;
  const int result = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (result != SQLITE_OK) return Error("can't be read");
  return Statement(statement);
}

absl::Status Connection::Run(const std::string& sql) {
  errno = 0;
  const int result = sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? absl::OkStatus() : Error("can't be written");
}

absl::StatusOr<std::string> Connection::Ask(absl::string_view sql) {
  auto statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  if (sqlite3_step(statement->get()) != SQLITE_ROW) return Error("can't be read");
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement->get(), 0));
  return std::string(text == nullptr ? "" : text);
}

absl::Status Connection::ReadEntries(absl::FunctionRef<void(std::string, std::string)> entry) {
  auto select = Prepare("SELECT key, value FROM entries ORDER BY key");
  if (!select.ok()) return select.status();
  sqlite3_stmt* row = select->get();
  auto column = [row](int i) {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(row, i));
    return bytes == nullptr ? std::string() : std::string(bytes, sqlite3_column_bytes(row, i));
  };
  int result;
  while ((result = sqlite3_step(row)) == SQLITE_ROW) entry(column(0), column(1));
  return result == SQLITE_DONE ? absl::OkStatus() : Error("can't be read");
}

absl::Status Connection::Error(absl::string_view doing) const {
  return ErrorOf(db_.get(), path_, max_bytes_, doing);
}

}  // namespace outpost::store
