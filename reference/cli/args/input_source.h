#pragma once

#include <optional>

#include "reference/cli/args/options.h"
#include "reference/files/tensors/safetensors_header.h"
#include "reference/files/text.h"

namespace ringattn::cli {

// The shapes of Q, K and V.
struct InputShapes {
  Shape q, k, v;

  Shape out() const { return {q.B, q.S, q.H, v.D}; }
};

// Where the tensors of a problem come from, and what is known of them before they are in memory: of an input file its
// header, of texts their bytes.
struct InputSource {
  std::optional<SafetensorsHeader> header;  // of the file of --input
  std::optional<Text> text;                 // the texts of --text
  Dtype dtype;                              // storage type of the tensors
  InputShapes shapes;

  // Throws BadInput if the file or a text cannot be read, or if q, k and v do not have one type
  explicit InputSource(const ProblemOptions& options);

  // Whether the file has this tensor
  bool has(const char* name) const { return header && header->has(name); }

  // Upper bounds of the memory of a problem with numbers of _element_bytes_: while make_problem() makes it, when it is
  // made, and of the positions in it
  double bytes_to_make(double element_bytes) const;
  double bytes_of_problem(double element_bytes) const;
  double bytes_of_positions() const;
};

// The number of elements, without overflow
double element_count(const Shape& shape);

}  // namespace ringattn::cli
