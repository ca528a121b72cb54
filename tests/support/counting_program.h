#pragma once

#include "reference/comm/in_process/in_process_transport.h"
#include "reference/ring/ring_attention.h"
#include "reference/ring/run_programs.h"

namespace ringattn {

// A device program without attention, which tests the communication alone: row n of the block of device r holds the
// number 1000 r + n, and device r contributes 2^r to the result of every block.
class CountingProgram : public DeviceProgram<double> {
 public:
  CountingProgram(int device, bool has_results) : device_(device), has_results_(has_results) {}

  struct Visit {
    int step = 0, owner = 0;
    bool operator==(const Visit&) const = default;
  };
  std::vector<Visit> visits;
  bool intact = true;                           // every block arrived unchanged
  double returned_total = 0;                    // the sum of all contributions to the own block
  std::function<void(int step)> before_attend;  // called at the beginning of attend, if set

  Block<double> own_block() override { return {device_, nullptr, {coded(device_)}}; }

  Block<double> attend(int step, const Block<double>& resident) override {
    if (before_attend) before_attend(step);
    visits.push_back({step, resident.owner});
    const auto expected = coded(resident.owner);
    intact &= resident[0].shape() == expected->shape() && resident[0].head(0, 0) == expected->head(0, 0);
    return has_results_ ? contribution(resident.owner, static_cast<double>(std::int64_t{1} << device_))
                        : Block<double>{};
  }

  void accumulate(int, Block<double>& result, Block<double> arrived) override {
    intact &= arrived.owner == result.owner;
    result = contribution(result.owner, number(result) + number(arrived));
  }

  void accept_results(Block<double> result) override {
    intact &= result.owner == device_;
    returned_total = number(result);
  }

  PassDescription description() const override {
    return {"counting", "block", has_results_ ? "result" : "", {}};
  }
  BlockWork work_with(const Block<double>&) const override { return {}; }

 private:
  // The rows of the block of _owner_: 0, 1 or 2 of them
  static std::shared_ptr<Tensor<double>> coded(int owner) {
    Tensor<double> rows({1, owner % 3, 1, 1});
    for (Index n = 0; n < rows.size(); ++n) rows.data()[n] = 1000.0 * owner + static_cast<double>(n);
    return shared(std::move(rows));
  }
  static Block<double> contribution(int owner, double number) {
    Tensor<double> one({1, 1, 1, 1});
    one.data()[0] = number;
    return {owner, nullptr, {shared(std::move(one))}};
  }
  static double number(const Block<double>& block) { return *block[0].data(); }

  int device_;
  bool has_results_;
};

inline std::vector<CountingProgram> counting_programs(int devices, bool has_results) {
  std::vector<CountingProgram> programs;
  for (int device = 0; device < devices; ++device) programs.emplace_back(device, has_results);
  return programs;
}

// Runs one pass of the programs around a ring in this process
inline void run_counting_programs(std::vector<CountingProgram>& programs, RingOptions options,
                                  const LinkDecorator<double>& decorate = {}) {
  options.devices = static_cast<int>(programs.size());
  std::vector<ScheduledProgram<double>> scheduled;
  for (int device = 0; device < options.devices; ++device)
    scheduled.push_back(
        {device, ring_schedule(device, options.devices), &programs[static_cast<std::size_t>(device)]});
  InProcessTransport<double> transport(options.devices, options.threads, options.exchange, decorate);
  run_programs(scheduled, all_routes(ring_schedule, options.devices), options, transport);
}

}  // namespace ringattn
