#pragma once

#include <map>

#include "reference/files/tensors/safetensors.h"
#include "reference/trace/event.h"

namespace ringattn::cli {

// Collects the state of each device after each step, from the row events.
class StepStateSink : public TraceSink {
 public:
  explicit StepStateSink(int devices) : devices_(static_cast<std::size_t>(devices)) {}

  void write(const Event& event) override;

  // Tensors step{t}.device{r}.m and .l, (B, H, rows); .O, (B, rows, H, Dv); .kv_owner, (1): owner of the step's K/V
  // block
  SafetensorsFile to_safetensors(const Shape& out, Dtype state) const;

 private:
  struct Step {
    int kv_owner = 0;
    std::vector<std::shared_ptr<const RowUpdate>> rows;
  };
  std::vector<std::map<int, Step>> devices_;
};

}  // namespace ringattn::cli
