#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reference/trace/trace_header.h"

namespace ringattn {

// A trace read from a file.
struct TraceFile {
  using StringPool = std::set<std::string, std::less<>>;

  TraceHeader header;
  std::vector<Event> events;                  // by (t, device, sequence)
  std::shared_ptr<const StringPool> strings;  // owns the texts of the events: must outlive them
};

// Reads a trace. Throws BadInput, with the line number and the rule, if the file is not a trace. Whether the events are
// those of a correct run is checked by broken_invariants().
TraceFile read_trace(const std::filesystem::path& path);

// The same for the bytes of a file; error messages start with _error_prefix_
TraceFile parse_trace(std::string_view bytes, const std::string& error_prefix = "[trace] ");

// Writes the file completely, or leaves it unchanged and throws BadInput
void write_trace(const std::filesystem::path& path, const TraceHeader& header, std::span<const Event> events);

// The same in the format of Perfetto, to _path_ + ".perfetto.json"
void write_perfetto_beside(const std::filesystem::path& path, std::span<const Event> events);

}  // namespace ringattn
