// Table prints rows in columns, for people:
//
//     ID  HOST   USED
//      0  host1   10G
//
// **Thread safety.** None.
#ifndef OUTPOST_SDK_CPP_OUTPOST_TABLE_H_
#define OUTPOST_SDK_CPP_OUTPOST_TABLE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "outpost/json.h"

namespace outpost {

class Table {
 public:
  enum class Align { kLeft, kCenter, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Cells that are left out are empty; ones too many are ignored; a newline in one is a space.
  void AddRow(std::vector<std::string> cells);

  size_t rows() const { return rows_.size(); }

  // A line for the titles and one for each row, without a newline at the end. A
  // column is as wide as its widest cell in characters (escape sequences of
  // terminals have no width), and two spaces follow it.
  std::string Print() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// A table of `data`: of a list of objects a row each, with the objects' keys as
// titles in capitals; of an object a row for each key; else the value itself.
std::string PrintTable(const Json& data);

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_TABLE_H_
