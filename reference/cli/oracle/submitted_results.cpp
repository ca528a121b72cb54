#include <algorithm>

#include "reference/cli/args/named_tensors.h"
#include "reference/cli/oracle/submitted_case.h"
#include "reference/definition/error/chunked.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/definition/minus_infinity.h"

namespace ringattn::cli {

namespace {

constexpr const char* result_names[] = {"out", "lse", "dq", "dk", "dv", "dsinks"};

// The tensors in the files of one option: name -> shards in the order of the devices
using Shards = std::map<std::string, std::vector<StoredTensor>>;

// Adds the tensors of one file that have the names _wanted_; an array without a name is called _sole_
void read_file(const std::filesystem::path& path, const std::string& sole,
               const std::vector<std::string>& wanted, Shards& shards, std::vector<std::string>& notes) {
  const NamedTensors file(path, sole);
  for (const std::string& name : wanted)
    if (file.has(name)) shards[name].push_back(file.read(name));
  for (const std::string& note : file.notes())
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
}

// The orders in which the axes of results may be: the given one; if none is given, that of the case first
std::vector<Axes> orders_of_results(const ResultOptions& o, Axes of_case) {
  if (!o.axes.empty()) return {parse_axes(o.axes)};
  std::vector<Axes> orders{of_case};
  for (const Axes axes : all_axes)
    if (axes != of_case) orders.push_back(axes);
  return orders;
}

// The shape of a result of the whole sequence, (B, S, H, D)
Shape shape_of(const std::string& name, const InputShapes& shapes) {
  const Shape out = shapes.out();
  if (name == "out") return out;
  if (name == "lse") return {out.B, out.S, out.H, 1};
  if (name == "dsinks") return {1, 1, out.H, 1};
  return name == "dq" ? shapes.q : name == "dk" ? shapes.k : shapes.v;
}

// Finds the tensors in the files, joins the shards, and checks every shape
class ResultsReader {
 public:
  ResultsReader(const std::string& command, const OwnedProblem<double>& inputs, std::vector<Axes> orders,
                const ResultRows& rows)
      : prefix_("[" + command + "] "), inputs_(inputs), orders_(std::move(orders)), rows_(rows) {}

  // The files of the option --_option_
  void read(const std::string& option, const std::vector<std::filesystem::path>& paths,
            const std::vector<std::string>& wanted) {
    if (paths.empty()) return;
    require(paths.size() == 1 || paths.size() == static_cast<std::size_t>(rows_.sharding.devices()), prefix_,
            "--", option, " takes one file, or one file per device; found ", paths.size(), " files for ",
            rows_.sharding.devices(), " devices; pass --devices");
    Shards shards;
    for (const std::filesystem::path& path : paths) read_file(path, option, wanted, shards, notes);
    require(!shards.empty(), prefix_, in_quotes(paths.front().string()), " must hold ",
            wanted.size() == 1 ? wanted.front() : "some of out, lse, dq, dk, dv and dsinks",
            "; found no tensor of that name; rename the tensors");
    for (const std::string& name : wanted)
      if (shards.count(name)) add(name, shards.at(name), paths.size());
  }

  std::map<std::string, Tensor<double>> tensors;
  std::map<std::string, Dtype> stored;
  std::vector<std::string> notes;

 private:
  void add(const std::string& name, const std::vector<StoredTensor>& parts, std::size_t files) {
    require(parts.size() == files, prefix_, "every shard must hold ", name, "; found it in ", parts.size(),
            " of ", files, " files; add it to all shards or remove it from all");
    require(tensors.count(name) == 0, prefix_, "each result must be given once; found ", name,
            " in two files; remove one of them");
    require(name != "dsinks" || files == 1, prefix_, "dsinks are sums over the rows of all devices; found ",
            files, " files of shards; give the sums in one file with --dsinks");
    stored[name] = parts.front().dtype;
    tensors[name] =
        without_padding(name, files == 1 ? whole_tensor(name, parts.front()) : joined_shards(name, parts));
  }

  // A tensor of the shape _wanted_; if no order of its axes fits, the tensor in the first order
  Tensor<double> as_double(const std::string& name, const StoredTensor& part, const Shape& wanted) {
    if (name == "dsinks") return to_head_tensor<double>(name, part);
    const std::vector<Axes>& orders = name == "lse" ? orders_of_lse : orders_;
    if (auto tensor = to_tensor_of_shape<double>(name, part, wanted, orders)) {
      note_order(name, find_axes(part.shape, wanted, orders)->axes);
      return std::move(*tensor);
    }
    return name == "lse" ? to_row_tensor<double>(name, part) : to_tensor<double>(name, part, orders_.front());
  }

  void note_order(const std::string& name, Axes axes) {
    if (name == "lse" || axes == orders_.front()) return;
    const std::string note = name + " is read as " + axis_names(axes) + ", the order that fits its shape";
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }

  Tensor<double> whole_tensor(const std::string& name, const StoredTensor& part) {
    const Shape wanted = shape_of(name, rows_.stored);
    Tensor<double> tensor = as_double(name, part, wanted);
    require(tensor.shape() == wanted, prefix_, name,
            " must have the shape (batch, sequence, heads, head_dim) = ", wanted, "; found ", tensor.shape(),
            "; if its axes are in another order, pass --axes");
    return tensor;
  }

  // The rows of the case, with the right results as padding
  Tensor<double> without_padding(const std::string& name, Tensor<double> tensor) const {
    if (name == "dsinks") return tensor;
    const bool of_keys = name == "dk" || name == "dv";
    const Index rows = (of_keys ? inputs_.K : inputs_.Q).shape().S;
    if (tensor.shape().S != rows) tensor = select_rows<const double>(tensor, all_rows(rows));
    if (name == "lse")
      fill_padding_of_lse(inputs_.padded.queries, inputs_.scoring, tensor);
    else
      fill_padding(of_keys ? inputs_.padded.keys : inputs_.padded.queries, 0.0, tensor);
    return tensor;
  }

  // Each shard holds the rows of its device
  Tensor<double> joined_shards(const std::string& name, const std::vector<StoredTensor>& parts) {
    const Shape shape = shape_of(name, rows_.stored);
    Tensor<double> tensor(shape, name == "lse" ? Axes::bhsd : Axes::bshd);
    for (int device = 0; device < rows_.sharding.devices(); ++device) {
      const std::vector<Index> rows = rows_.sharding.rows_of(device, shape.S);
      Shape wanted = shape;
      wanted.S = static_cast<Index>(rows.size());
      const Tensor<double> part = as_double(name, parts[static_cast<std::size_t>(device)], wanted);
      require(part.shape() == wanted, prefix_, "the shard of device ", device, " must hold ", name,
              " of the shape ", wanted, "; found ", part.shape(), "; pass the --layout of your program");
      scatter_rows(part, rows, tensor);
    }
    return tensor;
  }

  std::string prefix_;
  const OwnedProblem<double>& inputs_;
  std::vector<Axes> orders_;
  ResultRows rows_;
};

bool held_exactly(const Tensor<double>& tensor, Precision precision) {
  for (Index i = 0; i < tensor.size(); ++i)
    if (!ringattn::held_exactly(precision, tensor.data()[i])) return false;
  return true;
}

// The precision of the implementation: that of --implementation, else the type in which the results are stored
ImplementationPrecision declared_precision(const ResultOptions& o, const std::map<std::string, Dtype>& stored,
                                           const OwnedProblem<double>& inputs, const NarrowType* narrow) {
  const auto stored_as = [&](std::initializer_list<const char*> candidates, Dtype otherwise) {
    for (const char* name : candidates)
      if (stored.count(name)) return stored.at(name);
    return otherwise;
  };
  ImplementationPrecision declared;
  declared.stored = stored_as({"out", "dq", "dk", "dv", "dsinks"}, inputs.dtype);
  declared.lse_stored = stored_as({"lse"}, declared.stored == Dtype::f64 ? Dtype::f64 : Dtype::f32);
  declared.implementation =
      parse_precision(o.implementation.empty() ? name(declared.stored) : o.implementation);
  // Operands of 8 bits are the numbers of the file, and their factors follow the products
  const bool as_stored = narrow && has_eight_bits(declared.implementation);
  for (const Tensor<double>* tensor : {&inputs.Q, &inputs.K, &inputs.V, &inputs.dout})
    declared.exact_operands &=
        (as_stored && tensor != &inputs.dout) || held_exactly(*tensor, declared.implementation);
  return declared;
}

}  // namespace

std::optional<TensorView<const double>> SubmittedResults::view(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) return std::nullopt;
  return found->second.view();
}

SubmittedResults read_submitted_results(const std::string& command, const ResultOptions& o,
                                        const OwnedProblem<double>& inputs, const ResultRows& rows) {
  ResultsReader reader(command, inputs, orders_of_results(o, rows.axes), rows);
  reader.read("out", o.out, {std::begin(result_names), std::end(result_names)});
  reader.read("lse", o.lse, {"lse"});
  reader.read("dq", o.dq, {"dq"});
  reader.read("dk", o.dk, {"dk"});
  reader.read("dv", o.dv, {"dv"});
  reader.read("dsinks", o.dsinks, {"dsinks"});
  require(!reader.tensors.empty(), "[", command,
          "] there must be results to check; found none; pass --out, --lse, --dq, --dk, --dv or "
          "--dsinks");
  return {std::move(reader.tensors), declared_precision(o, reader.stored, inputs, rows.narrow),
          std::move(reader.notes)};
}

}  // namespace ringattn::cli
