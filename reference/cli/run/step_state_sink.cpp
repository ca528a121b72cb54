#include "reference/cli/run/step_state_sink.h"

namespace ringattn::cli {

void StepStateSink::write(const Event& event) {
  if (event.kind != EventKind::row) return;
  Step& step = devices_[static_cast<std::size_t>(event.id.device)][event.step];
  step.kv_owner = event.owner;
  step.rows.push_back(event.row);
}

SafetensorsFile StepStateSink::to_safetensors(const Shape& out, Dtype state) const {
  SafetensorsFile file;
  for (std::size_t device = 0; device < devices_.size(); ++device)
    for (const auto& [t, step] : devices_[device]) {
      // Events come in the order row, sequence, head
      const Index rows = static_cast<Index>(step.rows.size()) / (out.B * out.H);
      Tensor<double> m = row_tensor<double>(out.B, rows, out.H), l = m, O({out.B, rows, out.H, out.D});
      auto update = step.rows.begin();
      for (Index i = 0; i < rows; ++i)
        for (Index b = 0; b < out.B; ++b)
          for (Index h = 0; h < out.H; ++h, ++update) {
            m(b, i, h, 0) = (*update)->m_after;
            l(b, i, h, 0) = (*update)->l_after;
            for (Index d = 0; d < out.D; ++d) O(b, i, h, d) = (*update)->O_after[static_cast<std::size_t>(d)];
          }
      const std::string name = "step" + std::to_string(t) + ".device" + std::to_string(device);
      file.tensors[name + ".m"] = stored_row_tensor<double>(m, state);
      file.tensors[name + ".l"] = stored_row_tensor<double>(l, state);
      file.tensors[name + ".O"] = stored_tensor<double>(O, state, Axes::bshd);
      file.tensors[name + ".kv_owner"] = stored_integers({step.kv_owner});
    }
  return file;
}

}  // namespace ringattn::cli
