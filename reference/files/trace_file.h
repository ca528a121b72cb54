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

// A trace as it was read from a file.
struct TraceFile {
  using StringPool = std::set<std::string, std::less<>>;

  TraceHeader header;
  std::vector<Event> events;           // by (t, device, sequence)
  std::shared_ptr<const StringPool> strings;  // at which the events look: keep it as long as them
};

// Throws BadInput where the file is not a trace, with the line and what is wrong there. Whether the run that
// it describes can have happened is for broken_invariants to say.
TraceFile read_trace(const std::filesystem::path& path);

// The same of the bytes of a file; sentences begin with _error_prefix_
TraceFile parse_trace(std::string_view bytes, const std::string& error_prefix = "[trace] ");

// The file is written whole or stays what it was. Throws BadInput where it cannot be written
void write_trace(const std::filesystem::path& path, const TraceHeader& header, std::span<const Event> events);

// The same for Perfetto, in the file _path_ with ".perfetto.json" after its name
void write_perfetto_beside(const std::filesystem::path& path, std::span<const Event> events);

}  // namespace ringattn
