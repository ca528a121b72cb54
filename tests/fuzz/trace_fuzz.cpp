// Fuzzes the reader, the checker and the exports of traces.

#include <cstdint>
#include <sstream>
#include <string>

#include "reference/definition/input/bad_input.h"
#include "reference/files/trace_file.h"
#include "reference/trace/check/checker.h"
#include "reference/trace/export/json_lines.h"
#include "reference/trace/export/perfetto.h"

using namespace ringattn;

namespace {

std::string written(const TraceFile& trace) {
  std::ostringstream lines;
  write_json_lines(lines, trace.header, trace.events);
  return lines.str();
}

// A trace, valid or not, can be checked and exported, and is written as it was read
void use(const TraceFile& trace) {
  broken_invariants(trace.header, trace.events);
  broken_invariants(trace.header, trace.events, TraceExtent::unfinished);
  std::ostringstream perfetto;
  write_perfetto(perfetto, trace.events);
  if (written(parse_trace(written(trace))) != written(trace)) __builtin_trap();
}

// Uses the bytes as a trace, unless they are refused
void attempt(const std::string& bytes) {
  try {
    use(parse_trace(bytes));
  } catch (const BadInput&) {
  }
}

std::string header_line(const char* rotate) {
  TraceHeader header;
  header.devices = 3;
  header.rotate = rotate;
  return written({header, {}, nullptr});
}

}  // namespace

// Reads the input as a file; then as the events of a small run, so that the events are reached.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string kv_rotate = header_line("kv"), q_rotate = header_line("q");
  const std::string input(reinterpret_cast<const char*>(data), size);
  attempt(input);
  attempt(kv_rotate + input);
  attempt(q_rotate + input);
  return 0;
}
