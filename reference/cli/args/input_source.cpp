#include "reference/cli/args/input_source.h"

#include <algorithm>
#include <string_view>

#include "reference/cli/args/pair_terms.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/tensors/stored_tensor.h"

namespace ringattn::cli {

namespace {

// The shapes of generated tensors, or of the tensors that represent a text
InputShapes shapes_from_options(const ProblemOptions& o, const std::optional<Text>& text) {
  const Index B = text ? 1 : o.batch, Sq = text ? static_cast<Index>(text->bytes().size()) : o.seq,
              Skv = text ? Sq : o.kv_seq.value_or(o.seq), Hkv = o.kv_heads.value_or(o.heads);
  return {{B, Sq, o.heads, o.dim}, {B, Skv, Hkv, o.dim}, {B, Skv, Hkv, o.v_dim.value_or(o.dim)}};
}

std::string type_name(const TensorEntry& entry) {
  return entry.narrow ? std::string(entry.narrow->in_safetensors) : ringattn::name(entry.dtype);
}

void require_one_type(const TensorListing& listing) {
  const TensorEntry& q = listing.at("q");
  for (const char* name : {"k", "v", "dout"}) {
    // dout of an implementation of 8 bits is wider
    if (!listing.has(name) || (q.narrow && name == std::string_view("dout"))) continue;
    const TensorEntry& other = listing.at(name);
    require(other.dtype == q.dtype && other.narrow == q.narrow,
            "[--input] all tensors must have one type; found q in ", type_name(q), " and ", name, " in ",
            type_name(other), "; convert one of them");
  }
}

// ---- The order of the axes -----------------------------------------------------

InputShapes shapes_in_file(const TensorListing& listing, Axes axes) {
  const bool packed = listing.has("cu_seqlens_q");
  const auto shape = [&](const char* name) {
    return tensor_shape(name, with_batch(listing.at(name).shape, packed, axes), axes);
  };
  return {shape("q"), shape("k"), shape("v")};
}

// Whether q, k, v and dout have matching shapes in this order of their axes
bool fits(const TensorListing& listing, Axes axes) {
  try {
    const auto [q, k, v] = shapes_in_file(listing, axes);
    const bool packed = listing.has("cu_seqlens_q");
    const Shape out{q.B, q.S, q.H, v.D};
    return q.B == k.B && q.D == k.D && k.B == v.B && k.S == v.S && k.H == v.H && q.H % k.H == 0 &&
           (!listing.has("dout") ||
            with_batch(listing.at("dout").shape, packed, axes) == extents_of(out, axes));
  } catch (const BadInput&) {
    return false;
  }
}

bool has_equal_lengths(const InputShapes& shapes) { return shapes.q.S == shapes.k.S; }
bool has_few_heads(const InputShapes& shapes) { return shapes.q.H <= shapes.q.S; }

// The order in which a file is read that states none: bshd, unless its shapes contradict bshd, or are unusual in
// it, and are usual in another order: as many keys as queries, and no more heads than rows
Axes likely_axes(const TensorListing& listing, const std::vector<Axes>& fitting) {
  for (const Axes axes : fitting) {
    const InputShapes shapes = shapes_in_file(listing, axes);
    if (has_equal_lengths(shapes) && (axes == Axes::bshd || has_few_heads(shapes))) return axes;
  }
  return Axes::bshd;
}

}  // namespace

std::vector<Index> with_batch(std::vector<Index> extents, bool packed, Axes axes) {
  constexpr std::size_t packed_rank = 3;
  if (packed && extents.size() == packed_rank)
    extents.insert(extents.begin() + (axes == Axes::sbhd ? 1 : 0), 1);
  return extents;
}

InputSource::InputSource(const ProblemOptions& options, std::optional<Axes> order)
    : dtype(parse_dtype(options.dtype)) {
  if (options.input) {
    read_file_header(options, order);
    return;
  }
  if (!options.text.empty()) text = read_text(options.text);
  shapes = shapes_from_options(options, text);
}

void InputSource::read_file_header(const ProblemOptions& options, std::optional<Axes> order) {
  file = std::make_shared<const NamedTensors>(*options.input);
  const TensorListing& listing = file->listing();
  dtype = listing.at("q").dtype;
  narrow = listing.at("q").narrow;
  require_one_type(listing);
  notes = file->notes();

  // The order of the axes: as given, else one that fits the shapes
  const auto in_metadata = listing.metadata.find("axes");
  std::string given = options.axes;
  if (in_metadata != listing.metadata.end() && in_metadata->second != "None") given = in_metadata->second;
  axes_given = order || !given.empty();
  if (axes_given)
    axes = order ? *order : parse_axes(given);
  else
    choose_axes();
  stored = shapes = shapes_in_file(listing, axes);
  read_cu_seqlens();
}

void InputSource::choose_axes() {
  const TensorListing& listing = file->listing();
  for (const Axes each : all_axes)
    if (fits(listing, each)) other_axes.push_back(each);
  axes = likely_axes(listing, other_axes);
  std::erase(other_axes, axes);
  if (axes != Axes::bshd)
    notes.push_back(std::string("q, k and v are read as ") + axis_names(axes) +
                    ", the order that fits their shapes");
  const Shape q = shapes_in_file(listing, axes).q;
  for (const Axes each : other_axes)
    if (doubt.empty() && q.S < q.H && has_few_heads(shapes_in_file(listing, each)))
      doubt = "q is read as " + std::to_string(q.S) + " rows of " + std::to_string(q.H) +
              " heads; if its axes are " + axis_names(each) + ", state axes = " + name(each) +
              " in the metadata or with --axes of check";
}

// Rows after the last document are left out
void InputSource::read_cu_seqlens() {
  const auto read = [&](const char* name, Index& length, const char* rows) {
    std::vector<std::int64_t> cu = to_integers(name, file->read(name));
    if (cu.empty() || cu.back() < 1 || cu.back() >= length) return cu;
    notes.push_back(std::string(rows) + " " + std::to_string(cu.back()) + ".." + std::to_string(length - 1) +
                    " follow the last document and are left out");
    length = cu.back();
    return cu;
  };
  if (has("cu_seqlens_q")) cu_q = read("cu_seqlens_q", shapes.q.S, "queries");
  if (has("cu_seqlens_k")) cu_k = read("cu_seqlens_k", shapes.k.S, "keys");
  if (stored.v.S == stored.k.S) shapes.v.S = shapes.k.S;
}

std::vector<std::string> notes_on_file(Command& command, const InputSource& source) {
  std::vector<std::string> notes = source.notes;
  if (!source.doubt.empty()) notes.push_back(source.doubt);
  const std::vector<std::string> overridden = apply_metadata(command, source.file->listing().metadata);
  notes.insert(notes.end(), overridden.begin(), overridden.end());
  return notes;
}

double InputSource::bytes_of_problem(double element_bytes) const {
  const Shape out = shapes.out(), rows{out.B, out.S, out.H, 1};
  const double elements = element_count(shapes.q) + element_count(shapes.k) + element_count(shapes.v) +
                          element_count(out) + element_count(rows);
  return element_bytes * elements + bytes_of_positions() +
         (file ? bytes_of_pair_terms(*file, element_bytes) : 0) +
         (text ? static_cast<double>(text->bytes().size()) : 0);
}

double InputSource::bytes_of_positions() const {
  const double sequences = file ? static_cast<double>(shapes.q.B) : 1;
  return sizeof(RowPosition) * sequences * static_cast<double>(shapes.q.S + shapes.k.S);
}

double InputSource::bytes_to_make(double element_bytes) const {
  double source = 0;
  // One tensor of the file is in memory while it is converted, twice if its numbers are widened
  if (file)
    for (const TensorEntry& entry : file->listing().tensors) {
      const auto in_file = static_cast<double>(entry.end - entry.begin);
      const double widened = entry.narrow ? in_file / static_cast<double>(entry.narrow->bytes) *
                                                static_cast<double>(bytes_per_element(entry.narrow->widened))
                                          : 0;
      source = std::max(source, in_file + widened);
    }
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
