#include "visualizer/session/sequence_parameters.h"

#include "visualizer/session/choices.h"

namespace ringattn::viz {

namespace {

std::vector<std::int64_t> powers_of_two(int first, int last) {
  std::vector<std::int64_t> powers;
  for (int power = first; power <= last; ++power) powers.push_back(std::int64_t{1} << power);
  return powers;
}

const std::vector<std::int64_t> token_counts = powers_of_two(10, 27), device_counts = powers_of_two(0, 10);

}  // namespace

const std::vector<Parameter>& sequence_parameters() {
  static const std::vector<Parameter> table = {
      {"long_tokens", "tokens, N", [](const RunConfig& c) { return std::to_string(c.sequence.tokens); },
       [](RunConfig& c, int by) { c.sequence.tokens = next_of(token_counts, c.sequence.tokens, by); },
       [](const RunConfig& c) { return place_of(token_counts, c.sequence.tokens); },
       [](RunConfig& c, double place) { c.sequence.tokens = choice_at(token_counts, place); }},
      {"long_devices", "devices of the ring, P",
       [](const RunConfig& c) { return std::to_string(c.sequence.devices); },
       [](RunConfig& c, int by) {
         c.sequence.devices = static_cast<int>(next_of<std::int64_t>(device_counts, c.sequence.devices, by));
       },
       [](const RunConfig& c) { return place_of<std::int64_t>(device_counts, c.sequence.devices); },
       [](RunConfig& c, double place) {
         c.sequence.devices = static_cast<int>(choice_at(device_counts, place));
       }},
  };
  return table;
}

}  // namespace ringattn::viz
