#include "reference/python/parse_arguments.h"

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/device_count.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn::python {

Rotation parse_rotation(const std::string& rotate) {
  if (rotate == "kv") return Rotation::kv;
  if (rotate == "q") return Rotation::q;
  throw BadInput("[rotate] the block that travels around the ring is 'kv' or 'q'; found " +
                 in_quotes(rotate) + "; choose one of these");
}

int parse_devices(Index devices) {
  require_device_count("devices", devices);
  return static_cast<int>(devices);
}

int parse_threads(Index threads) {
  require(0 <= threads && threads <= max_devices, "[threads] the number of threads must be from 1 to ",
          max_devices, ", or 0 for one per device; found ", threads, "; choose another number");
  return static_cast<int>(threads);
}

TracedRows parse_traced_rows(const std::optional<std::vector<Index>>& rows, Index Sq) {
  TracedRows traced;
  for (const Index row : rows.value_or(std::vector<Index>())) {
    require(0 <= row && row < Sq, "[trace_rows] rows must be from 0 to ", Sq - 1, "; found ", row,
            "; choose rows of q");
    traced.rows.push_back(row);
  }
  return traced;
}

std::vector<CostModel> parse_costs(double ns_per_pair, const std::vector<double>& link_gbps,
                                   double link_latency_us, int devices) {
  const auto check = [](const char* name, double value, double least, double most) {
    require(value == 0 || (least <= value && value <= most), "[", name, "] the value must be 0 or from ",
            least, " to ", most, "; found ", value, "; choose another number");
  };
  // The ranges of --link-gbps and --link-latency-us
  check("ns_per_pair", ns_per_pair, 1e-6, 1e12);
  for (const double each : link_gbps) check("link_gbps", each, 1e-6, 1e12);
  check("link_latency_us", link_latency_us, 1e-3, 1e9);
  const auto count = static_cast<std::size_t>(devices);
  require(link_gbps.size() == 1 || link_gbps.size() == count, "[link_gbps] a ring of ", devices,
          " devices has one number for all links or one for each; found ", link_gbps.size(),
          "; pass a number or a list of that length");
  std::vector<CostModel> costs;
  for (std::size_t device = 0; device < count; ++device)
    costs.push_back({ns_per_pair, link_gbps[link_gbps.size() == 1 ? 0 : device], link_latency_us});
  return costs;
}

void reject_pair_terms(const char* operation, const ProblemArrays& inputs) {
  require(!inputs.without_numbers().has_pair_terms(), "[", operation,
          "] a bias, mask or keep belongs to pairs of rows, which do not travel with a block; found one; use "
          "causal, window_size, positions or segment ids, or call ringattn.attention");
}

}  // namespace ringattn::python
