// Tests of damaged, truncated and other files: each one is drawn, or rejected with one sentence.

#include <doctest/doctest.h>

#include "reference/files/trace_file.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/trials.h"
#include "tests/visualizer/support/all_panels.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/interaction/commands.h"
#include "visualizer/interaction/pointer.h"
#include "visualizer/run/record_run.h"
#include "visualizer/session/session.h"
#include "visualizer/view/screen_view.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// The trace files of a few small runs
std::vector<std::string> traces() {
  RunConfig plain, turning, backward;
  plain.devices = turning.devices = 3, backward.devices = 2;
  plain.queries = plain.keys = turning.queries = turning.keys = backward.queries = backward.keys = 6;
  plain.cost.link_gbps = 1, turning.causal = true;
  turning.rotate = Rotation::q, turning.layout = Layout::zigzag, backward.backward = true;
  std::vector<std::string> bytes;
  for (const RunConfig& config : {plain, turning, backward}) {
    const RecordedRun run = record_run(config);
    std::ostringstream lines;
    write_json_lines(lines, run.recording->header(), run.recording->events());
    bytes.push_back(lines.str());
  }
  return bytes;
}

std::shared_ptr<Recording> recording_of(const std::string& bytes) {
  TraceFile trace = parse_trace(bytes);
  return std::make_shared<Recording>(std::move(trace.header), std::move(trace.events), TraceExtent::complete,
                                     trace.strings);
}

// The error that rejects the trace; empty if all panels have been drawn
std::string watch(const std::string& bytes) {
  static HeadlessScreen screen(960, 540);
  return bad_input_message([&] {
    const std::shared_ptr<Recording> recording = recording_of(bytes);
    for (const Clock clock : {Clock::modelled, Clock::measured})
      for (const double part : {0.0, 0.4, 1.0}) draw_all_panels(screen, *recording, clock, part);
  });
}

void is_sentence(const std::string& sentence) {
  const bool one_line = sentence.find('\n') == std::string::npos;
  INFO(sentence);
  CHECK(one_line);
  CHECK(sentence.rfind("[trace] ", 0) == 0);
}

// Checks that a damaged trace gives at most one sentence
void is_watched_or_refused(const std::string& bytes) {
  if (const std::string sentence = watch(bytes); !sentence.empty()) is_sentence(sentence);
}

// Exchanges numbers and words of the trace, which the file reader is less likely to detect than changed bytes
std::string shuffled(std::string bytes, Random& random) {
  const auto begin_of_value = [&] {
    const auto from = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(bytes.size())));
    return std::min(bytes.find(": ", from), bytes.size() - 2) + 2;
  };
  const auto value_at = [&](std::size_t begin) {
    return bytes.substr(begin, bytes.find_first_of(",}\n", begin) - begin);
  };
  const std::size_t to = begin_of_value();
  static const char* const strange[] = {"0",     "-1",     "1",       "2147483647", "9223372036854775807",
                                        "1e308", "-1e308", "\"inf\"", "[]",         "\"\""};
  const std::string value =
      random.below(2) ? strange[random.below(std::ssize(strange))] : value_at(begin_of_value());
  bytes.replace(to, value_at(to).size(), value);
  return bytes;
}

}  // namespace

TEST_CASE("a complete trace is shown") {
  for (const std::string& bytes : traces()) CHECK(watch(bytes) == "");
}

TEST_CASE("a trace that ends after any line is shown up to there") {
  for (const std::string& bytes : traces())
    for (std::size_t end = bytes.find('\n'); end + 1 < bytes.size(); end = bytes.find('\n', end + 1))
      CHECK(watch(bytes.substr(0, end + 1)) == "");
}

TEST_CASE("a trace that ends within a line is rejected with one sentence") {
  Random random(1);
  for (const std::string& bytes : traces())
    for (int n = 0; n < trials(100); ++n) {
      const auto end = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(bytes.size())));
      if (end == 0 || bytes[end] == '\n' || bytes[end - 1] == '\n') continue;
      is_sentence(watch(bytes.substr(0, end)));
    }
}

TEST_CASE("a trace with changed bytes is shown or rejected") {
  Random random(2);
  for (const std::string& bytes : traces())
    for (int n = 0; n < trials(150); ++n) {
      std::string damaged = bytes;
      for (int flips = 1 + static_cast<int>(random.below(3)); flips > 0; --flips) {
        char& byte = damaged[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(bytes.size())))];
        byte = random.below(2) ? static_cast<char>(random.below(256))
                               : static_cast<char>('0' + random.below(10));
      }
      is_watched_or_refused(damaged);
    }
}

TEST_CASE("a trace with exchanged numbers and words is shown or rejected") {
  Random random(3);
  for (const std::string& bytes : traces())
    for (int n = 0; n < trials(300); ++n) {
      std::string damaged = bytes;
      for (int times = 1 + static_cast<int>(random.below(3)); times > 0; --times)
        damaged = shuffled(damaged, random);
      is_watched_or_refused(damaged);
    }
}

TEST_CASE("a trace with missing or repeated lines is shown or rejected") {
  Random random(4);
  for (const std::string& bytes : traces())
    for (int n = 0; n < trials(60); ++n) {
      std::string damaged;
      for (std::size_t begin = 0; begin < bytes.size();) {
        const std::size_t end = bytes.find('\n', begin) + 1;
        const int times = begin == 0 || random.below(8) ? 1 : 2 * static_cast<int>(random.below(2));
        for (int i = 0; i < times; ++i) damaged += bytes.substr(begin, end - begin);
        begin = end;
      }
      is_watched_or_refused(damaged);
    }
}

TEST_CASE("a trace with any sequence lengths is shown") {
  const std::string bytes = traces().front();
  for (const char* const length : {"0", "7", "65536", "65537", "1000000", "9223372036854775807"})
    for (const std::vector<std::string>& fields :
         {std::vector<std::string>{"kv_seq"},
          {"batch", "heads", "kv_heads"},
          {"dim", "v_dim"},
          {"seq", "kv_seq"},
          {"batch", "seq", "kv_seq", "heads", "kv_heads", "dim", "v_dim"}}) {
      std::string changed = bytes;
      for (const std::string& field : fields) {
        const std::size_t value = changed.find("\"" + field + "\": ") + field.size() + 4;
        changed.replace(value, changed.find(',', value) - value, length);
      }
      is_watched_or_refused(changed);
    }
}

TEST_CASE("every key may be pressed while a damaged trace is shown") {
  Random random(5);
  HeadlessScreen screen(960, 540);
  for (const std::string& bytes : traces())
    for (int n = 0; n < trials(20); ++n) {
      Session session;
      const std::string refused = bad_input_message(
          [&] { session.open_recording(recording_of(shuffled(bytes, random)), "damaged"); });
      if (!refused.empty()) continue;
      for (int keys = 0; keys < 40; ++keys) {
        const Command& command = commands()[static_cast<std::size_t>(random.below(std::ssize(commands())))];
        if (command.id != "quit" && command.group != "Scenes") command.run(session);
        session.typing = false;
        session.advance(0.05);
      }
      screen.log(theme("light"), [&](Canvas& canvas) { draw_screen(canvas, screen.size(), session); });
    }
}

TEST_CASE("files of other kinds are rejected with one sentence") {
  const std::string png("\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16);
  for (const std::string& bytes :
       {std::string(), png, std::string("{}"), std::string("[1, 2, 3]\n"), std::string("\n\n\n"),
        std::string("Lorem ipsum\ndolor sit amet\n"), std::string(100000, '['), std::string(100000, '\0')})
    is_sentence(watch(bytes));
}
