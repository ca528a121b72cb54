#pragma once

#include <memory>
#include <optional>

#include "reference/cli/args/named_tensors.h"
#include "reference/cli/args/options.h"
#include "reference/definition/input/axis_order.h"
#include "reference/files/text.h"

namespace ringattn::cli {

// The shapes of Q, K and V.
struct InputShapes {
  Shape q, k, v;

  Shape out() const { return {q.B, q.S, q.H, v.D}; }
};

// Where the tensors of a problem come from, and what is known of them before they are in memory: of an input file what
// it says about its tensors, of texts their bytes.
struct InputSource {
  std::shared_ptr<const NamedTensors> file;  // of --input
  std::optional<Text> text;                  // the texts of --text
  Dtype dtype;                               // storage type of the tensors
  const NarrowType* narrow = nullptr;        // that of q, k and v, if they have 8 bits
  InputShapes shapes;
  std::vector<std::string> notes;  // how the file is read, in sentences

  std::string doubt;  // a sentence on the order of the axes, if another one is likelier; else empty

  // Of a file only
  Axes axes = Axes::bshd;                // order of the axes of its tensors
  bool axes_given = false;               // by its metadata or by an option
  std::vector<Axes> other_axes;          // other orders that fit the shapes
  InputShapes stored;                    // with the rows after the last document, which _shapes_ leaves out
  std::vector<std::int64_t> cu_q, cu_k;  // of packed documents

  // _axes_: the order of the axes in the file, whatever it says. Throws BadInput if the file or a text cannot be read,
  // or if q, k and v do not have one type
  explicit InputSource(const ProblemOptions& options, std::optional<Axes> axes = {});

  // Whether the file has this tensor
  bool has(const char* name) const { return file && file->has(name); }

  // Upper bounds of the memory of a problem with numbers of _element_bytes_: while make_problem() makes it, when it is
  // made, and of the positions in it
  double bytes_to_make(double element_bytes) const;
  double bytes_of_problem(double element_bytes) const;
  double bytes_of_positions() const;

 private:
  void read_file_header(const ProblemOptions& options, std::optional<Axes> axes);
  void choose_axes();  // those of a file that states none
  void read_cu_seqlens();
};

// Applies the metadata of the input file, as apply_metadata() does; returns its sentences after those of the source
std::vector<std::string> notes_on_file(Command& command, const InputSource& source);

// The extents of a tensor of the file, where documents packed into one sequence, (T, H, D), may lack the batch
std::vector<Index> with_batch(std::vector<Index> extents, bool packed, Axes axes);

// The number of elements, without overflow
double element_count(const Shape& shape);

}  // namespace ringattn::cli
