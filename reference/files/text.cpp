#include "reference/files/text.h"

#include <algorithm>
#include <span>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/available_memory.h"
#include "reference/files/input_file.h"

namespace ringattn {

void Text::append(std::string file, std::string_view bytes) {
  require(!bytes.empty(), "[read_text] a text file must have at least one byte; ", in_quotes(file),
          " is empty; omit it");
  parts_.push_back({std::move(file), line_begins_.size()});
  line_begins_.reserve(line_begins_.size() + 1 +
                       static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\n')));
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (i == 0 || bytes[i - 1] == '\n') line_begins_.push_back(bytes_.size() + i);
  bytes_ += bytes;
}

SourceLocation Text::location(std::size_t offset) const {
  require(offset < bytes_.size(), "[text] an offset must lie inside the text; found ", offset, " of ",
          bytes_.size(), " bytes; use a smaller offset");
  const auto line = static_cast<std::size_t>(
      std::upper_bound(line_begins_.begin(), line_begins_.end(), offset) - line_begins_.begin() - 1);
  const auto next_part =
      std::upper_bound(parts_.begin(), parts_.end(), line,
                       [](std::size_t wanted, const Part& part) { return wanted < part.first_line; });
  const Part& part = *std::prev(next_part);
  return {part.file, static_cast<Index>(line - part.first_line) + 1,
          static_cast<Index>(offset - line_begins_[line]) + 1};
}

Text read_text(const std::vector<std::filesystem::path>& paths) {
  // Open all files. A text takes its bytes, those of the file read last, and an offset of 8 bytes for each line
  std::vector<InputFile> inputs;
  std::uint64_t size = 0, largest = 0;
  for (const std::filesystem::path& path : paths) {
    inputs.emplace_back("read_text", path);
    size += inputs.back().size();
    largest = std::max(largest, inputs.back().size());
  }
  require_memory("[read_text] ", 9.0 * static_cast<double>(size) + static_cast<double>(largest),
                 "the text with an index of its lines", "choose fewer or smaller files");

  Text text;
  text.reserve(size);
  for (std::size_t n = 0; n < paths.size(); ++n) {
    InputFile& input = inputs[n];
    std::string bytes(input.size(), '\0');
    input.read(0, std::as_writable_bytes(std::span(bytes)));
    text.append(paths[n].string(), bytes);
  }
  return text;
}

}  // namespace ringattn
