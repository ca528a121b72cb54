#include "reference/python/parse_arguments.h"

#include "reference/definition/bad_input.h"
#include "reference/definition/device_count.h"
#include "reference/definition/in_quotes.h"

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

void reject_pair_terms(const char* operation, const ProblemArrays& inputs) {
  require(
      !inputs.has_pairs(), "[", operation,
      "] a bias or boolean mask belongs to pairs of rows, which do not travel with a block; found one; use "
      "causal, window_size, positions or segment ids, or call ringattn.attention");
}

}  // namespace ringattn::python
