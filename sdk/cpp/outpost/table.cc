#include "outpost/table.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace outpost {
namespace {

// How many characters a terminal shows: UTF-8 sequences count once, "\033[1m" not
// at all.
size_t Width(absl::string_view text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033' && i + 1 < text.size() && text[i + 1] == '[') {
      i += 2;
      while (i < text.size() && !absl::ascii_isalpha(static_cast<unsigned char>(text[i]))) ++i;
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      ++width;
    }
  }
  return width;
}

std::string CellText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "";
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) std::replace(cell.begin(), cell.end(), '\n', ' ');
  rows_.push_back(std::move(cells));
}

std::string Table::Print() const {
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    size_t width = Width(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, Width(row[c]));
    widths.push_back(width);
  }
  std::string text;
  const auto print = [&](size_t c, absl::string_view cell, Align align) {
    const size_t space = widths[c] - Width(cell);
    size_t left = 0;
    if (align == Align::kRight) left = space;
    if (align == Align::kCenter) {
      // The odd space goes to the left of a text of even width, as in Ceph's tables.
      left = space / 2 + (space % 2 == 1 && Width(cell) % 2 == 0 ? 1 : 0);
    }
    text.append(left, ' ');
    absl::StrAppend(&text, cell);
    text.append(space - left + 2, ' ');
  };
  for (size_t c = 0; c < columns_.size(); ++c) print(c, columns_[c].title, columns_[c].align);
  for (const auto& row : rows_) {
    text += '\n';
    for (size_t c = 0; c < columns_.size(); ++c) print(c, row[c], columns_[c].align);
  }
  return text;
}

std::string PrintTable(const Json& data) {
  if (data.is_object()) {
    Table table({{.title = "NAME"}, {.title = "VALUE"}});
    for (const auto& [key, value] : data.items()) table.AddRow({key, CellText(value)});
    return table.Print();
  }
  if (!data.is_array()) return CellText(data);
  std::set<std::string> keys;
  for (const Json& row : data) {
    if (!row.is_object()) {
      keys.clear();
      break;
    }
    for (const auto& [key, value] : row.items()) keys.insert(key);
  }
  if (keys.empty()) {
    std::string text;
    for (const Json& row : data) absl::StrAppend(&text, text.empty() ? "" : "\n", CellText(row));
    return text;
  }
  std::vector<Table::Column> columns;
  columns.reserve(keys.size());
  for (const std::string& key : keys) columns.push_back({.title = absl::AsciiStrToUpper(key)});
  Table table(std::move(columns));
  for (const Json& row : data) {
    std::vector<std::string> cells;
    cells.reserve(keys.size());
    for (const std::string& key : keys) cells.push_back(CellText(row.value(key, Json())));
    table.AddRow(std::move(cells));
  }
  return table.Print();
}

}  // namespace outpost
