#include "reference/cli/recall.h"

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <algorithm>

#include "reference/cli/progress.h"
#include "reference/cli/run_report.h"
#include "reference/cli/values.h"
#include "reference/cli/word_memory.h"
#include "reference/definition/bad_input.h"
#include "reference/files/output_file.h"
#include "reference/ring/schedule.h"

namespace ringattn::cli {

namespace {

struct RecallOptions {
  std::vector<std::filesystem::path> text;
  std::string prompt;
  std::optional<std::filesystem::path> json;  // a file, or "-"
  int words = 16;
  SpreadOptions spread;
};

// A word that was recalled, and the place that got most of the attention
struct Recalled {
  std::string word;
  Index key = 0;
  double weight = 0;  // of all places where this word follows, together
  Place place;
  int device = 0;  // that holds the key
  int step = 0;    // of the ring, at which the query's device met it
};

// The licences that each Debian machine has, else the text of this project
std::vector<std::filesystem::path> usual_texts() {
  namespace fs = std::filesystem;
  std::vector<fs::path> texts;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator("/usr/share/common-licenses", none))
    if (entry.is_regular_file(none) && !entry.is_symlink(none)) texts.push_back(entry.path());
  std::sort(texts.begin(), texts.end());
  if (texts.empty()) texts = {RINGATTN_SOURCE_DIR "/LICENSE", RINGATTN_SOURCE_DIR "/README.md"};
  return texts;
}

int device_of(Index row, const RingOptions& ring, Index N) {
  for (int device = 0; device < ring.devices; ++device) {
    const std::vector<Index> rows = rows_of_device(ring.layout, device, ring.devices, N);
    if (std::binary_search(rows.begin(), rows.end(), row)) return device;
  }
  return -1;
}

// Which word it is, which of its places got most, and how much all of them got: weights are exp(score - lse)
// with the exact lse
Recalled look_up(const WordMemory& memory, const Text& text, const Problem<float>& problem,
                 const Attended<float>& found, const RingOptions& ring) {
  Recalled recalled;
  recalled.word = memory.closest_word(found.out);
  const Matrix<float> P = probabilities(problem, found.lse, 0, 0);
  float most = -1;
  for (Index i = 0; i < memory.size(); ++i) {
    if (memory.compared_word(i) != recalled.word) continue;
    recalled.weight += static_cast<double>(P(0, i));
    if (P(0, i) > most) most = P(0, i), recalled.key = i;
  }
  recalled.place = text.place(memory.offset(recalled.key));
  recalled.device = device_of(recalled.key, ring, memory.size());
  const int query_device = device_of(0, ring, 1);
  while (block_owner(query_device, recalled.step, ring.devices) != recalled.device) ++recalled.step;
  return recalled;
}

// The words, and of all checks against the definition the worst
struct Continuation {
  std::vector<Recalled> words;
  SelfCheck check;
};

void keep_worst(const SelfCheck& check, SelfCheck& worst) {
  if (worst.tensors.empty()) worst = check;
  for (std::size_t i = 0; i < check.tensors.size(); ++i)
    if (!(check.tensors[i].comparison.relative_error <= worst.tensors[i].comparison.relative_error))
      worst.tensors[i] = check.tensors[i];
}

Continuation recall(const RecallOptions& o, const WordMemory& memory, const Text& text) {
  std::vector<std::string> words = WordMemory::words_of(o.prompt);
  require(
      !words.empty(),
      "[recall] a prompt of at least one word is wanted; found none; give --prompt \"The precise terms\"");
  require(memory.knows_any(words), "[recall] the last ", WordMemory::context,
          " words of the prompt must have one that the text has; found none in ", in_quotes(o.prompt),
          "; take words from the text, or give another --text");
  RingOptions ring = o.spread.ring();
  Progress progress(o.words * std::int64_t{ring.devices} * ring.devices);
  Recorders pens = recorders(progress, ring.devices, {});
  ring.facts = &pens;

  Case<float> c;
  c.K = memory.keys(), c.V = memory.values();
  c.q_tokens = consecutive_tokens(1), c.kv_tokens = consecutive_tokens(memory.size());
  c.scoring.softmax_scale = WordMemory::sharpness;
  Continuation continuation;
  for (int n = 0; n < o.words; ++n) {
    c.Q = memory.query(words);
    const Attended<float> found = ring_attention(c.problem(), ring);
    keep_worst(check_against_definition<float>(c, ring, found, nullptr), continuation.check);
    continuation.words.push_back(look_up(memory, text, c.problem(), found, ring));
    words.push_back(continuation.words.back().word);
  }
  return continuation;
}

std::string joined(const WordMemory& memory, const Continuation& continuation) {
  std::string line;
  for (const Recalled& r : continuation.words) line += (line.empty() ? "" : " ") + memory.word(r.key);
  return line;
}

void print(const RecallOptions& o, const WordMemory& memory, const Continuation& continuation) {
  fmt::print(
      "{} words in {} files, spread over {} devices ({}); exact attention over all of them, word by word\n\n",
      memory.size(), o.text.size(), o.spread.devices, o.spread.layout);
  fmt::print("{:<16} weight  device  step  where\n", "word");
  for (const Recalled& r : continuation.words)
    fmt::print("{:<16} {:6.3f} {:7} {:5}  {}:{}\n", memory.word(r.key), r.weight, r.device, r.step,
               r.place.file, r.place.line);
  fmt::print("\n{} ... {}\n\n", o.prompt, joined(memory, continuation));
  fmt::print("What each word read was checked against full attention in float64; the worst of them:\n");
  print(continuation.check.tensors);
  fmt::print("{}\n", continuation.check.right()
                         ? "exact: the ring gives what full attention gives, to rounding"
                         : "wrong: more than rounding lies between the ring and full attention");
}

Json to_json(const RecallOptions& o, const WordMemory& memory, const Continuation& continuation) {
  Json words = Json::array();
  for (const Recalled& r : continuation.words)
    words.push_back({{"word", memory.word(r.key)},
                     {"weight", number(r.weight)},
                     {"file", r.place.file},
                     {"line", r.place.line},
                     {"device", r.device},
                     {"step", r.step}});
  return {{"prompt", o.prompt},
          {"continuation", joined(memory, continuation)},
          {"keys", memory.size()},
          {"devices", o.spread.devices},
          {"layout", o.spread.layout},
          {"words", words},
          {"result", to_json(continuation.check)}};
}

int run(RecallOptions& o) {
  std::optional<OutputFile> file;
  if (o.json && *o.json != "-") file.emplace(*o.json);
  if (o.text.empty()) o.text = usual_texts();
  const Text text = read_text(o.text);
  const WordMemory memory(text);
  const Continuation continuation = recall(o, memory, text);
  if (file) {
    file->stream() << pretty(to_json(o, memory, continuation));
    file->commit();
  }
  if (o.json && *o.json == "-")
    fmt::print("{}", pretty(to_json(o, memory, continuation)));
  else
    print(o, memory, continuation);
  return continuation.check.right() ? 0 : 1;
}

}  // namespace

Action add_recall(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "recall", "Answer a prompt by exact attention over a whole text, spread over devices");
  const auto o = std::make_shared<RecallOptions>();
  o->spread.devices = 8;
  command->footer(
      "Examples:\n"
      "  ringattn recall --prompt \"The precise terms and conditions for\"\n"
      "  ringattn recall --text book.txt notes.txt --prompt \"It was the best of\" --words 30 --devices 16");
  command->add_option("--text", o->text, "text files (default: the licence texts of this system)")
      ->type_name("FILE...");
  command->add_option("--prompt", o->prompt, "words to go on from (required)")
      ->type_name("STRING")
      ->required();
  command->add_option("--words", o->words, "how many words to recall")
      ->check(whole_number(1, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--json", o->json, "the result for programs; - is standard output")
      ->check(not_empty())
      ->type_name("FILE|-");
  add_spread_options(*command, o->spread, {"threads", "lockstep"});
  return [o] { return run(*o); };
}

}  // namespace ringattn::cli
