// `ringattn recall`: continues a prompt with words of a long text, by exact attention on a ring.

#include "reference/cli/commands.h"

#include <fmt/core.h>

#include <algorithm>

#include "reference/cli/args/rule.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/output/progress.h"
#include "reference/cli/recall/induction_head.h"
#include "reference/cli/run/run_report.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/ring/schedule.h"

namespace ringattn::cli {

namespace {

struct RecallOptions {
  std::vector<std::filesystem::path> text;
  std::string prompt;
  std::optional<std::filesystem::path> json;  // a file, or "-"
  int words = 16;
  ParallelOptions parallel;
};

// A recalled word, and the place with the largest weight
struct RecalledWord {
  std::string word;
  Index key = 0;
  double weight = 0;  // sum over all places of this word
  SourceLocation location;
  int device = 0;  // that holds the key
  int step = 0;    // of the ring, at which the device of the query processes it
};

// The license texts of Debian systems, else those of this project
std::vector<std::filesystem::path> default_texts() {
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

// The word, its weight and its most attended place. Weights are P = exp(S - lse)
RecalledWord find_recalled_word(const InductionHead& head, const Text& text, const Problem<float>& problem,
                                const AttentionOutput<float>& found, const RingOptions& ring) {
  RecalledWord recalled;
  recalled.word = head.closest_word(found.out);

  // Sum the weights of all places of the word
  const Matrix<float> P = probabilities(problem, found.lse, 0, 0);
  float most = -1;
  for (Index i = 0; i < head.size(); ++i) {
    if (head.normalized_word(i) != recalled.word) continue;
    recalled.weight += static_cast<double>(P(0, i));
    if (P(0, i) > most) most = P(0, i), recalled.key = i;
  }

  // Find the device and the step of the key
  recalled.location = text.location(head.offset(recalled.key));
  recalled.device = device_of(recalled.key, ring, head.size());
  const int query_device = device_of(0, ring, 1);
  while (resident_owner(query_device, recalled.step, ring.devices) != recalled.device) ++recalled.step;
  return recalled;
}

// The recalled words, and the worst error of each tensor over all of them
struct Continuation {
  std::vector<RecalledWord> words;
  DefinitionCheck check;
};

void keep_worst(const DefinitionCheck& check, DefinitionCheck& worst) {
  if (worst.tensors.empty()) worst = check;
  for (std::size_t i = 0; i < check.tensors.size(); ++i)
    if (!(check.tensors[i].comparison.relative_error <= worst.tensors[i].comparison.relative_error))
      worst.tensors[i] = check.tensors[i];
}

Continuation recall(const RecallOptions& o, const InductionHead& head, const Text& text) {
  std::vector<std::string> words = InductionHead::tokenize(o.prompt);
  require(!words.empty(),
          "[recall] the prompt must have at least one word; found none; try --prompt \"The precise terms\"");
  require(head.contains_any(words), "[recall] one of the last ", InductionHead::context,
          " words of the prompt must occur in the text; found none in ", in_quotes(o.prompt),
          "; use words of the text, or choose another --text");
  RingOptions ring = o.parallel.ring_options();
  ProgressSink progress(o.words * std::int64_t{ring.devices} * ring.devices);
  Recorders recorders = make_recorders(progress, ring.devices, {});
  ring.recorders = &recorders;

  OwnedProblem<float> inputs;
  inputs.K = head.keys(), inputs.V = head.values();
  inputs.q_positions = consecutive_positions(1), inputs.kv_positions = consecutive_positions(head.size());
  inputs.scoring.softmax_scale = InductionHead::softmax_scale;
  Continuation continuation;
  for (int n = 0; n < o.words; ++n) {
    inputs.Q = head.query(words);
    const AttentionOutput<float> found = ring_attention(inputs.problem(), ring);
    keep_worst(check_against_definition<float>(inputs, ring, found, nullptr), continuation.check);
    continuation.words.push_back(find_recalled_word(head, text, inputs.problem(), found, ring));
    words.push_back(continuation.words.back().word);
  }
  return continuation;
}

std::string continuation_text(const InductionHead& head, const Continuation& continuation) {
  std::string line;
  for (const RecalledWord& r : continuation.words) line += (line.empty() ? "" : " ") + head.word(r.key);
  return line;
}

void print(const RecallOptions& o, const InductionHead& head, const Continuation& continuation) {
  fmt::print(
      "{} words in {} files, distributed over {} devices ({}); each new word attends to all of them\n\n",
      head.size(), o.text.size(), o.parallel.devices, o.parallel.layout);
  fmt::print("{:<16} weight  device  step  where\n", "word");
  for (const RecalledWord& r : continuation.words)
    fmt::print("{:<16} {:6.3f} {:7} {:5}  {}:{}\n", head.word(r.key), r.weight, r.device, r.step,
               r.location.file, r.location.line);
  fmt::print("\n{} ... {}\n\n", o.prompt, continuation_text(head, continuation));
  fmt::print(
      "The attention output for each word was compared with full attention in float64; the worst errors:\n");
  print(continuation.check.tensors);
  fmt::print("{}\n", continuation.check.passed()
                         ? "exact: the ring equals full attention up to rounding"
                         : "wrong: the ring differs from full attention by more than rounding");
}

Json to_json(const RecallOptions& o, const InductionHead& head, const Continuation& continuation) {
  Json words = Json::array();
  for (const RecalledWord& r : continuation.words)
    words.push_back({{"word", head.word(r.key)},
                     {"weight", number(r.weight)},
                     {"file", r.location.file},
                     {"line", r.location.line},
                     {"device", r.device},
                     {"step", r.step}});
  return {{"prompt", o.prompt},
          {"continuation", continuation_text(head, continuation)},
          {"keys", head.size()},
          {"devices", o.parallel.devices},
          {"layout", o.parallel.layout},
          {"words", words},
          {"result", to_json(continuation.check)}};
}

int run(RecallOptions& o) {
  JsonOutput json(o.json);
  if (o.text.empty()) o.text = default_texts();
  const Text text = read_text(o.text);
  const InductionHead head(text);
  const Continuation continuation = recall(o, head, text);
  json.write("", to_json(o, head, continuation));
  if (json.shows_text()) print(o, head, continuation);
  return continuation.check.passed() ? 0 : 1;
}

}  // namespace

void add_recall(Program& program) {
  Command* command = program.add_command(
      "recall", "Continue a prompt by exact attention over a text that is distributed over devices");
  const auto o = std::make_shared<RecallOptions>();
  o->parallel.devices = 8;
  command->footer(
      "Examples:\n"
      "  ringattn recall --prompt \"The precise terms and conditions for\"\n"
      "  ringattn recall --text book.txt notes.txt --prompt \"It was the best of\" --words 30 --devices 16");
  command->add_option("--text", o->text, "text files (default: the license texts of this system)")
      ->check(not_empty())
      ->type_name("FILE...");
  command->add_option("--prompt", o->prompt, "words to continue (required)")->type_name("STRING")->required();
  command->add_option("--words", o->words, "number of words to recall")
      ->check(whole_number(1, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  add_json_option(*command, o->json);
  add_parallel_options(*command, o->parallel, {"threads", "lockstep"});
  command->action([o] { return run(*o); });
}

}  // namespace ringattn::cli
