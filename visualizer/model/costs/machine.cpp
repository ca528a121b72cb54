#include "visualizer/model/costs/machine.h"

namespace ringattn::viz {

const std::vector<Machine>& machines() {
  static const std::vector<Machine> table = {{"A100, NVLink", 312, 300},
                                             {"A100, InfiniBand", 312, 12.5},
                                             {"TPUv3", 123, 112},
                                             {"TPUv4", 275, 268},
                                             {"TPUv5e", 196, 186}};
  return table;
}

}  // namespace ringattn::viz
