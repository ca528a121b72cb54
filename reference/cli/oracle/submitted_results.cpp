#include "reference/cli/oracle/submitted_results.h"
#include "reference/cli/args/command.h"


#include "reference/cli/args/rule.h"
#include "reference/files/json.h"
#include "reference/files/npy.h"

namespace ringattn::cli {

namespace {

constexpr const char* names[] = {"out", "lse", "dq", "dk", "dv"};

Axes parse_axes(const std::string& axes) {
  return axes == "bhsd" ? Axes::bhsd : axes == "sbhd" ? Axes::sbhd : Axes::bshd;
}

// What the files of one option hold: each tensor in the order of the devices
using Shards = std::map<std::string, std::vector<StoredTensor>>;

// A .npy file holds the tensor _usual_; a safetensors file holds tensors under their names, of which _wanted_
// are taken
void read_file(const std::filesystem::path& path, const std::string& usual,
               const std::vector<std::string>& wanted, Shards& shards) {
  if (path.extension() == ".npy") {
    shards[usual].push_back(read_npy(path));
    return;
  }
  SafetensorsFile file = read_safetensors(path);
  for (const std::string& name : wanted)
    if (file.has(name)) shards[name].push_back(file.take(name));
}

// Which shape a whole result has
Shape shape_of(const std::string& name, const OwnedProblem<double>& c) {
  const Shape out = c.problem().out_shape();
  if (name == "out") return out;
  if (name == "lse") return {out.B, out.S, out.H, 1};
  return (name == "dq" ? c.Q : name == "dk" ? c.K : c.V).shape();
}

// Finds the tensors in the files, and puts shards together
class ResultsReader {
 public:
  ResultsReader(const std::string& command, const OwnedProblem<double>& c, Axes axes, Layout layout, int devices)
      : where_("[" + command + "] "), case_(c), axes_(axes), layout_(layout), devices_(devices) {}

  // The files of the option --_option_
  void read(const std::string& option, const std::vector<std::filesystem::path>& paths,
            const std::vector<std::string>& wanted) {
    if (paths.empty()) return;
    require(paths.size() == 1 || paths.size() == static_cast<std::size_t>(devices_), where_, "--", option,
            " takes one file, or one for each device in their order; found ", paths.size(), " files for ",
            devices_, " devices; give --devices too");
    Shards shards;
    for (const std::filesystem::path& path : paths) read_file(path, option, wanted, shards);
    require(!shards.empty(), where_, in_quotes(paths.front().string()), " must hold ",
            wanted.size() == 1 ? wanted.front() : "some of out, lse, dq, dk and dv",
            "; found nothing of that name; rename the tensors in it");
    for (const std::string& name : wanted)
      if (shards.count(name)) add(name, shards.at(name), paths.size());
  }

  std::map<std::string, Tensor<double>> tensors;
  std::map<std::string, Dtype> stored;

 private:
  void add(const std::string& name, const std::vector<StoredTensor>& parts, std::size_t files) {
    require(parts.size() == files, where_, "every shard must hold ", name, "; found it in ", parts.size(),
            " of ", files, " files; add it or leave it out everywhere");
    require(tensors.count(name) == 0, where_, "a result must be given once; found ", name,
            " in two files; leave one out");
    stored[name] = parts.front().dtype;
    tensors[name] = files == 1 ? whole(name, parts.front()) : gathered(name, parts);
  }

  Tensor<double> converted_from(const std::string& name, const StoredTensor& part) const {
    return name == "lse" ? to_row_tensor<double>(name, part) : to_tensor<double>(name, part, axes_);
  }

  Tensor<double> whole(const std::string& name, const StoredTensor& part) const {
    Tensor<double> tensor = converted_from(name, part);
    require(tensor.shape() == shape_of(name, case_), where_, name,
            " must have the shape (batch, sequence, heads, head_dim) = ", shape_of(name, case_), "; found ",
            tensor.shape(), "; is it in another order? see --axes");
    return tensor;
  }

  // The whole of a tensor, of which each device has its rows of the layout
  Tensor<double> gathered(const std::string& name, const std::vector<StoredTensor>& parts) const {
    const Shape shape = shape_of(name, case_);
    Tensor<double> tensor(shape, name == "lse" ? Axes::bhsd : Axes::bshd);
    for (int device = 0; device < devices_; ++device) {
      const Tensor<double> part = converted_from(name, parts[static_cast<std::size_t>(device)]);
      const std::vector<Index> rows = rows_of_device(layout_, device, devices_, shape.S);
      Shape wanted = shape;
      wanted.S = static_cast<Index>(rows.size());
      require(part.shape() == wanted, where_, "the shard of device ", device, " must hold ", name,
              " of the shape ", wanted, "; found ", part.shape(), "; is the layout right? see --layout");
      scatter_rows(part, rows, tensor);
    }
    return tensor;
  }

  std::string where_;
  const OwnedProblem<double>& case_;
  Axes axes_;
  Layout layout_;
  int devices_;
};

bool representable(const Tensor<double>& tensor, Precision precision) {
  for (Index i = 0; i < tensor.size(); ++i)
    if (!held_exactly(precision, tensor.data()[i])) return false;
  return true;
}

ImplementationPrecision declared_by(const ResultOptions& o, const std::map<std::string, Dtype>& stored,
                     const OwnedProblem<double>& c) {
  const auto stored_as = [&](std::initializer_list<const char*> candidates, Dtype otherwise) {
    for (const char* name : candidates)
      if (stored.count(name)) return stored.at(name);
    return otherwise;
  };
  ImplementationPrecision declared;
  declared.stored = stored_as({"out", "dq", "dk", "dv"}, c.dtype);
  declared.lse_stored = stored_as({"lse"}, declared.stored == Dtype::f64 ? Dtype::f64 : Dtype::f32);
  declared.implementation =
      parse_precision(o.implementation.empty() ? name(declared.stored) : o.implementation);
  for (const Tensor<double>* tensor : {&c.Q, &c.K, &c.V, &c.dout})
    declared.exact_operands &= representable(*tensor, declared.implementation);
  return declared;
}

}  // namespace

void add_result_options(Command& command, ResultOptions& o) {
  const auto files = [&](const char* name, std::vector<std::filesystem::path>& paths,
                         const char* description) {
    command.add_option(name, paths, description)->check(not_empty())->type_name("FILE...");
  };
  files("--out", o.out,
        "your results: safetensors with any of out lse dq dk dv, or out alone as .npy;"
        " one file, or one a device");
  files("--lse", o.lse, "your lse (B, H, S), where --out does not hold it; .npy or safetensors");
  files("--dq", o.dq, "your dq, likewise");
  files("--dk", o.dk, "your dk, likewise");
  files("--dv", o.dv, "your dv, likewise");
  command.add_option("--axes", o.axes, "order of the axes in your files: bshd, bhsd, sbhd")
      ->check(one_of({"bshd", "bhsd", "sbhd"}))
      ->type_name("NAME")
      ->capture_default_str();
  command
      .add_option("--implementation", o.implementation,
                  "what your matrix products take: f64, f32, tf32, bf16, f16 (default: the type of out)")
      ->check(one_of({"f64", "f32", "tf32", "bf16", "f16"}))
      ->type_name("NAME");
}

std::optional<TensorView<const double>> SubmittedResults::view(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) return std::nullopt;
  return found->second.view();
}

SubmittedResults read_submitted_results(const std::string& command, const ResultOptions& o, const OwnedProblem<double>& c, Layout layout,
                   int devices) {
  ResultsReader reader(command, c, parse_axes(o.axes), layout, devices);
  reader.read("out", o.out, {std::begin(names), std::end(names)});
  reader.read("lse", o.lse, {"lse"});
  reader.read("dq", o.dq, {"dq"});
  reader.read("dk", o.dk, {"dk"});
  reader.read("dv", o.dv, {"dv"});
  require(!reader.tensors.empty(), "[", command,
          "] there must be results of yours; found none; give --out, --lse, --dq, --dk or --dv");
  return {std::move(reader.tensors), declared_by(o, reader.stored, c)};
}

}  // namespace ringattn::cli
