#pragma once

#include <map>

#include "reference/files/safetensors.h"
#include "reference/trace/event.h"

namespace ringattn::cli {

// Collects what each device knows after each step, from the facts about its rows.
class StepStateSink : public TraceSink {
 public:
  explicit StepStateSink(int devices) : devices_(static_cast<std::size_t>(devices)) {}

  void write(const Event& event) override;

  // Tensors step{t}.device{r}.m and .l, (B, H, rows), .O, (B, rows, H, Dv), and .kv_owner, (1), whose block
  // was the last
  SafetensorsFile to_safetensors(const Shape& out, Dtype state) const;

 private:
  struct Step {
    int kv_owner = 0;
    std::vector<std::shared_ptr<const RowUpdate>> rows;
  };
  std::vector<std::map<int, Step>> devices_;
};

}  // namespace ringattn::cli
