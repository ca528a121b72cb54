#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "reference/definition/input/bad_input.h"
#include "reference/files/trace_file.h"
#include "tests/visualizer/support/all_panels.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// A trace, valid or not, can be drawn, or is refused
void attempt(const std::string& bytes, Clock clock, double part) {
  static HeadlessScreen screen(1600, 900);
  try {
    TraceFile trace = parse_trace(bytes);
    const Recording recording(std::move(trace.header), std::move(trace.events), TraceExtent::complete,
                              trace.strings);
    draw_all_panels(screen, recording, clock, part);
  } catch (const BadInput&) {
  }
}

std::string read_file(const char* path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  if (bytes.str().empty()) __builtin_trap();
  return bytes.str();
}

// Applies the input to a trace as changes: each is a position, a length, and that many bytes that replace the value
// at the position
std::string changed(std::string trace, const std::string& input) {
  for (std::size_t i = 0; i + 3 <= input.size();) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(input[at]); };
    const std::size_t from = (byte(i) * 256u + byte(i + 1)) % trace.size(), length = byte(i + 2) % 16;
    const std::size_t value = std::min(trace.find(": ", from), trace.size() - 2) + 2;
    trace.replace(value, trace.find_first_of(",}\n", value) - value, input.substr(i + 3, length));
    i += 3 + length;
  }
  return trace;
}

}  // namespace

// Reads the input as a file; then as changes of the traces of small runs.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string traces[] = {read_file(RINGATTN_GOLDENS "/deadlock.trace"),
                                       read_file(RINGATTN_GOLDENS "/zigzag_backward.trace")};
  const std::string input(reinterpret_cast<const char*>(data), size);
  const Clock clock = size % 2 ? Clock::modelled : Clock::measured;
  const double part = size == 0 ? 0 : data[0] / 255.0;
  attempt(input, clock, part);
  for (const std::string& trace : traces) attempt(changed(trace, input), clock, part);
  return 0;
}
