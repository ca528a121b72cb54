#include <fmt/core.h>

#include <algorithm>

#include "reference/oracle/report/report.h"

namespace ringattn {

namespace {

constexpr int max_table_devices = 16;  // a wider table does not fit on a line

// Devices down, steps across
std::string table_of(const std::vector<StateVerdict>& states, int devices) {
  std::string text = "                  ";
  for (int step = 0; step < devices; ++step) text += fmt::format("{:>9}", fmt::format("step {}", step));
  for (int device = 0; device < devices; ++device) {
    text += fmt::format("\n         device {:<2}", device);
    for (int step = 0; step < devices; ++step) {
      const auto found = std::find_if(states.begin(), states.end(), [&](const StateVerdict& state) {
        return state.step == step && state.device == device;
      });
      text += found == states.end() ? fmt::format("{:>9}", "-") : fmt::format("{:>9.2g}", found->ratio);
    }
  }
  return text + "\n";
}

}  // namespace

std::string text_of(const std::vector<StateVerdict>& states, int devices) {
  std::string text = "STEPS    largest error of each device's state after each step, in tolerances\n";
  if (devices <= max_table_devices) text += table_of(states, devices);
  const StateVerdict* wrong = first_wrong(states);
  if (!wrong) return text + fmt::format("         all {} states are right\n", states.size());
  text += fmt::format("         first wrong: step {}, device {}, which must process the block of device {}",
                      wrong->step, wrong->device, wrong->kv_owner);
  return text + (wrong->right_block ? "\n" : ", but processed another one\n");
}

}  // namespace ringattn
