#include "reference/cli/bench/gpu_bench_run.h"
#include "reference/cli/args/command.h"


#include "reference/cli/run/backend.h"
#include "reference/cli/bench/gpu_bench_report.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/output/progress.h"
#include "reference/cli/args/rule.h"
#include "reference/definition/bad_input.h"

namespace ringattn::cli {

namespace {

constexpr int widest_head = 128;

void require_sensible(const GpuBenchSizes& sizes) {
  require(sizes.shortest <= sizes.longest, "[bench] --shortest must not exceed --longest; found ",
          sizes.shortest, " and ", sizes.longest, "; change one of them");
  require(sizes.columns % widest_head == 0, "[bench] --columns must be a multiple of ", widest_head,
          ", so that heads of 64 and 128 fill them; found ", sizes.columns, "; round it");
}

int problems(const GpuBenchSizes& sizes) {
  int lengths = 0;
  for (int N = sizes.shortest; N <= sizes.longest; N *= 2) ++lengths;
  return 8 * lengths;  // forward and backward, d = 64 and 128, full and causal
}

bool begins_problem(const std::vector<LadderRow>& ladder) {
  return ladder.size() == 1 || !ladder.back().same_problem(ladder[ladder.size() - 2]);
}

}  // namespace

void add_gpu_bench_options(Command& command, GpuBenchSizes& sizes) {
  const auto count = [&](const char* name, int& variable, int most, const char* description) {
    command.add_option(name, variable, description)
        ->check(whole_number(1, static_cast<std::uint64_t>(most)))
        ->type_name("N")
        ->capture_default_str()
        ->group("With --backend gpu");
  };
  constexpr int million = 1 << 20;
  count("--shortest", sizes.shortest, million, "tokens of the shortest sequences; each is twice the last");
  count("--longest", sizes.longest, million, "no sequence has more tokens");
  count("--tokens", sizes.tokens, million, "tokens of a batch, where a sequence has fewer");
  count("--columns", sizes.columns, 1 << 16, "columns of all heads together, a multiple of 128");
  count("--runs", sizes.runs, 1000, "runs, of which the median counts");
  count("--ring-devices", sizes.ring_devices, 32, "virtual devices of the rings");
  count("--ring-tokens", sizes.ring_tokens, million, "tokens of each of them");
  count("--long-ring", sizes.long_ring, 1 << 24, "tokens of one long causal run");
}

int run_gpu_bench(const GpuBenchSizes& sizes, const std::optional<std::filesystem::path>& json) {
  require_sensible(sizes);
  require_gpu();
  JsonOutput output(json);
  const bool for_people = json != "-";
  ProgressBar progress(problems(sizes), "problems");
  const GpuBench bench = bench_on_gpu(sizes, [&](const GpuBench& so_far) {
    progress.clear();
    if (for_people) so_far.ladder.empty() ? print_head(so_far, sizes) : print_row(so_far.ladder.back());
    if (!so_far.ladder.empty() && begins_problem(so_far.ladder)) progress.advance();
  });
  progress.clear();
  if (for_people) print_rings(bench);
  output.write("", to_json(bench, sizes));
  return 0;
}

}  // namespace ringattn::cli
