#include "reference/cli/oracle/submitted_case.h"
#include "reference/definition/in_quotes.h"
#include "reference/files/tensors/npy.h"
#include "reference/files/tensors/safetensors.h"

namespace ringattn::cli {

namespace {

constexpr const char* result_names[] = {"out", "lse", "dq", "dk", "dv"};

Axes parse_axes(const std::string& axes) {
  return axes == "bhsd" ? Axes::bhsd : axes == "sbhd" ? Axes::sbhd : Axes::bshd;
}

// The tensors in the files of one option: name -> shards in the order of the devices
using Shards = std::map<std::string, std::vector<StoredTensor>>;

// Adds the tensors of one file: of a .npy file its only tensor, called _npy_name_; of a safetensors file those of the
// names _wanted_
void read_file(const std::filesystem::path& path, const std::string& npy_name,
               const std::vector<std::string>& wanted, Shards& shards) {
  if (path.extension() == ".npy") {
    shards[npy_name].push_back(read_npy(path));
    return;
  }
  SafetensorsFile file = read_safetensors(path);
  for (const std::string& name : wanted)
    if (file.has(name)) shards[name].push_back(file.take(name));
}

// The shape of a result of the whole sequence, (B, S, H, D)
Shape shape_of(const std::string& name, const OwnedProblem<double>& inputs) {
  const Shape out = inputs.problem().out_shape();
  if (name == "out") return out;
  if (name == "lse") return {out.B, out.S, out.H, 1};
  return (name == "dq" ? inputs.Q : name == "dk" ? inputs.K : inputs.V).shape();
}

// Finds the tensors in the files, joins the shards, and checks every shape
class ResultsReader {
 public:
  ResultsReader(const std::string& command, const OwnedProblem<double>& inputs, Axes axes, Layout layout,
                int devices)
      : prefix_("[" + command + "] "), inputs_(inputs), axes_(axes), layout_(layout), devices_(devices) {}

  // The files of the option --_option_
  void read(const std::string& option, const std::vector<std::filesystem::path>& paths,
            const std::vector<std::string>& wanted) {
    if (paths.empty()) return;
    require(paths.size() == 1 || paths.size() == static_cast<std::size_t>(devices_), prefix_, "--", option,
            " takes one file, or one file per device; found ", paths.size(), " files for ", devices_,
            " devices; pass --devices");
    Shards shards;
    for (const std::filesystem::path& path : paths) read_file(path, option, wanted, shards);
    require(!shards.empty(), prefix_, in_quotes(paths.front().string()), " must hold ",
            wanted.size() == 1 ? wanted.front() : "some of out, lse, dq, dk and dv",
            "; found no tensor of that name; rename the tensors");
    for (const std::string& name : wanted)
      if (shards.count(name)) add(name, shards.at(name), paths.size());
  }

  std::map<std::string, Tensor<double>> tensors;
  std::map<std::string, Dtype> stored;

 private:
  void add(const std::string& name, const std::vector<StoredTensor>& parts, std::size_t files) {
    require(parts.size() == files, prefix_, "every shard must hold ", name, "; found it in ", parts.size(),
            " of ", files, " files; add it to all shards or remove it from all");
    require(tensors.count(name) == 0, prefix_, "each result must be given once; found ", name,
            " in two files; remove one of them");
    stored[name] = parts.front().dtype;
    tensors[name] = files == 1 ? whole_tensor(name, parts.front()) : joined_shards(name, parts);
  }

  Tensor<double> as_double(const std::string& name, const StoredTensor& part) const {
    return name == "lse" ? to_row_tensor<double>(name, part) : to_tensor<double>(name, part, axes_);
  }

  Tensor<double> whole_tensor(const std::string& name, const StoredTensor& part) const {
    Tensor<double> tensor = as_double(name, part);
    require(tensor.shape() == shape_of(name, inputs_), prefix_, name,
            " must have the shape (batch, sequence, heads, head_dim) = ", shape_of(name, inputs_), "; found ",
            tensor.shape(), "; if its axes are in another order, pass --axes");
    return tensor;
  }

  // Each shard holds the rows that the layout gives to its device
  Tensor<double> joined_shards(const std::string& name, const std::vector<StoredTensor>& parts) const {
    const Shape shape = shape_of(name, inputs_);
    Tensor<double> tensor(shape, name == "lse" ? Axes::bhsd : Axes::bshd);
    for (int device = 0; device < devices_; ++device) {
      const Tensor<double> part = as_double(name, parts[static_cast<std::size_t>(device)]);
      const std::vector<Index> rows = rows_of_device(layout_, device, devices_, shape.S);
      Shape wanted = shape;
      wanted.S = static_cast<Index>(rows.size());
      require(part.shape() == wanted, prefix_, "the shard of device ", device, " must hold ", name,
              " of the shape ", wanted, "; found ", part.shape(), "; pass the --layout of your program");
      scatter_rows(part, rows, tensor);
    }
    return tensor;
  }

  std::string prefix_;
  const OwnedProblem<double>& inputs_;
  Axes axes_;
  Layout layout_;
  int devices_;
};

bool held_exactly(const Tensor<double>& tensor, Precision precision) {
  for (Index i = 0; i < tensor.size(); ++i)
    if (!ringattn::held_exactly(precision, tensor.data()[i])) return false;
  return true;
}

// The precision of the implementation: that of --implementation, else the type in which the results are stored
ImplementationPrecision declared_precision(const ResultOptions& o, const std::map<std::string, Dtype>& stored,
                                           const OwnedProblem<double>& inputs) {
  const auto stored_as = [&](std::initializer_list<const char*> candidates, Dtype otherwise) {
    for (const char* name : candidates)
      if (stored.count(name)) return stored.at(name);
    return otherwise;
  };
  ImplementationPrecision declared;
  declared.stored = stored_as({"out", "dq", "dk", "dv"}, inputs.dtype);
  declared.lse_stored = stored_as({"lse"}, declared.stored == Dtype::f64 ? Dtype::f64 : Dtype::f32);
  declared.implementation =
      parse_precision(o.implementation.empty() ? name(declared.stored) : o.implementation);
  for (const Tensor<double>* tensor : {&inputs.Q, &inputs.K, &inputs.V, &inputs.dout})
    declared.exact_operands &= held_exactly(*tensor, declared.implementation);
  return declared;
}

}  // namespace

std::optional<TensorView<const double>> SubmittedResults::view(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) return std::nullopt;
  return found->second.view();
}

SubmittedResults read_submitted_results(const std::string& command, const ResultOptions& o,
                                        const OwnedProblem<double>& inputs, Layout layout, int devices) {
  ResultsReader reader(command, inputs, parse_axes(o.axes), layout, devices);
  reader.read("out", o.out, {std::begin(result_names), std::end(result_names)});
  reader.read("lse", o.lse, {"lse"});
  reader.read("dq", o.dq, {"dq"});
  reader.read("dk", o.dk, {"dk"});
  reader.read("dv", o.dv, {"dv"});
  require(!reader.tensors.empty(), "[", command,
          "] there must be results to check; found none; pass --out, --lse, --dq, --dk or --dv");
  return {std::move(reader.tensors), declared_precision(o, reader.stored, inputs)};
}

}  // namespace ringattn::cli
