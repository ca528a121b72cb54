#include "reference/cli/args/input_source.h"

#include <algorithm>

#include "reference/definition/bad_input.h"
#include "reference/files/tensors/safetensors.h"
#include "reference/files/tensors/stored_tensor.h"

namespace ringattn::cli {

namespace {

// The shapes of generated tensors, or of the tensors that represent a text
InputShapes shapes_from_options(const ProblemOptions& o, const std::optional<Text>& text) {
  const Index B = text ? 1 : o.batch, Sq = text ? static_cast<Index>(text->bytes().size()) : o.seq,
              Skv = text ? Sq : o.kv_seq.value_or(o.seq), Hkv = o.kv_heads.value_or(o.heads);
  return {{B, Sq, o.heads, o.dim}, {B, Skv, Hkv, o.dim}, {B, Skv, Hkv, o.v_dim.value_or(o.dim)}};
}

Shape shape_in_file(const SafetensorsHeader& header, const char* name) {
  return tensor_shape(name, header.at(name).shape, Axes::bshd);
}

void require_one_type(const SafetensorsHeader& header) {
  const Dtype dtype = header.at("q").dtype;
  for (const char* name : {"k", "v", "dout"})
    require(!header.has(name) || header.at(name).dtype == dtype,
            "[--input] all tensors must have one type; found q in ", ringattn::name(dtype), " and ", name,
            " in ", header.has(name) ? ringattn::name(header.at(name).dtype) : "", "; convert one of them");
}

}  // namespace

InputSource::InputSource(const ProblemOptions& options) : dtype(parse_dtype(options.dtype)) {
  if (options.input) {
    header = read_safetensors_header(*options.input);
    dtype = header->at("q").dtype;
    require_one_type(*header);
    shapes = {shape_in_file(*header, "q"), shape_in_file(*header, "k"), shape_in_file(*header, "v")};
    return;
  }
  if (!options.text.empty()) text = read_text(options.text);
  shapes = shapes_from_options(options, text);
}

double InputSource::bytes_of_problem(double element_bytes) const {
  const Shape out = shapes.out(), rows{out.B, out.S, out.H, 1};
  const double elements = element_count(shapes.q) + element_count(shapes.k) + element_count(shapes.v) +
                          element_count(out) + element_count(rows);
  return element_bytes * elements + bytes_of_positions() +
         (text ? static_cast<double>(text->bytes().size()) : 0);
}

double InputSource::bytes_of_positions() const {
  const double sequences = header ? static_cast<double>(shapes.q.B) : 1;
  return sizeof(RowPosition) * sequences * static_cast<double>(shapes.q.S + shapes.k.S);
}

double InputSource::bytes_to_make(double element_bytes) const {
  double source = 0;
  // The whole file is in memory while its tensors are converted
  if (header && !header->tensors.empty()) source = static_cast<double>(header->tensors.back().end);
  // Tensors of a text are made one after the other, from random vectors of the 256 byte values
  if (text) {
    const auto vectors = [](Shape shape) { return shape.S = 256, element_count(shape); };
    source = element_bytes * std::max({vectors(shapes.q), vectors(shapes.k), vectors(shapes.v)});
  }
  return bytes_of_problem(element_bytes) + source;
}

double element_count(const Shape& shape) {
  return static_cast<double>(shape.B) * static_cast<double>(shape.S) * static_cast<double>(shape.H) *
         static_cast<double>(shape.D);
}

}  // namespace ringattn::cli
