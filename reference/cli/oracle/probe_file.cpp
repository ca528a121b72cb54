#include "reference/cli/oracle/probe_file.h"

#include <fmt/core.h>

#include "reference/definition/input/axis_order.h"

namespace ringattn::cli {

namespace {

// One field of each row, (sequences, S)
Matrix<std::int64_t> field_rows(const RowPositions& positions, std::int64_t RowPosition::*field) {
  Matrix<std::int64_t> rows(positions.sequences(), positions.length());
  for (Index b = 0; b < rows.rows(); ++b)
    for (Index i = 0; i < rows.cols(); ++i) rows(b, i) = positions.of(b)[static_cast<std::size_t>(i)].*field;
  return rows;
}

// Positions and segment ids of one side ("q" or "kv"), where they are not the defaults
void add_positions(const std::string& side, const RowPositions& positions, const RowPositions& defaults,
                   SafetensorsFile& file) {
  const auto add = [&](const char* name, std::int64_t RowPosition::*field) {
    const Matrix<std::int64_t> rows = field_rows(positions, field), expected = field_rows(defaults, field);
    if (rows.rows() != expected.rows() || rows != expected)
      file.tensors[side + name] = stored_integer_rows(rows);
  };
  add("_positions", &RowPosition::position);
  add("_segment_ids", &RowPosition::segment);
}

}  // namespace

SafetensorsFile probe_to_safetensors(const Probe& probe, CausalAlign align, const ParallelOptions& parallel,
                                     Dtype dtype) {
  // The tensors
  SafetensorsFile file;
  file.tensors["q"] = stored_tensor<double>(probe.Q, dtype, Axes::bshd);
  file.tensors["k"] = stored_tensor<double>(probe.K, dtype, Axes::bshd);
  file.tensors["v"] = stored_tensor<double>(probe.V, dtype, Axes::bshd);
  file.tensors["dout"] = stored_tensor<double>(probe.dout, dtype, Axes::bshd);
  if (probe.dlse.size() > 0)
    file.tensors["dlse"] =
        stored_row_tensor<double>(probe.dlse, dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32);

  const Index Sq = probe.Q.shape().S, Skv = probe.K.shape().S;
  add_positions("q", probe.q_positions, consecutive_positions(Sq, causal_offset(align, Sq, Skv)), file);
  add_positions("kv", probe.kv_positions, consecutive_positions(Skv), file);

  // The options
  const Mask& mask = probe.scoring.mask;
  file.metadata["probe"] = probe.kind;
  file.metadata["axes"] = name(Axes::bshd);
  file.metadata["devices"] = std::to_string(parallel.devices);
  file.metadata["layout"] = parallel.layout;
  if (mask.causal) file.metadata["causal"] = "true";
  if (mask.window_left >= 0 || mask.window_right >= 0)
    file.metadata["window"] = std::to_string(mask.window_left) + "," + std::to_string(mask.window_right);
  if (probe.scoring.softmax_scale)
    file.metadata["softmax_scale"] = fmt::format("{}", *probe.scoring.softmax_scale);
  if (probe.scoring.softcap > 0) file.metadata["softcap"] = fmt::format("{}", probe.scoring.softcap);
  if (Sq != Skv) file.metadata["causal_align"] = align == CausalAlign::top_left ? "top-left" : "bottom-right";
  return file;
}

}  // namespace ringattn::cli
