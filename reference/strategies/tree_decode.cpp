#include "reference/strategies/tree_decode.h"

#include <bit>
#include <numeric>

#include "reference/ring/forward_pass.h"
#include "reference/ring/programs/forward_q.h"
#include "reference/ring/record/recorded_program.h"

namespace ringattn {

Schedule tree_schedule(int device, int devices) {
  const int cube = static_cast<int>(std::bit_floor(static_cast<unsigned>(devices)));
  const auto rounds = static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(cube)));
  // The device beyond the cube, if any, whose state this device takes
  const int folded = device % cube + cube;

  // The own keys, one step for each exchange, the unfolding, the result
  Schedule tree;
  tree.steps.resize(rounds + 3);
  for (std::size_t step = 1; step < tree.steps.size(); ++step) tree.steps[step].attends = false;
  if (device >= cube) {
    tree.steps.front().results_to = device - cube;
    tree.own_results_from = {device - cube};
    return tree;
  }

  // A state that arrives is merged at the start of the next step, before that step sends the result
  for (Step& step : tree.steps) step.keeps_results = true;
  if (folded < devices) tree.steps[1].results_from = {folded};
  for (std::size_t round = 0; round < rounds; ++round) {
    const int partner = device ^ 1 << round;
    tree.steps[round + 1].results_to = partner;
    tree.steps[round + 2].results_from = {partner};
  }
  if (folded < devices) tree.steps[tree.steps.size() - 2].results_to = folded;
  tree.steps.back().results_to = device;
  tree.steps.back().keeps_results = false;
  return tree;
}

namespace {

template <class T>
Block<T> copy_of(const Block<T>& block) {
  Block<T> copy;
  copy_tensors(block, copy);
  return copy;
}

// All queries and the own keys of one device. Sinks count once: on device 0.
template <class T>
class TreeProgram : public ForwardQ<T> {
 public:
  TreeProgram(std::unique_ptr<RingConfig> config, QueryShard<T> queries, KvShard<T> kv)
      : ForwardQ<T>(*config, std::move(queries), std::move(kv)), config_(std::move(config)) {}

  // A state that was sent and stays is shared with its receiver, if blocks are moved. So both work on copies
  void accumulate(int step, Block<T>& result, Block<T> arrived) override {
    result = copy_of(result);
    ForwardQ<T>::accumulate(step, result, copy_of(arrived));
  }
  void accept_results(Block<T> results) override { ForwardQ<T>::accept_results(copy_of(results)); }

 private:
  std::unique_ptr<RingConfig> config_;
};

template <class T>
std::unique_ptr<TreeProgram<T>> tree_program(const Problem<T>& problem, const RingOptions& options,
                                             int device) {
  auto config = std::make_unique<RingConfig>(
      ring_config(problem, options.layout, options.devices,
                  buffer_counts(tree_schedule(device, options.devices), device)));
  config->q_rows = problem.Q.shape.S;
  if (device > 0) config->scoring.sinks.clear();
  std::vector<Index> all_rows(static_cast<std::size_t>(problem.Q.shape.S));
  std::iota(all_rows.begin(), all_rows.end(), 0);
  return std::make_unique<TreeProgram<T>>(std::move(config), query_shard(problem, device, all_rows),
                                          kv_shard(problem, options.layout, device, options.devices));
}

}  // namespace

template <class T>
std::vector<AttentionOutput<T>> tree_attention(const Problem<T>& problem, const RingOptions& options,
                                               Transport<T>& transport) {
  std::vector<std::unique_ptr<ForwardProgram<T>>> programs;
  std::vector<std::unique_ptr<DeviceProgram<T>>> decorators;
  std::vector<ScheduledProgram<T>> scheduled;
  const DeviceRange local = transport.local_devices();
  for (int device = local.begin; device < local.end; ++device) {
    programs.push_back(tree_program(problem, options, device));
    DeviceProgram<T>* running = programs.back().get();
    if (options.recorders) {
      Recorder& recorder = (*options.recorders)[static_cast<std::size_t>(device)];
      decorators.push_back(std::make_unique<RecordedProgram<T>>(*programs.back(), recorder));
      running = decorators.back().get();
    }
    scheduled.push_back({device, tree_schedule(device, options.devices), running});
  }
  run_programs(scheduled, all_routes(tree_schedule, options.devices), options, transport);

  std::vector<AttentionOutput<T>> results;
  for (const auto& program : programs) results.push_back(program->state().finish());
  return results;
}

template std::vector<AttentionOutput<float>> tree_attention(const Problem<float>&, const RingOptions&,
                                                            Transport<float>&);
template std::vector<AttentionOutput<double>> tree_attention(const Problem<double>&, const RingOptions&,
                                                             Transport<double>&);

}  // namespace ringattn
